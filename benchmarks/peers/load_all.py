"""A table of the lake into a warehouse, by our load or by a bare COPY, on the stack that the environment names."""

import sys
import time
from collections.abc import Callable
from datetime import date

import polars as pl
import psycopg
from airflow.sdk import Connection
from deltalake import write_deltalake
from measure import Anonymous, finish

from common.core.ids import attempt_id
from common.core.settings import domains_dir, settings
from common.lake.table import current_version
from common.ledger.claims import Claim
from common.pipelines.kinds import consumer_named
from common.pipelines.loading import LoadStep
from common.zones.store import client, storage_options

PART = 500_000
CONTRACT = """
apiVersion: v3.0.2
kind: DataContract
id: urn:bench:sales
name: sales
version: 1.0.0
status: active
domain: bench
schema:
  - name: sales
    properties:
      - {name: customer_id, logicalType: string}
      - {name: day, logicalType: date}
      - {name: cds, logicalType: integer}
      - {name: revenue, logicalType: number, physicalType: "decimal(18,2)"}
customProperties:
  - property: load
    value:
"""
LOAD = "      - {{to: {to}, strategy: {strategy}, table: bench.{to}_{strategy}}}\n"


def step(to: str, strategy: str) -> LoadStep:
    """Make the step of one load, by a contract that declares them all."""
    file = domains_dir() / "bench" / "contracts" / "sales.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    loads = [LOAD.format(to=t, strategy=s) for t in ("warehouse", "duckdb") for s in ("full", "incremental")]
    file.write_text(CONTRACT + "".join(loads))
    return LoadStep(consumer_named(f"bench.{to}_{strategy}@{to}"))


def part(first: int, rows: int) -> pl.DataFrame:
    """Make some rows of sales."""
    n = pl.int_range(first, first + rows, dtype=pl.Int64)
    return pl.select(
        n.cast(pl.String).str.zfill(9).alias("customer_id"),
        (pl.lit(date(1997, 1, 1)) + pl.duration(days=n % 540)).cast(pl.Date).alias("day"),
        (n % 7).alias("cds"),
        (n % 1000 + 1).cast(pl.Decimal(18, 2)).alias("revenue"),
        pl.format("bronze/bench/sales/{}.csv", n // 10_000).alias("_file"),
        (n % 10_000).alias("_record"),
    )


def prepare(rows: str) -> None:
    """Write the table of the lake."""
    began = time.perf_counter()
    client().create_bucket(Bucket=settings().bucket)
    uri = step("warehouse", "full").source.uri
    for first in range(0, int(rows), PART):
        options = storage_options()
        write_deltalake(uri, part(first, min(PART, int(rows) - first)), mode="append", storage_options=options)
    finish(began)


def ours(to: str, strategy: str) -> None:
    """Load it, with token and guard; it is the first load where the strategy is incremental."""
    load = step(to, strategy)
    load.apply()
    pins = {load.consumer.inputs[0]: (0, current_version(load.source.uri))}
    held = Claim(load.consumer.name, 1, attempt_id(), 0, (), load.consumer.contract, "benchmark", pins)
    began = time.perf_counter()
    with Anonymous() as memory, load.stage(held) as staged:
        staged.commit()
    finish(began, rows=load.count_rows(), counted=staged.counts.good, anonymous=memory.peak)


def bare(folder: str) -> None:
    """COPY the rows, ready as CSV, into a table with the same key: what the server itself takes."""
    connection = Connection.get(settings().warehouse_conn)
    login = {"host": connection.host, "port": connection.port, "user": connection.login}
    path = f"{folder}/sales.csv"
    pl.scan_delta(step("warehouse", "full").source.uri, storage_options=storage_options()).sink_csv(
        path, include_header=False
    )
    with psycopg.connect(dbname=connection.schema, password=connection.password, **login) as database:
        database.execute("CREATE SCHEMA IF NOT EXISTS bench")
        database.execute(
            "CREATE TABLE bench.bare (customer_id VARCHAR, day DATE, cds BIGINT, revenue DECIMAL(18, 2), "
            "_file VARCHAR, _record BIGINT, PRIMARY KEY (_file, _record))"
        )
        database.commit()
        began = time.perf_counter()
        with Anonymous() as memory, open(path, "rb") as lines, database.cursor() as cursor:  # noqa: PTH123
            with cursor.copy("COPY bench.bare FROM STDIN (FORMAT csv)") as copy:
                while block := lines.read(1 << 20):
                    copy.write(block)
            rows = cursor.rowcount
        database.commit()
        finish(began, rows=rows, counted=rows, anonymous=memory.peak)


PROGRAMS: dict[str, Callable[..., None]] = {"prepare": prepare, "ours": ours, "bare": bare}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](*sys.argv[2:])
