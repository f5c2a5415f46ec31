# syntax=docker/dockerfile:1

FROM rust:1.95-slim-bookworm AS build
WORKDIR /build

# The dependencies are a layer of their own: built against empty sources, and built again only when a manifest changes.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src benches \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs benches/allocations.rs benches/micro.rs \
    && cargo build --release --locked --bin serin \
    && rm -r src

# A copied file keeps its old date, and Cargo would take the empty sources' build for newer.
COPY . .
RUN touch src/main.rs src/lib.rs \
    && cargo build --release --locked --bin serin

# glibc and the CA certificates that webhook alerts need; no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/target/release/serin /usr/local/bin/serin

# By number, so that Kubernetes' `runAsNonRoot` can tell. Nothing is written outside the configured state directory, so
# the root file system may be read-only.
USER 65532:65532
EXPOSE 8080 9900
ENTRYPOINT ["/usr/local/bin/serin"]
CMD ["run", "--config", "/etc/serin/serin.yaml"]
