"""What a check is, and the checks a contract states."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import polars as pl

from common.contracts.contract import Column, Contract, Kind

RAW = "__raw__"


class Severity(StrEnum):
    """`error` quarantines the row, `warn` only reports it."""

    ERROR = "error"
    WARN = "warn"


@dataclass(frozen=True)
class Check:
    """A rule on one column: its expression is true for good rows, and a row it cannot judge is good."""

    rule: str
    column: str
    good: pl.Expr
    severity: Severity = Severity.ERROR


def raw(column: Column) -> str:
    """Name the working column that keeps a value as text before it was cast."""
    return RAW + column.name


def contract_checks(contract: Contract) -> list[Check]:
    """List the checks of a contract in the order in which the first failure names the reason."""
    return [check for column in contract.columns for check in column_checks(column)]


def column_checks(column: Column) -> Iterator[Check]:
    """List the checks of one column: presence, type, then its rules."""
    value = pl.col(column.name)
    if column.required:
        yield Check("required", column.name, pl.col(raw(column)).is_not_null())
    if column.kind is Kind.STRING:  # no warehouse stores a NUL character in text
        yield Check("type", column.name, ~value.str.contains("\0", literal=True).fill_null(value=False))
    else:
        yield Check("type", column.name, value.is_not_null() | pl.col(raw(column)).is_null())
    for rule, expression in _rules(column, value):
        yield Check(rule, column.name, expression.fill_null(value=True))


def _rules(column: Column, value: pl.Expr) -> Iterator[tuple[str, pl.Expr]]:
    if column.accepted:
        yield "accepted", value.cast(pl.String).is_in(list(column.accepted))
    if column.minimum is not None:
        yield "minimum", value >= _literal(column, column.minimum)
    if column.maximum is not None:
        yield "maximum", value <= _literal(column, column.maximum)
    if column.min_length is not None:
        yield "min_length", value.str.len_chars() >= column.min_length
    if column.max_length is not None:
        yield "max_length", value.str.len_chars() <= column.max_length
    if column.pattern is not None:
        yield "pattern", value.str.contains(f"^(?:{column.pattern})$")


def _literal(column: Column, limit: Any) -> pl.Expr:
    """Return a limit in the column's own type: YAML knows dates, but neither decimals nor times."""
    match column.kind:
        case Kind.DATE:
            return pl.lit(str(limit)).str.to_date("%Y-%m-%d")
        case Kind.TIMESTAMP:
            return pl.lit(str(limit)).str.to_datetime(time_zone="UTC")
        case Kind.DECIMAL:
            return pl.lit(str(limit)).cast(pl.Decimal(column.precision, column.scale))
        case _:
            return pl.lit(limit)
