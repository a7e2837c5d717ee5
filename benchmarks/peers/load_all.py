"""Tables of the lake into a warehouse, by our loads or by a bare COPY, on the stack that the environment names."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import psycopg
import sqlglot
from airflow.sdk import Connection
from deltalake import DeltaTable, write_deltalake
from measure import Anonymous, finish
from sqlglot import exp

from common.core.ids import attempt_id
from common.core.settings import domains_dir, settings
from common.ledger.claims import Claim
from common.ledger.database import migrate
from common.pipelines.kinds import consumer_named
from common.pipelines.loading import LoadStep
from common.zones.store import client, storage_options

PART = 500_000
FIRST, CHANGED = "first", "changed"
BEGAN = datetime(2024, 1, 1, tzinfo=UTC)
CONTRACT = """
apiVersion: v3.0.2
kind: DataContract
id: urn:bench:{name}
name: {name}
version: 1.0.0
status: active
domain: bench
schema:
  - name: {name}
    properties:
      - {{name: customer_id, logicalType: string, required: true, primaryKey: true}}
      - {{name: day, logicalType: date}}
      - {{name: cds, logicalType: integer}}
      - {{name: revenue, logicalType: number, physicalType: "decimal(18,2)"}}
      - {{name: changed_at, logicalType: timestamp, required: true}}
customProperties:
  - {{property: latest, value: [changed_at]}}
  - {{property: history, value: {history}}}
  - property: load
    value:
