"""What every warehouse offers: its head for a consumer, and one transaction to stage, count and load in."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import polars as pl

from common.core.nouns import Head

TOKEN_TABLE = "watershed.load_token"  # noqa: S105 - a table's name


class Session(Protocol):
    """One transaction of a warehouse; it is rolled back unless `commit` is called."""

    def take_token(self, consumer: str, hop: int, attempt: int) -> None:
        """Move the consumer's token from hop - 1 to hop; raises CommitConflict where it stands elsewhere."""
        ...

    def stage(self, table: str, rows: pl.DataFrame) -> None:
        """Bulk copy rows into a new temporary table."""
        ...

    def execute(self, sql: str) -> int:
        """Run one statement and tell how many rows it touched."""
        ...

    def scalar(self, sql: str) -> Any:
        """Run one query and give its only value."""
        ...

    def commit(self) -> None:
        """Commit the transaction."""
        ...


class Warehouse(Protocol):
    """One kind of warehouse, reached by an Airflow Connection."""

    def head(self, consumer: str) -> Head:
        """Read the consumer's token."""
        ...

    def session(self) -> AbstractContextManager[Session]:
        """Open one transaction."""
        ...

    def create(self, table: str, schema: Mapping[str, pl.DataType], key: Sequence[str]) -> None:
        """Make a table, its schema and its columns where they are missing."""
        ...

    def create_token(self, consumer: str) -> None:
        """Make the token table and the consumer's row, at hop 0, where they are missing."""
        ...


def column_type(dtype: pl.DataType) -> str:
    """Give the SQL type of a polars type, as both engines know it."""
    if isinstance(dtype, pl.Decimal):
        return f"DECIMAL({dtype.precision or 38}, {dtype.scale})"
    names: dict[type[pl.DataType], str] = {
        pl.String: "VARCHAR",
        pl.Boolean: "BOOLEAN",
        pl.Date: "DATE",
        pl.Float64: "DOUBLE PRECISION",
        pl.Float32: "REAL",
        pl.Int8: "SMALLINT",
        pl.Int16: "SMALLINT",
        pl.Int32: "INTEGER",
        pl.Int64: "BIGINT",
        pl.Int128: "DECIMAL(38, 0)",
    }
    if isinstance(dtype, pl.Datetime):
        return "TIMESTAMP WITH TIME ZONE" if dtype.time_zone else "TIMESTAMP"
    return names[type(dtype)]


def quoted(table: str) -> str:
    """Quote `schema.table`."""
    return ".".join(f'"{part}"' for part in table.split("."))


def columns_sql(schema: Mapping[str, pl.DataType], key: Sequence[str]) -> str:
    """Give the column list of CREATE TABLE."""
    columns = [f'"{name}" {column_type(dtype)}' for name, dtype in schema.items()]
    return ", ".join([*columns, *_primary_key(key)])


def added_columns(table: str, schema: Mapping[str, pl.DataType]) -> list[str]:
    """Give the statements that add the columns which a table from an older contract lacks."""
    return [
        f'ALTER TABLE {quoted(table)} ADD COLUMN IF NOT EXISTS "{name}" {column_type(dtype)}'
        for name, dtype in schema.items()
    ]


def _primary_key(key: Sequence[str]) -> list[str]:
    names = ", ".join(f'"{name}"' for name in key)
    return [f"PRIMARY KEY ({names})"] if key else []


TOKEN_SQL = (
    "CREATE SCHEMA IF NOT EXISTS watershed",
    f"CREATE TABLE IF NOT EXISTS {TOKEN_TABLE} "
    "(consumer VARCHAR PRIMARY KEY, hop BIGINT NOT NULL, attempt BIGINT NOT NULL)",
)
