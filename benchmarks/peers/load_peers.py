"""The same rows into the same PostgreSQL by what people use: pandas, ADBC, dlt."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from load_all import CHANGED, FIRST, address, ends, warehouse
from measure import Anonymous, finish

BLOCK = 100_000


def blocks(folder: str, which: str) -> Iterator[pa.RecordBatch]:
    """Read rows in blocks, so that no peer has to hold all of them."""
    for path in sorted((Path(folder) / which).glob("*.parquet")):
        yield from pq.ParquetFile(path).iter_batches(BLOCK)


def timed(table: str, work: Callable[[], Any]) -> None:
    """Do it, and say how long it took and what the table holds then."""
    began = time.perf_counter()
    with Anonymous() as memory:
        work()
    took = time.perf_counter() - began
    with warehouse() as database:
        finish(time.perf_counter() - took, ends=ends(database, table), anonymous=memory.peak)


def pandas(folder: str) -> None:
    """Append frames by `to_sql`; told nothing of decimals it would make them text."""
    from sqlalchemy import Numeric, create_engine

    engine = create_engine(address().replace("://", "+psycopg://"))
    with warehouse():
        pass

    def work() -> None:
        with engine.begin() as connection:
            for block in blocks(folder, FIRST):
                frame, where = block.to_pandas(), {"schema": "peers", "if_exists": "append", "index": False}
                frame.to_sql("pandas", connection, dtype={"revenue": Numeric(18, 2)}, **where)

    timed("peers.pandas", work)


def adbc(folder: str) -> None:
    """Ingest Arrow by PostgreSQL's binary COPY."""
    from adbc_driver_postgresql import dbapi

    first = next(blocks(folder, FIRST))
    with warehouse():
        pass

    def work() -> None:
        reader = pa.RecordBatchReader.from_batches(first.schema, blocks(folder, FIRST))
        with dbapi.connect(address()) as connection, connection.cursor() as cursor:
            cursor.adbc_ingest("adbc", reader, mode="create", db_schema_name="peers")
            connection.commit()

    timed("peers.adbc", work)


def dlt(folder: str, disposition: str, which: str) -> None:
    """Run a pipeline that appends, merges by key, or keeps intervals; changes come after the first rows."""
    os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="ERROR")
    import dlt as tool
    from dlt.sources.helpers.transform import add_row_hash_to_table

    write: Any = {"disposition": "merge", "strategy": "scd2"} if disposition == "scd2" else disposition
    hints = {} if disposition == "append" else {"primary_key": "customer_id"}
    hints |= {"merge_key": "customer_id"} if disposition == "scd2" else {}
    pipeline = tool.pipeline(
        f"bench_{disposition}_{which}",
        destination=tool.destinations.postgres(address()),
        dataset_name=f"dlt_{disposition}_{which}",
        pipelines_dir=f"{folder}/dlt",
    )

    def run(some: str) -> None:
        resource: Any = tool.resource
        made = resource(
            (pa.Table.from_batches([block]) for block in blocks(folder, some)),
            name="sales",
            write_disposition=write,
            **hints,
        )
        if disposition == "scd2":
            made = made.add_map(add_row_hash_to_table("_dlt_id"))  # of Arrow it makes none by itself
        pipeline.run(made).raise_on_failed_jobs()

    if which == CHANGED:
        run(FIRST)
    timed(f"dlt_{disposition}_{which}.sales", lambda: run(which))


PROGRAMS: dict[str, Callable[..., None]] = {"pandas": pandas, "adbc": adbc, "dlt": dlt}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](*sys.argv[2:])
