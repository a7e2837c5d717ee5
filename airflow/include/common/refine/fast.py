"""The fast lane of refining: rows whose values prove themselves, without the cleaned texts that others are judged by.

It is sound and not complete: a row that it calls good is one that `clean` and `apply` make of it, and whatever it is in
doubt about goes to those two, which know why a row is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from common.contracts.contract import Column, Contract, Kind
from common.core.shape import Shape
from common.formats.names import RECORD
from common.quality.checks import RAW, Check, Severity, raw
from common.refine import figures, moments
from common.refine.clean import IN, Field, boolean, cast, inputs, null_values, text_of
from common.refine.markers import with_marker
from common.refine.texts import rewritten

SURE = "__sure__"
FEW = 1000  # rows for which two lanes are no gain
MOST_DIGITS = 38  # that a decimal can have


@dataclass(frozen=True)
class _Values:
    """The values of a column, from the file or from its cleaned text, and the rows for which they may be good.

    A row is in doubt where its value is null, but for those that are `empty`: there `clean` gives null. What all of
    these need is made `first`.
    """

    values: pl.Expr
    empty: pl.Expr
    sure: pl.Expr | None = None
    first: pl.Expr | None = None


class FastLane:
    """What a contract needs of files of one shape, made once."""

    def __init__(
        self, contract: Contract, checks: Sequence[Check], schema: Mapping[str, pl.DataType], shape: Shape
    ) -> None:
        self._contract = contract
        required = {check.column for check in checks if check.rule == "required"}
        self._first: list[pl.Expr] = []
        self._texts: list[pl.Expr] = []
        self._values: list[pl.Expr] = []
        self._tests: list[pl.Expr] = []
        for column, (values, known) in zip(contract.columns, inputs(schema, contract, shape).values(), strict=True):
            self._add(column, values, known, required=column.name in required)
        errors = [check.good for check in checks if check.severity is Severity.ERROR]
        # The others ask for a text, which a value has, and whether it gave one.
        self._tests += [good for good in errors if not any(name.startswith(RAW) for name in good.meta.root_names())]

    def split(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the good rows, typed, and those in doubt, as they are."""
        found = frame.with_columns(self._first).with_columns(self._texts)
        typed = with_marker(found.select(RECORD, *self._values), self._contract)
        good = typed.select(pl.all_horizontal(self._tests)).to_series().fill_null(value=False)
        kept = typed.select(name for name in typed.columns if not name.startswith(SURE))
        return (kept, frame.clear()) if good.all() else (kept.filter(good), frame.filter(~good))

    def _add(self, column: Column, values: pl.Expr, known: Field, *, required: bool) -> None:
        found = (
            _of_text(column, values.cast(pl.String), known)  # a column without any value may be of no type
            if known.dtype is None
            else _of_typed(column, values, known.dtype)
        )
        if found is None:
            self._texts.append(text_of(column, known).alias(raw(column)))
            found = _Values(cast(column, known), pl.col(raw(column)).is_null(), first=values)
        if found.first is not None:
            self._first.append(found.first.alias(IN + column.name))
        self._values.append(found.values.alias(column.name))
        good = pl.col(column.name).is_not_null()
        if not required or column.nulls != ("",):
            self._values.append(found.empty.alias(SURE + column.name))
            empty = pl.col(SURE + column.name)
            good = good & ~empty if required else good != empty  # a text like -1 can be a value, and mean none
        if found.sure is not None:
            self._values.append(found.sure.alias(f"{SURE}{column.name}\0"))
            good &= pl.col(f"{SURE}{column.name}\0")
        if (nulls := null_values(column)).len():
            good &= ~pl.col(column.name).is_in(nulls.implode()).fill_null(value=False)
        self._tests.append(good)


def _of_text(column: Column, text: pl.Expr, known: Field) -> _Values | None:
    """Read a text as it stands: what has blanks around it is no value, or of a string is not sure."""
    nothing = text.is_null() | text.is_in(list(column.nulls))
    number = text if known.typed else figures.plain(text, column.numbers)
    bare = text.is_null() | (text == text.str.strip_chars())
    match column.kind:
        case Kind.STRING if "phone" not in column.normalise:
            nulls = {*column.nulls, ""} if column.normalise else column.nulls
            made = pl.col(IN + column.name)
            held = pl.when(~made.is_in(list(nulls))).then(made)
            return _Values(held, held.is_null(), bare, rewritten(column, text))
        case Kind.BOOLEAN:
            return _Values(boolean(text.str.to_lowercase(), column), nothing)
        case Kind.DATE:
            return _Values(moments.usual_dates(text, column), nothing)
        case Kind.TIMESTAMP:
            return _Values(moments.usual_moments(text, column), nothing)
        case Kind.INTEGER:
            return _Values(number.cast(pl.Int64, strict=False), nothing)
        case Kind.DOUBLE:
            return _Values(figures.double(number, text, None), nothing, bare)
        case Kind.DECIMAL if column.precision > column.scale:
            fraction = rf"(?:\.[0-9]{{1,{column.scale}}})?" if column.scale else ""
            digits = number.str.contains(rf"^-?[0-9]{{1,{column.precision - column.scale}}}{fraction}$")
            number = pl.when(digits).then(number)
            return _Values(number.cast(pl.Decimal(column.precision, column.scale), strict=False), nothing)
        case _:
            return None


def _of_typed(column: Column, values: pl.Expr, dtype: pl.DataType) -> _Values | None:
    """Read a value of a typed file without making a text of it, where `clean` looks at the value alone."""
    if column.nulls != ("",):
        return None
    nothing = values.is_null()
    match column.kind:
        case Kind.DATE if isinstance(dtype, pl.Date | pl.Datetime):
            return _Values(moments.dates(values, values, dtype, column), nothing)
        case Kind.TIMESTAMP if isinstance(dtype, pl.Date | pl.Datetime):
            return _Values(moments.moments(values, values, dtype, column), nothing)
        case Kind.INTEGER if dtype.is_integer() or dtype.is_float():
            return _Values(figures.integer(values, values, dtype, typed=False), nothing)
        case Kind.DOUBLE if dtype.is_float():
            return _Values(figures.double(values, values, dtype), nothing)
        case Kind.DECIMAL if _fits(column, dtype):
            return _Values(values.cast(pl.Decimal(column.precision, column.scale), strict=False), nothing)
        case _:
            return None


def _fits(column: Column, dtype: pl.DataType) -> bool:
    """Return whether each value has all its digits in the column's type, if not in its range, when it is cast."""
    if isinstance(dtype, pl.Decimal):
        return (
            dtype.scale <= column.scale and (dtype.precision or MOST_DIGITS) - dtype.scale + column.scale <= MOST_DIGITS
        )
    return dtype in (pl.Int8, pl.Int16, pl.Int32, pl.Int64) and len(str(2**63)) + column.scale <= MOST_DIGITS
