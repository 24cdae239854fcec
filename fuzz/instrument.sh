#!/usr/bin/env bash
# The compiler as run.sh has cargo call it: coverage is counted in our crates alone. That of the code generator tells how it
# works and not what we do, fills the corpus with inputs that differ in nothing else, and makes each input slower.
set -euo pipefail
if [[ ${CARGO_PKG_NAME:-} == dtq-* && " $* " == *" --target "* ]]; then
    set -- "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1
fi
exec "$@"
