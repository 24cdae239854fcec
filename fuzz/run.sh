#!/usr/bin/env bash
# Builds a fuzz target with coverage and runs it: fuzz/run.sh TARGET SECONDS [libFuzzer options]
set -euo pipefail
cd "$(dirname "$0")"
target=${1:?a target: one of the [[bin]] names in fuzz/Cargo.toml}
seconds=${2:?how many seconds}
shift 2
host=$(rustc -vV | sed -n 's/^host: //p')
# What cargo-fuzz passes, coverage by instrument.sh; with DTQ_SANITIZER=address also the address sanitizer, which needs a
# nightly compiler.
cargo=(cargo) sanitizer=
if [ -n "${DTQ_SANITIZER:-}" ]; then
    cargo=(cargo +nightly) sanitizer="-Zsanitizer=$DTQ_SANITIZER"
fi
export RUSTFLAGS="--cfg fuzzing $sanitizer ${RUSTFLAGS:-}"
export RUSTC_WRAPPER=$PWD/instrument.sh
target_dir=${CARGO_TARGET_DIR:-target}
"${cargo[@]}" build --release --target "$host" --target-dir "$target_dir" --bin "$target"
mkdir -p "corpus/$target"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
"$target_dir/$host/release/$target" "corpus/$target" regressions -max_total_time="$seconds" -rss_limit_mb=2048 \
    -timeout=5 -artifact_prefix="regressions/$target-" -print_final_stats=1 "$@" 2>"$log" || status=$?
grep -E '^stat::number_of_executed_units' "$log" || true
grep -E '^past the parser:' "$log" | tail -n 1 || true
if [ "$status" -ne 0 ]; then
    grep -m1 -A 2 panicked "$log" >&2 || true
    tail -n 40 "$log" >&2
    echo "$target: a finding; the input is fuzz/regressions/$target-*" >&2
fi
exit "$status"
