#!/usr/bin/env bash
# Runs what can run in Miri, which finds undefined behaviour: a nightly compiler with `miri` and `rust-src`.
#
# Miri executes no machine code. So the helpers that generated code calls are called by tests that stand in for it, and
# everything else is built without the code generator and interpreted: readers, slots, values, rules. What needs minutes
# in Miri and has no unsafe code below it (whole files of fixtures, generated programs) is left to the other tests.
set -euo pipefail
cd "$(dirname "$0")/.."
export MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-permissive-provenance ${MIRIFLAGS:-}"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/miri
miri() {
    printf '=== %s\n' "$*"
    cargo +nightly miri test --quiet "$@"
}

# What generated code and its caller hand each other, and the helpers.
miri -p dtq-jit --lib -- helpers:: layout:: pools::
# Slots, the wire reader, edits.
miri -p dtq-record --lib -- slot wire otlp
miri -p dtq-ir --lib
# Rules on the interpreter. The tests of the library itself read all fixtures, or ask for machine code.
miri -p dtq-rules --no-default-features --test budget
