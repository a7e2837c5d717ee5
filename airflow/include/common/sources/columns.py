"""Which columns of a database's table are carried, as what, so that no value changes on its way into Parquet."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from sqlalchemy import Column, ColumnElement, Text, cast, types
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

from common.core.errors import ConfigError, SourceError

DIGITS = 38  # of a decimal that every engine knows
BINARY = (types.LargeBinary, types.BINARY, types.VARBINARY, mysql.BIT)


@dataclass(frozen=True)
class Carried:
    """A column on its way: how it is selected, and its type in the file; `utc` times come without their zone."""

    name: str
    expression: ColumnElement[Any]
    dtype: pl.DataType
    utc: bool = False

    @property
    def stored(self) -> pl.DataType:
        """The type in the file."""
        return pl.Datetime("us", "UTC") if self.utc else self.dtype


def carried(columns: Sequence[Column[Any]], table: str, needed: Collection[str]) -> list[Carried]:
    """Say how each column is carried. Columns of bytes are left out, as Parquet would hold what no contract can read.

    Raises ConfigError where the contract reads one of those, naming it.
    """
    binary = [column.name for column in columns if isinstance(column.type, BINARY)]
    if refused := [name for name in binary if name in needed]:
        raise ConfigError(
            f"Table {table} has bytes in {', '.join(refused)}, which the contract reads. Leave them out of the "
            "contract, or read a view that turns them into text, such as encode(column, 'base64')."
        )
    return [_carried(column) for column in columns if column.name not in binary]


def _carried(column: Column[Any]) -> Carried:
    dtype = _dtype(column.type)
    if dtype is None:  # whatever else a database knows, it can write as text: uuid, json, arrays, intervals
        return Carried(column.name, cast(column, Text).label(column.name), pl.String())
    return Carried(column.name, column, dtype, utc=isinstance(column.type, mysql.TIMESTAMP))


def _dtype(kind: TypeEngine[Any]) -> pl.DataType | None:
    match kind:
        case types.Float():
            return pl.Float64()
        case types.Numeric():
            return _decimal(kind)
        case types.Integer():
            return pl.UInt64() if getattr(kind, "unsigned", False) else pl.Int64()
        case types.DateTime():
            zoned = kind.timezone and not isinstance(kind, mysql.TIMESTAMP)
            return pl.Datetime("us", "UTC" if zoned else None)
    plain = ((types.Boolean, pl.Boolean()), (types.Date, pl.Date()), (types.String, pl.String()))
    return next((dtype for known, dtype in plain if isinstance(kind, known)), None)


def _decimal(kind: types.Numeric[Any]) -> pl.DataType | None:
    if kind.precision is None or kind.scale is None or kind.precision > DIGITS or kind.scale < 0:
        return None
    return pl.Decimal(kind.precision, kind.scale)


def frame(columns: Sequence[Carried], rows: Sequence[Sequence[Any]], table: str) -> pl.DataFrame:
    """Make a frame of rows, each value exactly as it came; raises SourceError naming column and type."""
    return pl.DataFrame(list(_series(columns, rows, table)))


def _series(columns: Sequence[Carried], rows: Sequence[Sequence[Any]], table: str) -> Iterator[pl.Series]:
    for position, column in enumerate(columns):
        values = [row[position] for row in rows]
        try:
            series = pl.Series(column.name, values, dtype=column.dtype, strict=True)
        except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
            raise SourceError(
                f"Column {column.name} of {table} has a value that is no {column.dtype}, though the database declares "
                f"it so ({type(error).__name__}): a date that does not exist, or a number beyond all digits."
            ) from error
        yield series.dt.replace_time_zone("UTC") if column.utc else series


def schema(columns: Sequence[Carried]) -> pl.Schema:
    """Return the schema of the file."""
    return pl.Schema({column.name: column.stored for column in columns})
