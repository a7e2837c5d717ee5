"""What a check is, and the checks a contract states."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, localcontext
from enum import StrEnum
from typing import Any

import polars as pl
from phonenumbers import SUPPORTED_REGIONS

from common.contracts.contract import Column, Contract, Kind
from common.contracts.document import Fault
from common.contracts.patterns import ascii_classes
from common.core.errors import ContractError

RAW = "__raw__"
YEARS: dict[Kind, tuple[pl.Expr, pl.Expr]] = {
    Kind.DATE: (pl.lit(date(1, 1, 1)), pl.lit(date(9999, 12, 31))),
    Kind.TIMESTAMP: (
        pl.lit(datetime(1, 1, 1, tzinfo=UTC)),
        pl.lit(datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)),
    ),
}
RULES = (
    "required", "type", "phone", "range", "accepted", "minimum", "maximum", "multiple_of", "min_length", "max_length",
    "pattern", "format", "path",
)  # fmt: skip
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
FORMS = {
    "uuid": "(?i:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})",
    "email": r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+",
    "ipv4": rf"{_OCTET}(?:\.{_OCTET}){{3}}",
}


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


def engine_faults(contract: Contract) -> list[Fault]:
    """List what the engine cannot keep of a contract that is right in itself: patterns too large for it, regions."""
    return [fault for column in contract.columns for fault in _engine_faults(column)]


def _engine_faults(column: Column) -> Iterator[Fault]:
    where = f"/schema/0/properties/{column.name}"
    if column.pattern is not None:
        try:
            pl.Series([""]).str.contains(_whole(column.pattern))
        except pl.exceptions.ComputeError as error:
            reason = " ".join(str(error).split("\n\nThis error")[0].split())
            yield Fault(f"{where}/logicalTypeOptions/pattern", f"'{column.pattern}' cannot be used: {reason}.")
    if column.region is not None and column.region not in SUPPORTED_REGIONS:
        yield Fault(f"{where}/region", f"no '{column.region}'. Known are the countries of ISO 3166, as DE, US, GB.")


def _whole(pattern: str) -> str:
    return f"^(?:{ascii_classes(pattern)})$"


def contract_checks(contract: Contract) -> list[Check]:
    """List the checks of a contract in the order in which the first failure names the reason.

    Raises ContractError where the engine cannot keep one.
    """
    if wrong := engine_faults(contract):
        raise ContractError(f"{contract.dataset}: " + "; ".join(map(str, wrong)))
    return [check for column in contract.columns for check in column_checks(column)]


def column_checks(column: Column) -> Iterator[Check]:
    """List the checks of one column: presence, type, range, then its rules."""
    value, text = pl.col(column.name), pl.col(raw(column))
    if column.required:
        yield Check("required", column.name, text.is_not_null())
    yield Check("phone" if "phone" in column.normalise else "type", column.name, value.is_not_null() | text.is_null())
    if column.kind is Kind.STRING:  # no warehouse stores a NUL character in text
        yield Check("type", column.name, ~value.str.contains("\0", literal=True).fill_null(value=False))
    if column.kind in YEARS:  # every engine holds the years 1 to 9999
        yield Check("range", column.name, value.is_between(*YEARS[column.kind]).fill_null(value=True))
    for rule, expression in _rules(column, value):
        yield Check(rule, column.name, expression.fill_null(value=True))


def path_checks(contract: Contract, key: str) -> Iterator[Check]:
    """List the checks of one file: where its key in raw says what a column holds, each row must hold that."""
    for name, value in contract.files.values(key).items():
        yield Check("path", name, (pl.col(name) == value).fill_null(value=True))


def _rules(column: Column, value: pl.Expr) -> Iterator[tuple[str, pl.Expr]]:
    if column.accepted:
        yield "accepted", value.is_in(held(column, column.accepted).implode())
    yield from _limits(column, value)
    if column.multiple_of is not None:
        yield "multiple_of", _multiple(column, column.multiple_of, value)
    if column.min_length is not None:
        yield "min_length", value.str.len_chars() >= column.min_length
    if column.max_length is not None:
        yield "max_length", value.str.len_chars() <= column.max_length
    if column.pattern is not None:
        yield "pattern", value.str.contains(_whole(column.pattern))
    if column.form is not None:
        yield "format", value.str.contains(f"^(?:{FORMS[column.form]})$")


def _limits(column: Column, value: pl.Expr) -> Iterator[tuple[str, pl.Expr]]:
    for rule, limit, up, equal in limits(column):
        yield rule, _beyond(column, limit, value, up=up, equal=equal)


def limits(column: Column) -> Iterator[tuple[str, Any, bool, bool]]:
    """List the limits of a column: rule, limit, whether values are above it, and whether it passes itself."""
    for rule, limit, up, equal in (
        ("minimum", column.minimum, True, True),
        ("minimum", column.above, True, False),
        ("maximum", column.maximum, False, True),
        ("maximum", column.below, False, False),
    ):
        if limit is not None:
            yield rule, limit, up, equal


def _beyond(column: Column, limit: Any, value: pl.Expr, *, up: bool, equal: bool) -> pl.Expr:
    """Return whether a value is above a limit, or below it, in the column's own type."""
    found = edge(column, limit, up=up, equal=equal)
    if isinstance(found, bool):
        return pl.lit(found)
    least, equal = found
    last = pl.lit(least)
    if column.kind is Kind.DECIMAL:
        last = last.cast(pl.Decimal(column.precision, column.scale))
    if up:
        return value >= last if equal else value > last
    return value <= last if equal else value < last


def edge(column: Column, limit: Any, *, up: bool, equal: bool) -> tuple[Any, bool] | bool:
    """Return a limit as a value that the column can hold, and whether that passes; or whether every value passes.

    A limit between two values that a decimal holds means the next one of them, which passes.
    """
    if column.kind is not Kind.DECIMAL:
        return limit, equal
    unit, most = Decimal(1).scaleb(-column.scale), Decimal(10) ** (column.precision - column.scale)
    if abs(limit) > most:  # beyond all that the type holds
        return (limit < 0) is up
    with localcontext(Context(prec=200)):
        held = limit.quantize(unit, ROUND_CEILING if up else ROUND_FLOOR)
    if abs(held) >= most:
        return (held < 0) is up
    return held, equal or held != limit


def held(column: Column, values: Sequence[Any]) -> pl.Series:
    """Return values as a series of the column's own type."""
    if column.kind is not Kind.DECIMAL:
        return pl.Series(values)
    texts = pl.Series([f"{value:f}" for value in values], dtype=pl.String)
    return texts.cast(pl.Decimal(column.precision, column.scale))


def _multiple(column: Column, factor: Decimal, value: pl.Expr) -> pl.Expr:
    exponent = factor.normalize().as_tuple().exponent
    scale = max(-exponent if isinstance(exponent, int) else 0, column.scale if column.kind is Kind.DECIMAL else 0)
    exact = pl.Decimal(38, scale)
    return value.cast(exact) % pl.lit(factor).cast(exact) == pl.lit(Decimal(0)).cast(exact)
