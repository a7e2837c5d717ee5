"""A reader of every published table, in a process of its own: it looks again and again, as a dashboard would.

Whatever it sees must be whole: all rows of a delivery with weights that add up to 100, days that agree with that, nothing
that a check refused, and never less than it has seen before. It ends when its input is closed, and says what it saw.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import duckdb
import polars as pl
import psycopg
from snowflake.connector import DictCursor, connect

SACKS, WEIGHT = 5, 100.0
PAUSE = 0.2  # seconds between two looks at a table, less on a machine that looks quickly
PATIENCE = 300.0  # seconds that a reader tries to open a file that somebody writes
DELIVERIES = """SELECT delivery, count(*) AS sacks, sum(weight)::float8 AS weight, min(weight)::float8 AS lightest
FROM mill.sacks GROUP BY delivery"""
DAYS = "SELECT day, sacks, weight::float8 AS weight FROM mill.daily"
Rows = list[dict[str, Any]]


@dataclass
class Seen:
    """What one reader saw of one table."""

    looks: int = 0
    states: int = 0
    broken: list[str] = field(default_factory=list)
    _last: Rows = field(default_factory=list)
    _most: float = 0

    def look(self, rows: Rows) -> None:
        """Judge what a look has shown."""
        rows = sorted(rows, key=str)
        self.looks += 1
        self.states += rows != self._last
        self._last = rows
        total = sum(row["sacks"] for row in rows)
        if total < self._most:
            self.broken.append(f"{total} sacks after {self._most}")
        self._most = total
        self.broken += [str(row) for row in rows if not _whole(row)]


def _whole(row: dict[str, Any]) -> bool:
    deliveries = row["sacks"] / SACKS
    if "delivery" in row and (deliveries != 1 or row["lightest"] < 0 or row["delivery"] < 0):
        return False
    return deliveries == int(deliveries) and abs(row["weight"] - deliveries * WEIGHT) < 0.001


def silver() -> Rows:
    """Read silver at the version that is current."""
    found = _lake("silver/mill/sacks").group_by("delivery")
    weight = pl.col("weight").cast(pl.Float64)
    return found.agg(pl.len().alias("sacks"), weight.sum(), weight.min().alias("lightest")).to_dicts()


def gold() -> Rows:
    """Read gold at the version that is current."""
    return _lake("gold/mill/daily").select("day", "sacks", pl.col("weight").cast(pl.Float64)).to_dicts()


def _lake(key: str) -> pl.DataFrame:
    options = {
        "aws_endpoint_url": os.environ["AWS_ENDPOINT_URL"],
        "aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
        "aws_region": os.environ["AWS_REGION"],
        "aws_allow_http": "true",
    }
    return pl.scan_delta(f"s3://{os.environ['WATERSHED_BUCKET']}/{key}", storage_options=options).collect()


def postgres(query: str, address: str = "WAREHOUSE_URL") -> Callable[[], Rows]:
    """Read a table of PostgreSQL on a connection that stays; the stand-in of Redshift keeps its tables in one, too."""
    connection = psycopg.connect(os.environ[address], autocommit=True, row_factory=psycopg.rows.dict_row)
    return lambda: connection.execute(query).fetchall()  # type: ignore[call-overload]


def snowflake(query: str) -> Callable[[], Rows]:
    """Read a table of Snowflake on a connection that stays."""
    place = json.loads(os.environ["AIRFLOW_CONN_WAREHOUSE_SNOWFLAKE"])
    cursor = connect(user=place["login"], password=place["password"], **place["extra"]).cursor(DictCursor)
    return lambda: [{name.lower(): value for name, value in row.items()} for row in cursor.execute(query).fetchall()]


def duck(query: str) -> Callable[[], Rows]:
    """Read a table of DuckDB; one process may have the file, so a reader opens it briefly, and again when it is taken."""
    path = json.loads(os.environ["AIRFLOW_CONN_WAREHOUSE_DUCKDB"])["host"]

    def look() -> Rows:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with duckdb.connect(path, read_only=True) as connection:
                    found = connection.execute(query)
                    columns = [column[0] for column in found.description or ()]
                    return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]
            except duckdb.IOException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    return look


TABLES: dict[str, Callable[[], Callable[[], Rows]]] = {
    "silver": lambda: silver,
    "gold": lambda: gold,
    "sacks in PostgreSQL": lambda: postgres(DELIVERIES),
    "days in PostgreSQL": lambda: postgres(DAYS),
    "sacks in DuckDB": lambda: duck(DELIVERIES),
    "days in DuckDB": lambda: duck(DAYS),
    "sacks in Redshift": lambda: postgres(DELIVERIES, "REDSHIFT_URL"),
    "days in Redshift": lambda: postgres(DAYS, "REDSHIFT_URL"),
    "sacks in Snowflake": lambda: snowflake(DELIVERIES),
    "days in Snowflake": lambda: snowflake(DAYS),
}


def poll(name: str, seen: Seen, over: threading.Event) -> None:
    """Look at one table until it is over, and once more then; an error is a fault like any other."""
    try:
        look = TABLES[name]()
        took = 0.0
        while not over.wait(min(PAUSE, 4 * took)):
            began = time.monotonic()
            seen.look(look())
            took = time.monotonic() - began
        seen.look(look())
    except Exception as error:  # noqa: BLE001 - whatever a reader trips over is told
        seen.broken.append(f"{type(error).__name__}: {error}")


def main() -> None:
    """Poll all tables, one thread each."""
    over, seen = threading.Event(), {name: Seen() for name in TABLES}
    threads = [threading.Thread(target=poll, args=(name, seen[name], over)) for name in TABLES]
    for thread in threads:
        thread.start()
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    sys.stdin.read()
    over.set()
    for thread in threads:
        thread.join()
    told = {name: {k: v for k, v in asdict(found).items() if not k.startswith("_")} for name, found in seen.items()}
    sys.stdout.write(json.dumps(told, default=str))


if __name__ == "__main__":
    main()
