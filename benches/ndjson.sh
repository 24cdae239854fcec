#!/usr/bin/env bash
# Makes 1 GB of NDJSON out of fixtures/telemetry/frontend.ndjson and times a query over it: seconds, MB/s, peak memory.
#
# usage: benches/ndjson.sh [SIZE_MB]      DTQ: the binary; DTQ_BENCH: a folder for the file (kept for the next run)
#
# Each line of the recorded file comes again and again, with another time, duration and trace id, so that no two are equal.
set -euo pipefail
cd "$(dirname "$0")/.."

size_mb=${1:-1000}
binary=${DTQ:-${CARGO_TARGET_DIR:-target}/release/dtq}
file=${DTQ_BENCH:-${TMPDIR:-/tmp}}/dtq-bench-$size_mb.ndjson
query='T | where status >= 400 or ms > 100 | summarize count(), avg(ms), max(ms) by method, status, path | top 10 by count_ | project-reorder count_'

[ -x "$binary" ] || { echo "no $binary: cargo build --release -p dtq-cli" >&2; exit 1; }
[ -x /usr/bin/time ] || { echo "/usr/bin/time is missing (Debian: time)" >&2; exit 1; }

if [ ! -s "$file" ]; then
    echo "writing $size_mb MB to $file"
    # The recorded lines are cut once at what varies: time, duration, trace id.
    grep '"trace"' fixtures/telemetry/frontend.ndjson |
        sed -E 's/("time":)[0-9]+(.*"ms":)[0-9.]+(.*"trace":")[0-9a-f]+/\1\t\2\t\3\t/' |
        awk -F '\t' -v wanted="$((size_mb * 1000000))" '
            NF == 4 { count++; a[count] = $1; b[count] = $2; c[count] = $3; d[count] = $4 }
            END {
                srand(1)
                for (n = 0; size < wanted; n++) {
                    i = n % count + 1
                    text = sprintf("%s1795478%06d%s%.6f%s%08d%08d%08d%08d%s", a[i], n % 1000000, b[i], \
                        -60 * log(1 - rand()), c[i], n, n * 7 % 99999999, rand() * 99999999, rand() * 99999999, d[i])
                    print text
                    size += length(text) + 1
                }
            }' >"$file.part"
    mv "$file.part" "$file"
fi

bytes=$(stat -c %s "$file")
report=$(mktemp)
trap 'rm -f "$report"' EXIT
/usr/bin/time -f '%e %U %S %M' -o "$report" "$binary" run --table T --output table "$query" "$file"
read -r seconds user_seconds system_seconds peak_kb <"$report"
awk -v bytes="$bytes" -v s="$seconds" -v cpu="$user_seconds" -v kernel="$system_seconds" -v kb="$peak_kb" 'BEGIN {
    printf "%.0f MB in %.2f s (%.2f s of CPU): %.0f MB/s of CPU time, peak memory %.1f MB\n", bytes / 1e6, s, cpu + kernel, bytes / 1e6 / (cpu + kernel), kb / 1024
}'
