# The one entry point: `just` lists what there is.

_default:
    @just --list

# Format, lints and documentation, warnings denied
check:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps

# All tests
test *ARGS:
    cargo test {{ARGS}}

# Microbenchmarks of the parts of a request's path
bench *ARGS:
    cargo bench --bench micro {{ARGS}}

# Allocations a request
allocations:
    cargo bench --bench allocations

# What a canary that fails costs the users, under five judges, in simulated time (`just blast --quick` for a first look)
blast *ARGS:
    cargo bench --bench blast_radius -- {{ARGS}}

# Serin beside HAProxy, nginx and Envoy, those that are installed (`just peers --quick`: a first look; `--protocols`: HTTP/2, gRPC, TLS, WebSocket)
peers *ARGS: build
    python3 -B benches/peers/run.py {{ARGS}}

# The property tests, with many more cases than `just test` gives them; there are no coverage-guided fuzz targets yet
fuzz CASES="20000":
    PROPTEST_CASES={{CASES}} cargo test --release --lib

# A canary that fails and is taken out, on two services of its own
demo *ARGS: build
    target/release/serin demo {{ARGS}}

# The optimised binary
build:
    cargo build --release

# Licences, banned crates and sources of the dependencies (needs cargo-deny)
deny:
    cargo deny check licenses bans sources

# All that a change must pass
ci:
    bash .ci/run
