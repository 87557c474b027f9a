# The commands of this project. `.ci/run` is the list of what must hold; it needs no `just`.
export RUST_BACKTRACE := "1"

default:
    @just --list

# The embedded store and the sample API.
demo *args:
    cargo run --release --locked -- demo {{ args }}

build *flags:
    cargo build --release --locked {{ flags }}

fmt:
    cargo fmt --all

lint:
    cargo fmt --all --check
    cargo clippy --all-targets --all-features --locked -- -D warnings

test *flags:
    cargo test --locked {{ flags }}

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked

deny:
    cargo deny check bans licenses sources

# Against a real store, with curl and boto3.
conformance:
    tests/conformance/run

# The dashboard in a headless Chromium.
dashboard *args:
    tests/dashboard/run {{ args }}

# HTTP/2 over TLS: cases of RFC 9113, floods, curl, nghttp and h2load.
http2 *args:
    tests/http2/run {{ args }}

# Wall-clock times of the hot parts, for people.
bench:
    cargo bench --locked --bench micro

# Instruction counts of the hot parts against the baseline; `--update` makes a new one.
instructions *args:
    bench/instructions {{ args }}

load *args:
    loadtests/run {{ args }}

# Beside HAProxy, nginx, Envoy and pingora, as far as they are there.
matrix *args:
    loadtests/matrix {{ args }}

# Clients that trickle beside others, and downloads that nobody takes.
abuse *args:
    loadtests/trickle {{ args }}
    loadtests/stalled

# Each parser for some seconds; `just fuzz 300 template` for one of them.
fuzz *args:
    fuzz/run {{ args }}

# Client and store that fail by a seed, beyond those of the tests.
faults schedules="5000" seed="1":
    SLUICEGATE_FAULT_SEED={{ seed }} SLUICEGATE_FAULT_SCHEDULES={{ schedules }} cargo test --locked --test fault_schedule

ci:
    .ci/run
