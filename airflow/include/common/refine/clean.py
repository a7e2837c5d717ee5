"""The cleaning of a contract as polars expressions: normalise the text, then cast without guessing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import polars as pl

from common.contracts.contract import Column, Contract, Kind
from common.contracts.literals import FALSE, TRUE
from common.core.errors import UnreadableFile
from common.core.shape import Shape
from common.formats.names import RECORD
from common.lake.schema import partition_columns
from common.quality.checks import raw
from common.refine import figures, moments
from common.refine.match import matched
from common.refine.texts import normalised

SENTINELS = (Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE, Kind.DATE, Kind.TIMESTAMP)
IN = "__in__"


@dataclass(frozen=True)
class Field:
    """A column of a file: its type, None for text; `typed` texts are values of a file that knows numbers."""

    dtype: pl.DataType | None
    typed: bool = False


def clean(frame: pl.DataFrame, contract: Contract, shape: Shape | None = None) -> pl.DataFrame:
    """Add every column of the contract, typed, and the text it came from; what cannot be cast is null.

    Columns that the file lacks are null; columns that the contract does not know are left out. `shape` tells what the
    file is. Raises UnreadableFile (schema) where a column holds what has no text.
    """
    return cleaned(frame, inputs(frame.schema, contract, shape), contract.columns)


def cleaned(frame: pl.DataFrame, found: Mapping[str, tuple[pl.Expr, Field]], columns: Sequence[Column]) -> pl.DataFrame:
    """Return some columns of a contract, typed, and the texts they came from, of the inputs that were found."""
    record = [name for name in frame.columns if name == RECORD]
    # under names that no column of a file can have
    read = frame.select(*record, *(found[column.name][0].alias(IN + column.name) for column in columns))
    texts = read.with_columns(text_of(column, found[column.name][1]).alias(raw(column)) for column in columns)
    typed = texts.with_columns(cast(column, found[column.name][1]).alias(column.name) for column in columns)
    return _without_nulls(typed, columns).select(
        *(raw(column) for column in columns), *record, *(column.name for column in columns)
    )


def inputs(
    schema: Mapping[str, pl.DataType], contract: Contract, shape: Shape | None
) -> dict[str, tuple[pl.Expr, Field]]:
    """Return for each column of a contract its values in a file of these columns, and what is known of them.

    Raises UnreadableFile (schema).
    """
    columns = [name for name in schema if name != RECORD]
    absent = set(shape.absent) if shape else set()
    files = matched([name for name in columns if name not in absent], contract).files
    found = {}
    for column in contract.columns:
        names = [name for name in (files.get(column.name), column.source) if name in columns]
        candidates = list(dict.fromkeys(names if column.source in absent else names[:1]))
        values = pl.coalesce(candidates) if candidates else pl.lit(None, pl.String)
        dtype = schema[candidates[0]] if candidates else pl.String()
        found[column.name] = values, _field(dtype, candidates, column, shape)
    return found


def _field(dtype: pl.DataType, names: list[str], column: Column, shape: Shape | None) -> Field:
    plain = dtype.is_numeric() or dtype.is_temporal() or dtype in (pl.String, pl.Boolean, pl.Null)
    if not plain or isinstance(dtype, pl.Duration):
        raise UnreadableFile("schema", f"Column {column.source} holds {dtype}, which no column of a contract can be.")
    if dtype not in (pl.String, pl.Null):
        return Field(dtype)
    if shape is None:
        return Field(None)
    json = shape.format in ("json", "ndjson") and not any(name in shape.strings for name in names)
    return Field(None, typed=json or any(name in shape.typed for name in names))


def typed_columns(frame: pl.DataFrame, contract: Contract, shape: Shape) -> tuple[str, ...]:
    """Name the contract's columns, as in its files, of which a file has numbers or other values that are no text."""
    fields = {name: field for name, (_, field) in inputs(frame.schema, contract, shape).items()}
    return tuple(c.source for c in contract.columns if fields[c.name].typed or fields[c.name].dtype is not None)


def text_of(column: Column, known: Field) -> pl.Expr:
    """Return the text of a column's values, cleaned; null where it means that nothing is known."""
    value = pl.col(IN + column.name)
    if known.dtype is not None and known.dtype.is_temporal():
        text = moments.text_of(value, known.dtype)
    else:
        text = value.cast(pl.String)
    text = text.str.strip_chars()
    if column.kind is Kind.STRING and "phone" not in column.normalise:
        text = normalised(column, text)
    return pl.when(text.is_in(list(column.nulls))).then(None).otherwise(text)


def cast(column: Column, known: Field) -> pl.Expr:
    """Return the values of a column from its cleaned texts; null where a text is none of its type."""
    text, value = pl.col(raw(column)), pl.col(IN + column.name)
    value = pl.when(text.is_not_null()).then(value)
    spelled = text if known.dtype is not None or known.typed else figures.plain(text, column.numbers)
    match column.kind:
        case Kind.STRING:
            known_text = pl.when(~text.str.starts_with(moments.FAR)).then(text) if known.dtype is not None else text
            return normalised(column, known_text) if "phone" in column.normalise else known_text
        case Kind.BOOLEAN:
            return boolean(text.str.to_lowercase(), column)
        case Kind.DATE:
            return moments.dates(text, value, known.dtype, column)
        case Kind.TIMESTAMP:
            return moments.moments(text, value, known.dtype, column)
        case Kind.DECIMAL:
            return figures.decimal(spelled, known.dtype, column, typed=known.typed)
        case Kind.DOUBLE:
            return figures.double(spelled, value, known.dtype)
        case Kind.INTEGER:
            return figures.integer(spelled, value, known.dtype, typed=known.typed)


def boolean(text: pl.Expr, column: Column) -> pl.Expr:
    """Return truth values from texts in lower case; null where a text is none."""
    true, false = [*TRUE, *column.true_values], [*FALSE, *column.false_values]
    return pl.when(text.is_in(true)).then(statement=True).when(text.is_in(false)).then(statement=False)


def _without_nulls(frame: pl.DataFrame, columns: Sequence[Column]) -> pl.DataFrame:
    """Empty what has the value of a declared null, however it was written: 9999-12-31 is that in every format."""
    changes = []
    for column in columns:
        nulls = null_values(column)
        if nulls.len():
            known = ~pl.col(column.name).is_in(nulls.implode()).fill_null(value=False)
            changes += [pl.when(known).then(name).alias(name) for name in (column.name, raw(column))]
    return frame.with_columns(changes) if changes else frame


def null_values(column: Column) -> pl.Series:
    """Return the values of the column's own type that mean nothing is known; texts are compared as texts."""
    if column.kind not in SENTINELS or column.nulls == ("",):
        return pl.Series()
    texts = pl.Series(raw(column), list(column.nulls), pl.String).to_frame()
    made = texts.with_columns(pl.col(raw(column)).alias(IN + column.name))
    return made.select(cast(column, Field(None)).alias(column.name)).to_series().drop_nulls()


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
