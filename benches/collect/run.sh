#!/bin/bash
# What a record costs in dtq collect, in a proxy that does nothing, in the OpenTelemetry Collector and in rotel: the
# table, on stdout. Options go to the program (README.md). What is on the machine already is used: OTELCOL and ROTEL
# name programs; otherwise the Collector is built with its own builder (needs Go), and rotel comes from PyPI.
set -euo pipefail
cd "$(dirname "$0")"

cargo build --quiet --release --manifest-path ../../Cargo.toml -p dtq-cli
cargo build --quiet --release --manifest-path ../Cargo.toml -p dtq-collect-bench
dtq=${CARGO_TARGET_DIR:-../../target}/release/dtq
bench=${CARGO_TARGET_DIR:-../target}/release/dtq-collect-bench
programs=(--dtq "$(realpath "$dtq")")

otelcol=${OTELCOL:-$PWD/../target/otelcol/otelcol}
if [ ! -x "$otelcol" ] && [ -x ~/.cache/dtq/e2e/collector/build/otelcol ]; then
    # What the end-to-end tests have built: the same release, with some more in it that is not used.
    otelcol=~/.cache/dtq/e2e/collector/build/otelcol
fi
if [ ! -x "$otelcol" ] && command -v go > /dev/null; then
    go run go.opentelemetry.io/collector/cmd/builder@v0.161.0 --config otelcol.yaml >&2
fi
if [ -x "$otelcol" ]; then
    programs+=(--otelcol "$(realpath "$otelcol")")
else
    echo "SKIPPED: the OpenTelemetry Collector, because there is no Go to build it with" >&2
fi

rotel=${ROTEL:-}
if [ -z "$rotel" ]; then
    venv=$PWD/../target/rotel
    if [ ! -d "$venv" ]; then
        python3 -m venv "$venv" >&2 && "$venv/bin/pip" install --quiet rotel==0.0.1a15 >&2 || true
    fi
    rotel=$(find "$venv" -name rotel-agent -type f 2> /dev/null | head -n 1 || true)
fi
# The agent runs processors in the Python that it was linked with.
if [ -n "$rotel" ] && "$rotel" --version > /dev/null 2>&1; then
    programs+=(--rotel "$rotel")
else
    echo "SKIPPED: rotel, because pip does not give it or its Python is not there" >&2
fi

echo "$(date -u +%Y-%m-%d), $(nproc) x $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), Linux $(uname -r)"
exec "$bench" table "${programs[@]}" "$@"
