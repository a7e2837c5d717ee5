"""The checks of a contract as expressions of Spark, over values in their physical types; true for good values."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import polars as pl
from pyspark.sql import Column as Expr
from pyspark.sql import functions as F

from common.contracts.contract import Column, Kind
from common.contracts.patterns import ascii_classes
from common.lake.schema import silver_type
from common.quality.checks import FORMS, edge, held, limits
from common.refine.spark.columns import physical


def passed(column: Column, value: Expr) -> Iterator[Expr]:
    """Return what must be true of a value that is there; patterns and remainders of decimals are the reader's."""
    if column.kind is Kind.STRING:
        yield ~F.contains(value, F.lit("\0"))  # no warehouse stores it
    if column.accepted:
        yield value.isin([literal(column, one) for one in held(column, column.accepted).to_list()])
    for _, limit, up, equal in limits(column):
        yield _beyond(column, limit, value, up=up, equal=equal)
    if column.multiple_of is not None:
        yield value % int(column.multiple_of) == 0
    yield from _of_text(column, value)


def _of_text(column: Column, value: Expr) -> Iterator[Expr]:
    if column.min_length is not None:
        yield F.char_length(value) >= column.min_length
    if column.max_length is not None:
        yield F.char_length(value) <= column.max_length
    if column.pattern is not None:
        yield value.rlike(rf"^(?:{ascii_classes(column.pattern)})\z")
    if column.form is not None:
        yield value.rlike(rf"^(?:{FORMS[column.form]})\z")


def _beyond(column: Column, limit: Any, value: Expr, *, up: bool, equal: bool) -> Expr:
    found = edge(column, limit, up=up, equal=equal)
    if isinstance(found, bool):
        return F.lit(found)
    last, equal = literal(column, found[0]), found[1]
    if up:
        return value >= last if equal else value > last
    return value <= last if equal else value < last


def literal(column: Column, value: Any) -> Expr:
    """Return a value of a column's own type as a constant of the physical one."""
    if isinstance(value, date | datetime):
        value = pl.Series([value], dtype=silver_type(column)).to_physical().item()
    if column.kind is Kind.DECIMAL:
        return F.lit(f"{value:f}").cast(physical(column))
    return F.lit(value)