"""
LOAD = "      - {{to: {to}, strategy: {strategy}, table: bench.{to}_{strategy}}}\n"
# Of the second every version is kept, as its strategy needs.
TARGETS = ("warehouse", "duckdb", "redshift", "snowflake")
STRATEGIES = {"sales": ("full", "incremental"), "customers": ("scd2",)}
HOW_IT_ENDS = "SELECT count(*), coalesce(sum(cds), 0)::bigint, coalesce(sum(revenue), 0)::bigint FROM {}"


def step(to: str, strategy: str) -> LoadStep:
    """Make the step of one load, by contracts that declare them all."""
    for name, strategies in STRATEGIES.items():
        file = domains_dir() / "bench" / "contracts" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        loads = [LOAD.format(to=t, strategy=s) for t in TARGETS for s in strategies]
        file.write_text(CONTRACT.format(name=name, history=str(name == "customers").lower()) + "".join(loads))
    return LoadStep(consumer_named(f"bench.{to}_{strategy}@{to}"))


def part(first: int, rows: int, cds: int = 0) -> pl.DataFrame:
    """Make some rows; with `cds` they are newer by a day, and have so many more."""
    n = pl.int_range(first, first + rows, dtype=pl.Int64)
    return pl.select(
        n.cast(pl.String).str.zfill(9).alias("customer_id"),
        (pl.lit(date(1997, 1, 1)) + pl.duration(days=n % 540)).cast(pl.Date).alias("day"),
        (n % 7 + cds).alias("cds"),
        (n % 1000 + 1).cast(pl.Decimal(18, 2)).alias("revenue"),
        pl.lit(BEGAN + timedelta(days=min(cds, 1)), pl.Datetime("us", "UTC")).alias("changed_at"),
    )


def origin(rows: pl.DataFrame) -> pl.DataFrame:
    """Add where each row came from, as silver tables have it."""
    n = pl.int_range(pl.len(), dtype=pl.Int64)
    return rows.with_columns(
        pl.format("bronze/bench/sales/{}.csv", n // 10_000).alias("_file"),
        (n % 10_000).alias("_record"),
        pl.lit(BEGAN, pl.Datetime("us", "UTC")).alias("_arrival"),
    )


def prepare(folder: str, rows: str, changes: str) -> None:
    """Write both tables of the lake and, for the peers, their rows as Parquet; then the changes, half to new keys."""
    began, count, changed = time.perf_counter(), int(rows), int(changes)
    migrate()  # a load asks the ledger what is known of its table
    client().create_bucket(Bucket=settings().bucket)
    uris = [step("warehouse", strategy).source.uri for strategy in ("full", "scd2")]
    options, feed = storage_options(), {"delta.enableChangeDataFeed": "true"}
    (files := Path(folder) / FIRST).mkdir()
    for first in range(0, count, PART):
        found = part(first, min(PART, count - first))
        found.write_parquet(files / f"{first:09}.parquet")
        for uri in uris:
            write_deltalake(uri, origin(found), mode="append", storage_options=options, configuration=feed)
    pins = {FIRST: DeltaTable(uris[0], storage_options=options).version()}
    (files := Path(folder) / CHANGED).mkdir()
    newer = part(count - changed // 2, changed, cds=1)
    newer.write_parquet(files / "0.parquet")
    merge = DeltaTable(uris[0], storage_options=options).merge(
        origin(newer), "t.customer_id = s.customer_id", source_alias="s", target_alias="t"
    )
    merge.when_matched_update_all().when_not_matched_insert_all().execute()
    write_deltalake(uris[1], origin(newer), mode="append", storage_options=options)
    pins[CHANGED] = DeltaTable(uris[0], storage_options=options).version()
    (Path(folder) / "pins.json").write_text(json.dumps(pins))
    finish(began)


def ours(folder: str, to: str, strategy: str, which: str) -> None:
    """Load what there was first, or after that what has changed, with token and guard."""
    load, pins = step(to, strategy), json.loads((Path(folder) / "pins.json").read_text())
    load.apply()
    if which == CHANGED and load.head().hop == 0:
        _hop(load, 1, 0, pins[FIRST])
    began = time.perf_counter()
    with Anonymous() as memory:
        _hop(load, *((2, pins[FIRST], pins[CHANGED]) if which == CHANGED else (1, 0, pins[FIRST])))
    took = time.perf_counter() - began
    (ends,) = load.warehouse.query(_parsed(load, HOW_IT_ENDS.format(load.target)))
    finish(time.perf_counter() - took, ends=list(map(int, ends)), anonymous=memory.peak)


def _parsed(load: LoadStep, query: str) -> exp.Query:
    found = sqlglot.parse_one(query, dialect=load.warehouse.dialect.sql)
    assert isinstance(found, exp.Query)
    return found


def _hop(load: LoadStep, hop: int, after: int, upto: int) -> None:
    pins = {load.consumer.inputs[0]: (after, upto)}
    held = Claim(load.consumer.name, hop, attempt_id(), 0, (), load.consumer.contract, "benchmark", pins)
    with load.stage(held) as staged:
        staged.commit()


@contextmanager
def warehouse() -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    """Connect to the warehouse as itself, to a schema for what others load."""
    with psycopg.connect(address()) as database:
        database.execute("CREATE SCHEMA IF NOT EXISTS peers")
        database.commit()
        yield database


def address() -> str:
    """Return the warehouse's address."""
    found = Connection.get("warehouse")
    return f"postgresql://{found.login}:{found.password}@{found.host}:{found.port}/{found.schema}"


def bare(folder: str) -> None:
    """COPY the rows, ready as CSV, into a table with the same key: what the server itself takes."""
    path = Path(folder) / "sales.csv"
    pl.scan_parquet(f"{folder}/{FIRST}/*.parquet").sink_csv(path, include_header=False)
    with warehouse() as database:
        database.execute(
            "CREATE TABLE peers.bare (customer_id VARCHAR PRIMARY KEY, day DATE, cds BIGINT, "
            "revenue DECIMAL(18, 2), changed_at TIMESTAMPTZ)"
        )
        database.commit()
        began = time.perf_counter()
        into = "COPY peers.bare FROM STDIN (FORMAT csv)"
        with Anonymous() as memory, path.open("rb") as lines, database.cursor() as cursor, cursor.copy(into) as copy:
            while block := lines.read(1 << 20):
                copy.write(block)
        database.commit()
        took = time.perf_counter() - began
        finish(time.perf_counter() - took, ends=ends(database, "peers.bare"), anonymous=memory.peak)


def ends(database: "psycopg.Connection[tuple[object, ...]]", table: str) -> list[int]:
    """Tell what a table holds: rows and two sums."""
    return list(database.execute(HOW_IT_ENDS.format(table).encode()).fetchone())  # type: ignore[arg-type]


PROGRAMS: dict[str, Callable[..., None]] = {"prepare": prepare, "ours": ours, "bare": bare}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](*sys.argv[2:])
