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

# Every fuzz target for so many seconds, from the kept corpus on (needs cargo-fuzz; what is found lands in fuzz/target/found)
fuzz SECONDS="30":
    #!/usr/bin/env bash
    set -euo pipefail
    # The sanitizers are not stable yet; the switch that lets a stable compiler have them is for these builds alone.
    export RUSTC_BOOTSTRAP=1
    cargo fuzz build
    for file in fuzz/fuzz_targets/*.rs; do
        target=$(basename "$file" .rs)
        mkdir -p "fuzz/target/found/$target"
        cargo fuzz run "$target" "fuzz/target/found/$target" "fuzz/corpus/$target" -- -max_total_time={{SECONDS}} -print_final_stats=1
    done

# The property tests, with many more cases than `just test` gives them
properties CASES="20000":
    PROPTEST_CASES={{CASES}} cargo test --release --lib

# The fault campaign, with FACTOR times as many kills and rounds as `just test` has, in an optimised build
faults FACTOR="5":
    SERIN_FAULTS_FACTOR={{FACTOR}} cargo test --release --test it faults:: -- --test-threads 1
    cat target/tmp/faults.md

# A canary that fails and is taken out, on two services of its own
demo *ARGS: build
    target/release/serin demo {{ARGS}}

# The optimised binary
build:
    cargo build --release

# Has the linker put first what an idle process runs, by a run of the binary (needs valgrind; when that has changed much)
order: build
    python3 -B link/order.py target/release/serin > target/order.ld
    mv target/order.ld link/order.ld

# Licences, banned crates and sources of the dependencies (needs cargo-deny)
deny:
    cargo deny check licenses bans sources

# All that a change must pass
ci:
    bash .ci/run
