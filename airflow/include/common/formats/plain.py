"""Turn columns of any type into plain ones: nested values into JSON text, others without a column type into texts."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from common.core.errors import UnreadableFile

Write = Callable[[Any], str]
_PER_SECOND = {"ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY = 86_400
_EPOCH = date(1970, 1, 1).toordinal()
_FIRST, _LAST = date.min.toordinal() - _EPOCH, date.max.toordinal() - _EPOCH
_NO_NUMBERS = {"NaN": '"NaN"', "inf": '"Infinity"', "-inf": '"-Infinity"'}


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame of texts, numbers, booleans, dates and points in time. Raises UnreadableFile (type)."""
    return pl.DataFrame([_plain(column) for column in frame]) if frame.width else frame


def _plain(column: pl.Series) -> pl.Series:
    kind = column.dtype
    if kind.is_nested():
        return _nested(column)
    match kind:
        case pl.Binary():
            return _text(column, column.name)
        case pl.Duration() | pl.Time():
            write = _scalar(kind)
            ticks = column.to_physical().to_list()
            return pl.Series(column.name, [None if v is None else write(v) for v in ticks], dtype=pl.String)
        case pl.Categorical() | pl.Enum() | pl.Null():
            return column.cast(pl.String)
        case pl.String() | pl.Boolean() | pl.Date() | pl.Datetime():
            return column
    if kind.is_numeric():
        return column
    raise UnreadableFile("type", f"Column {column.name!r} is of type {kind}, which has no text. Leave it out.")


def _text(column: pl.Series, name: str) -> pl.Series:
    try:
        return column.cast(pl.String)
    except PolarsError as error:
        message = (
            f"Column {name!r} holds bytes that are not UTF-8 text. Write it as text (base64, hex), or leave it out."
        )
        raise UnreadableFile("type", message) from error


def _nested(column: pl.Series) -> pl.Series:
    try:
        values = column.cast(_storage(column.dtype)).to_list()
    except PolarsError as error:
        message = f"Column {column.name!r} cannot be written as JSON: {str(error).splitlines()[0]}."
        raise UnreadableFile("type", message) from error
    write = _writer(column.dtype)
    return pl.Series(column.name, [None if v is None else write(v) for v in values], dtype=pl.String)


def _storage(kind: Any) -> Any:
    """Return the type as which Python gets exact values: numbers by their digits, points in time by their ticks."""
    match kind:
        case pl.Struct():
            return pl.Struct({field.name: _storage(field.dtype) for field in kind.fields})
        case pl.Map():
            return pl.List(pl.Struct({"key": _storage(kind.key), "value": _storage(kind.value)}))
        case pl.List():
            return pl.List(_storage(kind.inner))
        case pl.Array():
            return pl.Array(_storage(kind.inner), kind.size)
        case pl.Datetime() | pl.Duration() | pl.Time():
            return pl.Int64
        case pl.Boolean():
            return kind
        case _:
            return pl.String


def _writer(kind: Any) -> Write:
    match kind:
        case pl.Struct():
            fields = [(_quoted(field.name), field.name, _or_null(_writer(field.dtype))) for field in kind.fields]
            return lambda value: _object((quoted, write(value[name])) for quoted, name, write in fields)
        case pl.Map():
            key, item = _or_null(_key(kind.key)), _or_null(_writer(kind.value))
            return lambda value: _object((key(pair["key"]), item(pair["value"])) for pair in value)
        case pl.List() | pl.Array():
            inner = _or_null(_writer(kind.inner))
            return lambda value: "[" + ", ".join(map(inner, value)) + "]"
        case pl.Boolean():
            return lambda value: "true" if value else "false"
    if kind.is_float():
        return lambda value: _NO_NUMBERS.get(value) or str(value)
    if kind.is_numeric():
        return str
    if kind.is_temporal() and kind != pl.Date:
        write = _scalar(kind)
        return lambda value: _quoted(write(value))
    return _quoted


def _key(kind: Any) -> Write:
    write = _writer(kind)

    def text(value: Any) -> str:
        written = write(value)
        return written if written.startswith('"') else _quoted(written)

    return text


def _or_null(write: Write) -> Write:
    return lambda value: "null" if value is None else write(value)


def _object(pairs: Any) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _scalar(kind: Any) -> Write:
    """Return what writes ticks as ISO 8601, with as many digits of a second as there are."""
    match kind:
        case pl.Time():
            return lambda ticks: _clock(ticks, 10**9)
        case pl.Duration():
            return lambda ticks: _duration(ticks, _PER_SECOND[kind.time_unit])
        case _:
            zone = "+00:00" if kind.time_zone else ""  # ticks are those of UTC
            return lambda ticks: _moment(ticks, _PER_SECOND[kind.time_unit]) + zone


def _moment(ticks: int, per_second: int) -> str:
    days, rest = divmod(ticks, per_second * _DAY)
    if _FIRST <= days <= _LAST:
        day = date.fromordinal(days + _EPOCH).isoformat()
    else:
        day = pl.Series([days], dtype=pl.Int32).cast(pl.Date).cast(pl.String)[0]
    return f"{day}T{_clock(rest, per_second)}"


def _clock(ticks: int, per_second: int) -> str:
    seconds, fraction = divmod(ticks, per_second)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{_fraction(fraction, per_second)}"


def _duration(ticks: int, per_second: int) -> str:
    """Write days and seconds only: months and years have no fixed length."""
    sign, ticks = ("-", -ticks) if ticks < 0 else ("", ticks)
    seconds, fraction = divmod(ticks, per_second)
    days, seconds = divmod(seconds, _DAY)
    hours, minutes = seconds // 3600, seconds // 60 % 60
    last = f"{seconds % 60}{_fraction(fraction, per_second)}"
    parts = [(f"{hours}", "H"), (f"{minutes}", "M"), (last, "S")]
    time = "".join(value + unit for value, unit in parts if value != "0")
    date = f"{days}D" if days else ""
    return f"{sign}P{date}" + (f"T{time}" if time else "" if date else "T0S")


def _fraction(ticks: int, per_second: int) -> str:
    digits = f"{ticks:0{len(str(per_second)) - 1}d}".rstrip("0")
    return f".{digits}" if digits else ""
