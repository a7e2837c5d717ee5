"""The whole job as a DuckDB script does it: parse, check, set bad rows aside, keep the latest of each key, write."""

import sys
import time
from pathlib import Path

import duckdb
from measure import finish

READ = """
SELECT * FROM read_csv('{raw}/*.csv*', all_varchar = true, header = true, null_padding = true, union_by_name = true)
UNION ALL BY NAME
SELECT order_id::VARCHAR order_id, email, country, quantity::VARCHAR quantity, amount::VARCHAR amount, ordered_at,
       updated_at, note
FROM read_json('{raw}/*.ndjson', format = 'newline_delimited', columns = {{order_id: 'BIGINT', email: 'VARCHAR',
    country: 'VARCHAR', quantity: 'BIGINT', amount: 'DECIMAL(12,2)', ordered_at: 'VARCHAR', updated_at: 'VARCHAR',
    note: 'VARCHAR'}})
"""
TYPED = """
SELECT try_cast(order_id AS BIGINT) order_id, lower(trim(email)) email, country, try_cast(quantity AS BIGINT) quantity,
       try_cast(amount AS DECIMAL(12, 2)) amount, try_cast(ordered_at AS TIMESTAMPTZ) ordered_at,
       try_cast(updated_at AS TIMESTAMPTZ) updated_at, note
FROM ({read})
UNION ALL BY NAME
SELECT order_id, lower(trim(email)) email, country, quantity, amount, ordered_at::TIMESTAMPTZ ordered_at,
       updated_at::TIMESTAMPTZ updated_at, note
FROM read_parquet('{raw}/*.parquet')
"""
GOOD = """
order_id IS NOT NULL AND email IS NOT NULL AND country IN ('DE', 'FR', 'GB', 'SE', 'US') AND quantity BETWEEN 1 AND 1000
AND amount BETWEEN 0 AND 100000 AND ordered_at IS NOT NULL AND updated_at IS NOT NULL
"""


def main(raw: Path, out: Path) -> None:
    """Refine every file into one table, and bad rows into another."""
    out.mkdir(parents=True)
    (out / "bad").mkdir()
    began = time.perf_counter()
    read = READ.format(raw=raw)
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        db.execute(
            f"CREATE TABLE typed AS SELECT *, coalesce({GOOD}, false) AS good FROM ({TYPED.format(read=read, raw=raw)})"
        )
        db.execute(f"COPY (SELECT * EXCLUDE (good) FROM typed WHERE NOT good) TO '{out}/bad/orders.parquet'")
        latest = "QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY updated_at DESC) = 1"
        how = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1"
        db.execute(f"COPY (SELECT * EXCLUDE (good) FROM typed WHERE good {latest}) TO '{out}/orders.parquet' ({how})")
    finish(began, writes="Parquet")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
