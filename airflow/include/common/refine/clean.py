"""The cleaning of a contract as polars expressions: normalise the text, then cast without guessing."""

from collections.abc import Callable
from functools import partial
from urllib.parse import quote

import polars as pl

from common.contracts.contract import Column, Contract, Kind
from common.lake.schema import partition_columns
from common.quality.checks import raw

Parse = Callable[[pl.Series, str], pl.Series]
DATE_FORMATS = ("%Y-%m-%d",)
TIMESTAMP_FORMATS = (
    "%Y-%m-%dT%H:%M:%SZ",  # those without a fraction first: polars reads them seven times as fast
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S%.f%:z",
    "%Y-%m-%dT%H:%M:%S%.fZ",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
)
TRUE, FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")


def clean(frame: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """Add every column of the contract, typed, and the text it came from; what cannot be cast is null.

    Columns that the file lacks are null; columns that the contract does not know are left out.
    """
    texts = frame.select(
        *(_as_text(frame, column).alias(raw(column)) for column in contract.columns),
        *(pl.col(name) for name in frame.columns if name.startswith("_")),
    )
    return texts.with_columns(_cast(column, pl.col(raw(column))).alias(column.name) for column in contract.columns)


def _as_text(frame: pl.DataFrame, column: Column) -> pl.Expr:
    if column.source not in frame.columns:
        return pl.lit(None, pl.String)
    value = pl.col(column.source)
    dtype = frame.schema[column.source]
    if dtype == pl.Datetime:
        value = value.dt.to_string("%Y-%m-%dT%H:%M:%S%.6f%:z" if getattr(dtype, "time_zone", None) else "iso:strict")
    elif dtype.is_float() and column.kind is Kind.DECIMAL:
        value = value.round(column.scale)  # a binary fraction has no exact decimal text
    text = value.cast(pl.String).str.strip_chars()
    text = pl.when(text.is_in(list(column.nulls))).then(None).otherwise(text)
    return _normalised(column, text)


def _normalised(column: Column, text: pl.Expr) -> pl.Expr:
    if column.normalise == "email":
        text = text.str.to_lowercase()
    elif column.normalise == "phone":
        text = text.str.replace_all(r"[^\d+]", "").str.replace("^00", "+")
    match column.case:
        case "lower":
            return text.str.to_lowercase()
        case "upper":
            return text.str.to_uppercase()
        case "title":
            return text.str.to_titlecase()
        case _:
            return text


def _cast(column: Column, text: pl.Expr) -> pl.Expr:
    match column.kind:
        case Kind.STRING:
            return text
        case Kind.BOOLEAN:
            return _boolean(text.str.to_lowercase())
        case Kind.DATE:
            return _in_turn(text, _formats(column, DATE_FORMATS), _date, pl.Date())
        case Kind.TIMESTAMP:
            return _in_turn(text, _formats(column, TIMESTAMP_FORMATS), _moment, pl.Datetime("us", "UTC"))
        case Kind.DECIMAL:
            return _decimal(text, column)
        case Kind.DOUBLE:
            number = text.cast(pl.Float64, strict=False)
            return pl.when(number.is_finite()).then(number)
        case Kind.INTEGER:
            return text.cast(pl.Int64, strict=False)


def _formats(column: Column, iso: tuple[str, ...]) -> tuple[str, ...]:
    """Return the declared formats, then ISO 8601, which is never ambiguous and is how typed files are written out."""
    return (*column.formats, *(pattern for pattern in iso if pattern not in column.formats))


def _in_turn(text: pl.Expr, patterns: tuple[str, ...], parse: Parse, kind: pl.DataType) -> pl.Expr:
    """Parse by the first pattern that fits; each is tried only on what those before it have left."""
    return text.map_batches(partial(_by_turns, patterns=patterns, parse=parse), return_dtype=kind)


def _by_turns(texts: pl.Series, patterns: tuple[str, ...], parse: Parse) -> pl.Series:
    found = parse(texts, patterns[0])
    for pattern in patterns[1:]:
        left = (found.is_null() & texts.is_not_null()).arg_true()
        if left.is_empty():
            break
        found = found.scatter(left, parse(texts.gather(left), pattern))
    return found


def _date(texts: pl.Series, pattern: str) -> pl.Series:
    return texts.str.to_date(pattern, strict=False)


def _moment(texts: pl.Series, pattern: str) -> pl.Series:
    """Parse points in time; without an offset they are taken as UTC."""
    moments = texts.str.to_datetime(pattern, strict=False, time_unit="us", cache=False)
    offset = "%:z" in pattern or "%z" in pattern
    return moments.dt.convert_time_zone("UTC") if offset else moments.dt.replace_time_zone("UTC")


def _boolean(text: pl.Expr) -> pl.Expr:
    return pl.when(text.is_in(list(TRUE))).then(statement=True).when(text.is_in(list(FALSE))).then(statement=False)


def _decimal(text: pl.Expr, column: Column) -> pl.Expr:
    """Cast only what the type can hold: more digits than it has would be cut in silence."""
    whole, scale = column.precision - column.scale, column.scale
    fits = text.str.contains(rf"^[+-]?0*\d{{0,{whole}}}(?:\.\d{{0,{scale}}}0*)?$") & text.str.contains(r"\d")
    digits = pl.when(fits).then(text.str.strip_prefix("+"))
    return digits.cast(pl.Decimal(column.precision, scale), strict=False)


def add_partition(frame: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """Add the partition column, where the contract has one: part of a date, or a value made safe for a path."""
    part = contract.partition
    if part.column is None:
        return frame
    if part.by == "value":
        texts = frame[part.column].cast(pl.String)
        safe = {text: _path_safe(text) for text in texts.unique()}
        found = texts.replace_strict(list(safe), list(safe.values()), return_dtype=pl.String)
        return frame.with_columns(found.alias(partition_columns(contract)[0]))
    pattern = {"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}[part.by]
    return frame.with_columns(pl.col(part.column).dt.to_string(pattern).alias(partition_columns(contract)[0]))


def _path_safe(text: str | None) -> str:
    """Encode a value as URLs do, but with `_` for `%`: engines disagree about anything else in paths."""
    if text is None:
        return "_"
    return quote(text, safe="").replace("_", "%5F").replace("~", "%7E").replace("%", "_")
