#!/usr/bin/env bash
# Counts the instructions a record of each case: the same at each run on one machine and one compiler, unlike time.
#
# usage: benches/instructions.sh [CASE]...      without a case: all; `dtq-benches list` names them
#                                               DTQ_BENCHES: the binary; DTQ_RECORDS: how many records (4096)
#
# Only what happens between entering and leaving `measured_passes` counts, so making and checking records does not.
set -euo pipefail
cd "$(dirname "$0")"

binary=${DTQ_BENCHES:-${CARGO_TARGET_DIR:-target}/release/dtq-benches}
records=${DTQ_RECORDS:-4096}
[ -x "$binary" ] || { echo "no $binary: cargo build --release --manifest-path benches/Cargo.toml" >&2; exit 1; }
command -v valgrind >/dev/null || { echo "valgrind is missing (Debian: valgrind)" >&2; exit 1; }

if [ $# -gt 0 ]; then cases=("$@"); else mapfile -t cases < <("$binary" list); fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT

printf '%-44s %12s\n' "instructions a record" ""
for case in "${cases[@]}"; do
    count=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null --collect-atstart=no \
        --toggle-collect='*measured_passes*' --log-file="$log" "$binary" instructions "$case" 1 "$records")
    total=$(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$log")
    [ "${total:-0}" -gt 0 ] || { echo "valgrind counted nothing for $case: $(tail -3 "$log")" >&2; exit 1; }
    awk -v name="$case" -v total="$total" -v count="$count" 'BEGIN { printf "%-44s %12.1f\n", name, total / count }'
done
