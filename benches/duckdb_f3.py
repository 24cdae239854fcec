"""Answers F3, counted by service, over a file of NDJSON with DuckDB, and prints service,count lines in order.

usage: duckdb_f3.py FILE THREADS typed|detected

`typed` tells DuckDB the columns that the question needs, which is its fastest way; `detected` lets it look.
"""

import sys

import duckdb

path, threads, how = sys.argv[1], int(sys.argv[2]), sys.argv[3]
columns = {
    "severity_number": "INTEGER",
    "body": "VARCHAR",
    "attributes": 'STRUCT("http.status_code" INTEGER)',
    "resource": 'STRUCT("service.name" VARCHAR)',
}
options = f", columns={columns!r}" if how == "typed" else ""
connection = duckdb.connect(config={"threads": threads})
rows = connection.execute(
    f"""
    SELECT resource."service.name" AS service, count(*) AS n
    FROM read_ndjson(?{options})
    WHERE severity_number >= 9
      AND (resource."service.name" = 'checkout' OR attributes."http.status_code" >= 500)
      AND contains(body, 'timeout')
    GROUP BY ALL ORDER BY ALL
    """,
    [path],
).fetchall()
for service, count in rows:
    print(f"{service},{count}")
