#!/usr/bin/env bash
# F3 counted by service over lines of JSON: processor seconds of dtq and of DuckDB, start-up included, on one core and two.
#
# usage: benches/duckdb.sh [RECORDS]     RECORDS: one million if not given
#        DTQ, DTQ_BENCHES: the binaries; DTQ_BENCH: a folder for the file and for DuckDB (kept for the next run)
#        DTQ_REPEAT: how often each is run (5); the least processor time counts
#
# Answers are compared first. DuckDB comes from PyPI into a virtual environment.
set -euo pipefail
cd "$(dirname "$0")/.."

records=${1:-1000000}
binary=${DTQ:-${CARGO_TARGET_DIR:-target}/release/dtq}
benches=${DTQ_BENCHES:-${CARGO_TARGET_DIR:-benches/target}/release/dtq-benches}
folder=${DTQ_BENCH:-${XDG_CACHE_HOME:-$HOME/.cache}/dtq-bench}
repeat=${DTQ_REPEAT:-5}
file=$folder/reference-$records.ndjson
python=$folder/duckdb/bin/python
query='T
| where severity_number >= 9 and (tostring(resource["service.name"]) == "checkout" or toint(attributes["http.status_code"]) >= 500) and body contains_cs "timeout"
| summarize n = count() by service = tostring(resource["service.name"])
| sort by service asc'

[ -x "$binary" ] || { echo "no $binary: cargo build --release -p dtq-cli" >&2; exit 1; }
[ -x "$benches" ] || { echo "no $benches: cargo build --release --manifest-path benches/Cargo.toml" >&2; exit 1; }
[ -x /usr/bin/time ] || { echo "/usr/bin/time is missing (Debian: time)" >&2; exit 1; }
mkdir -p "$folder"
[ -x "$python" ] || { python3 -m venv "$folder/duckdb" && "$folder/duckdb/bin/pip" install -q duckdb; }
[ -s "$file" ] || { "$benches" ndjson "$records" >"$file.part" && mv "$file.part" "$file"; }

report=$(mktemp)
answers=$(mktemp -d)
trap 'rm -rf "$report" "$answers"' EXIT

dtq() { "$binary" run --table T --output csv "$query" "$file" | tail -n +2 | tr -d '\r'; }
by_dtq() { taskset -c "$1" "$binary" run --table T --output csv "$query" "$file"; }
by_duckdb() { taskset -c "$1" "$python" benches/duckdb_f3.py "$file" "$2" "$3"; }

dtq >"$answers/dtq"
for how in typed detected; do
    by_duckdb 0,1 2 "$how" >"$answers/$how"
    diff "$answers/dtq" "$answers/$how" || { echo "dtq and DuckDB ($how) differ" >&2; exit 1; }
done

# Prints the seconds of the run with the least processor time: processor, wall.
least() {
    for _ in $(seq "$repeat"); do
        /usr/bin/time -f '%U %S %e' -o "$report" bash -c "$1" >/dev/null
        awk '{ print $1 + $2, $3 }' "$report"
    done | sort -n | head -1
}

export -f by_dtq by_duckdb
export binary query file python
read -r dtq_cpu dtq_wall < <(least 'by_dtq 0')
read -r dtq_cpu2 dtq_wall2 < <(least 'by_dtq 0,1')
read -r duck_cpu duck_wall < <(least 'by_duckdb 0 1 typed')
read -r duck_cpu2 duck_wall2 < <(least 'by_duckdb 0,1 2 typed')
read -r auto_cpu auto_wall < <(least 'by_duckdb 0 1 detected')

echo "$records records, $(($(stat -c %s "$file") / 1000000)) MB; $("$binary" --version | head -1), DuckDB $("$python" -c 'import duckdb; print(duckdb.__version__)')"
printf '%-28s %12s %12s\n' "seconds" "processor" "wall"
printf '%-28s %12.2f %12.2f\n' "dtq, one core" "$dtq_cpu" "$dtq_wall" "DuckDB, one core" "$duck_cpu" "$duck_wall" \
    "DuckDB, columns detected" "$auto_cpu" "$auto_wall" "dtq, two cores" "$dtq_cpu2" "$dtq_wall2" \
    "DuckDB, two cores" "$duck_cpu2" "$duck_wall2"
awk -v a="$dtq_cpu" -v b="$duck_cpu" -v w="$dtq_wall" -v w2="$dtq_wall2" -v d="$duck_wall" -v d2="$duck_wall2" 'BEGIN {
    printf "dtq / DuckDB, processor time on one core: %.2f; one core / two, wall time: dtq %.2f, DuckDB %.2f\n", a / b, w / w2, d / d2
}'
