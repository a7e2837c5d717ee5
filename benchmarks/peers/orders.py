"""Generate orders in every format with DuckDB, some spoiled, some sent again, and count what must remain."""

import argparse
import gzip
import json
import shutil
import time
from pathlib import Path

import duckdb
from measure import finish

DOMAIN, DATASET = "bench", "orders"
COLUMNS = ("order_id", "email", "country", "quantity", "amount", "ordered_at", "updated_at", "note")
COUNTRIES = ("DE", "FR", "GB", "SE", "US")
ACCEPTED = ", ".join(f"{{value: {code}}}" for code in COUNTRIES)
FORMATS = ("csv", "csv.gz", "ndjson", "parquet")
FILES = 2 * len(FORMATS)
ISO = "%Y-%m-%dT%H:%M:%SZ"

CONTRACT = f"""
apiVersion: v3.0.2
kind: DataContract
id: urn:watershed:{DOMAIN}:{DATASET}
name: {DATASET}
version: 1.0.0
status: active
domain: {DOMAIN}
description: {{purpose: Orders of a shop that is not real.}}
schema:
  - name: {DATASET}
    physicalType: table
    properties:
      - {{name: order_id, logicalType: integer, required: true, primaryKey: true}}
      - name: email
        logicalType: string
        required: true
        customProperties: [{{property: normalise, value: email}}]
      - {{name: country, logicalType: string, required: true, enum: [{ACCEPTED}]}}
      - {{name: quantity, logicalType: integer, required: true, logicalTypeOptions: {{minimum: 1, maximum: 1000}}}}
      - name: amount
        logicalType: number
        physicalType: decimal(12,2)
        required: true
        logicalTypeOptions: {{minimum: 0, maximum: 100000}}
      - {{name: ordered_at, logicalType: timestamp, required: true}}
      - {{name: updated_at, logicalType: timestamp, required: true}}
      - {{name: note, logicalType: string}}
customProperties:
  - {{property: latest, value: updated_at}}
"""

# Two rows of a hundred are newer versions of an older order, three of two hundred break a rule, and in delimited
# files one of ten thousand is cut short. `fault` says what is wrong with a row.
ROWS = f"""
CREATE TABLE orders AS SELECT
    i AS nr,
    CASE WHEN i % 100 = 50 AND i > 100 THEN i - 17 WHEN i % 100 = 0 THEN i // 2 ELSE i END AS order_id,
    'User' || (i * 31 % 200000) || '@Example.com' AS email,
    {list(COUNTRIES)}[1 + i % {len(COUNTRIES)}] AS country,
    1 + i % 9 AS quantity,
    ((i * 7919 % 100000) / 100)::DECIMAL(12, 2) * CASE WHEN i % 200 = 71 THEN -1 ELSE 1 END AS amount,
    TIMESTAMP '2026-01-01' + INTERVAL 1 SECOND * (i % 9999999) AS ordered_at,
    TIMESTAMP '2026-06-01' + INTERVAL 1 SECOND * i AS updated_at,
    CASE WHEN i % 10 = 0 THEN 'said "ring twice", then left' ELSE 'n' || i END AS note,
    i * {FILES} // $rows AS file,
    CASE WHEN i % 10000 = 17 AND file % 4 < 2 THEN 'short' WHEN i % 200 = 3 THEN 'date'
         WHEN i % 200 = 71 THEN 'amount' WHEN i % 200 = 133 THEN 'key' END AS fault
FROM range($rows) t(i)
"""
LATEST = """
SELECT count(*) AS rows, sum(order_id)::BIGINT AS ids, sum(quantity)::BIGINT AS quantity,
       round(sum(amount)::DOUBLE, 2) AS amount, sum(epoch_us(updated_at) // 1000000)::BIGINT AS updated
FROM (SELECT * FROM orders WHERE fault IS NULL QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY nr DESC) = 1)
"""
TEXTS = f"""
SELECT CASE WHEN fault = 'key' THEN NULL ELSE order_id END AS order_id, email, country, quantity, amount,
       CASE WHEN fault = 'date' THEN '31.02.2026' ELSE strftime(ordered_at, '{ISO}') END AS ordered_at,
       strftime(updated_at, '{ISO}') AS updated_at, note, fault FROM orders WHERE file = $file ORDER BY nr
"""
LINES = f"""
SELECT CASE WHEN fault = 'short' THEN order_id || ',' || email ELSE
    coalesce(order_id::VARCHAR, '') || ',' || concat_ws(',', email, country, quantity, amount, ordered_at, updated_at,
    CASE WHEN note LIKE '%,%' THEN '"' || replace(note, '"', '""') || '"' ELSE note END) END FROM ({TEXTS})
"""
TYPED = """
SELECT CASE WHEN fault = 'key' THEN NULL ELSE order_id END AS order_id, email, country, quantity, amount,
       CASE WHEN fault = 'date' THEN NULL ELSE ordered_at END AS ordered_at, updated_at, note
FROM orders WHERE file = $file ORDER BY nr
"""


def generate(rows: int, folder: Path) -> None:
    """Write the files below `folder/raw`, the contract below `folder/domains`, and the truth to `truth.json`."""
    contracts, raw = folder / "domains" / DOMAIN / "contracts", folder / "raw"
    for made in (contracts, raw):
        made.mkdir(parents=True)
    (contracts / f"{DATASET}.yaml").write_text(CONTRACT.lstrip(), encoding="utf-8")
    with duckdb.connect() as db:
        db.execute(ROWS, {"rows": rows})
        for file in range(FILES):
            _write(db, file, raw / f"orders-{file}.{FORMATS[file % len(FORMATS)]}")
        answer = db.execute(LATEST)
        truth = dict(zip([column[0] for column in answer.description], answer.fetchone() or (), strict=True))
        refused = db.execute("SELECT count(*) FROM orders WHERE fault IS NOT NULL").fetchone()
    truth |= {"read": rows, "refused": refused[0] if refused else 0}
    (folder / "truth.json").write_text(json.dumps(truth), encoding="utf-8")


def _write(db: duckdb.DuckDBPyConnection, file: int, path: Path) -> None:
    query, wanted = (LINES, "(FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\t')")
    if path.suffix == ".ndjson":
        query, wanted = f"SELECT * EXCLUDE (fault) FROM ({TEXTS})", "(FORMAT json)"
    elif path.suffix == ".parquet":
        query, wanted = TYPED, "(FORMAT parquet)"
    if query is not LINES:
        db.execute(f"COPY ({query.replace('$file', str(file))}) TO '{path}' {wanted}")
        return
    body, opened = path.with_suffix(".body"), gzip.open if path.suffix == ".gz" else Path.open
    db.execute(f"COPY ({query.replace('$file', str(file))}) TO '{body}' {wanted}")
    with opened(path, "wb") as target, body.open("rb") as source:
        target.write(",".join(COLUMNS).encode() + b"\n")
        shutil.copyfileobj(source, target, 1 << 20)
    body.unlink()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int)
    parser.add_argument("folder", type=Path)
    asked, began = parser.parse_args(), time.perf_counter()
    generate(asked.rows, asked.folder)
    finish(began)
