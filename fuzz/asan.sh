#!/usr/bin/env bash
# Runs the tests of native code with AddressSanitizer: a nightly compiler. Generated code is not instrumented; its helpers,
# its callers and the memory that it is handed are.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/asan
export RUSTFLAGS="-Zsanitizer=address ${RUSTFLAGS:-}"
# A child of a fork would be checked for leaks of its parent's threads; code that is freed is tested by its own tests.
export ASAN_OPTIONS="detect_leaks=0:${ASAN_OPTIONS:-}"
# What is freed stays in quarantine, so that memory in use says nothing.
skip=(--skip memory_stays_flat_over_many_units)
target=$(rustc -vV | sed -n 's/^host: //p')
cargo +nightly test --quiet --target "$target" -p dtq-jit --lib --tests "$@" -- "${skip[@]}"
cargo +nightly test --quiet --target "$target" -p dtq-rules --test same --test swap --test budget --test fork "$@"
