"""Count an output with DuckDB, which wrote none of the code under test: rows and the sums of every number."""

import sys
import time

import duckdb
from measure import finish

QUERY = """
SELECT count(*), sum(order_id)::BIGINT, sum(quantity)::BIGINT, round(sum(amount)::DOUBLE, 2),
       sum(epoch_us(updated_at) // 1000000)::BIGINT, count(DISTINCT order_id)
FROM read_parquet($files)
"""

if __name__ == "__main__":
    began = time.perf_counter()
    rows = duckdb.execute(QUERY, {"files": sys.argv[1]}).fetchone() or ()
    finish(began, **dict(zip(("rows", "ids", "quantity", "amount", "updated", "keys"), rows, strict=True)))
