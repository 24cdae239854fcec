#!/usr/bin/env bash
# Counts instructions an event, for each case of the benchmark: the difference between 20,000 and 10,000 events under
# valgrind's callgrind, so that it holds on a busy machine too.
set -euo pipefail
cd "$(dirname "$0")/../../.."
bench=$(cargo bench -p dtq-inprocess --bench cost --no-run 2>&1 | sed -n 's/.*Executable.*(\(.*\))/\1/p')
count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$bench" "$1" "$2" 2>&1 >/dev/null | sed -n 's/.*Collected : //p'
}
for case in $(seq 1 "${1:-12}"); do
    few=$(count "$case" 10000) many=$(count "$case" 20000)
    printf '%2d %8d  %s\n' "$case" $(((many - few) / 10000)) "$("$bench" "$case" 1)"
done
