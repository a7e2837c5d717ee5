"""JSON values as the text that stands in the file, above all numbers, which must not pass through a double."""

import json
import re
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Any, Never

import polars as pl
from polars.exceptions import ComputeError, PolarsError

from common.formats.grammar import is_utf8

_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F])|.)", re.DOTALL)
_NUMBER = r"(-?[0-9][0-9.eE+\-]*)"
_TEXT_OF: dict[Any, str] = {
    pl.Int64: r"^-?[0-9]{1,18}$",
    pl.Float64: r"^-?[0-9]+([.][0-9]+)?$",
    pl.Boolean: r"^(true|false)$",
}
# What a column may turn out to be, once it is known to hold something.
_WIDER: dict[Any, tuple[Any, ...]] = {
    pl.Int64: (pl.Int64, pl.Boolean, pl.Float64),
    pl.Boolean: (pl.Boolean,),
    pl.Float64: (pl.Float64,),
}


class Numbers:
    """Reads lines of JSON with polars and puts back the text of numbers that it would have changed.

    Columns that held only strings in the sample are taken as they come. All others are read strictly, first as
    integers: polars raises when a column turns out to hold anything else. From then on it is read as what it
    holds, and the texts of numbers with a fraction are cut out of the lines.
    """

    def __init__(self, columns: Sequence[str], strings: Iterable[str]) -> None:
        self._strings = set(strings)
        self._types: dict[str, Any] = {n: pl.String if n in self._strings else pl.Int64 for n in columns}
        self._lock = Lock()  # blocks are read ahead in threads

    def read(self, text: bytes) -> pl.DataFrame:
        """Return the columns of every line, as text. Raises PolarsError if a line is not an object."""
        frame = self._typed(text)
        changed = [
            name
            for name, kind in frame.schema.items()
            if kind == pl.Float64 or (kind == pl.String and name not in self._strings)
        ]
        if not changed:
            return frame.cast(pl.String)
        lines = pl.read_lines(text)["line"]
        if frame.height != lines.len():
            lines = lines.filter(lines.str.strip_chars(" \t\r").str.len_bytes() > 0)
        if frame.height != lines.len():
            raise ComputeError("lines and records differ")
        return frame.with_columns(_with_texts(frame[name], lines) for name in changed).cast(pl.String)

    def _typed(self, text: bytes) -> pl.DataFrame:
        try:
            return pl.read_ndjson(text, schema=dict(self._types))
        except PolarsError:
            frame = pl.read_ndjson(text, schema=dict.fromkeys(self._types, pl.String))
        with self._lock:  # it is JSON, so a type was wrong
            for name, kind in self._strict().items():
                self._learn(frame[name], kind)
            try:
                return pl.read_ndjson(text, schema=dict(self._types))
            except PolarsError:  # a number like 2.0 looks whole as text, and a string like a number
                self._types.update(dict.fromkeys(self._strict(), pl.String))
        return frame

    def _strict(self) -> dict[str, Any]:
        return {name: kind for name, kind in self._types.items() if kind != pl.String}

    def _learn(self, texts: pl.Series, known: Any) -> None:
        """Find out whether a column holds something else than it did so far."""
        wider = _WIDER[known]
        found = next((kind for kind in wider if _all_match(texts, _TEXT_OF[kind])), pl.String)
        self._types[texts.name] = found


def _with_texts(read: pl.Series, lines: pl.Series) -> pl.Series:
    """Return each number of a column by its text in the line, where that is what polars read."""
    key = re.escape(json.dumps(read.name, ensure_ascii=False))
    texts = lines.str.extract(rf"{key}\s*:\s*{_NUMBER}")
    equal = texts.cast(pl.Float64, strict=False) == read.cast(pl.Float64, strict=False)
    same = equal.fill_null(value=False) & (texts != "-0")
    otherwise = read if read.dtype == pl.String else pl.Series([None], dtype=pl.String)
    result = texts.zip_with(same, otherwise).rename(read.name)
    doubtful = read.is_not_null() if read.dtype == pl.Float64 else texts.is_not_null()
    for row in (doubtful & ~same).arg_true():  # the key also stands in a nested object, or is escaped
        result[row] = values(lines[row].encode(), [read.name])[0]
    return result


def reason(line: bytes) -> str | None:
    """Return why a line is not a record; None if it is one."""
    if not is_utf8(line) or not surrogates_paired(line):
        return "bad_encoding"
    try:
        value = DECODER.decode(line.decode().strip(" \t\r\n"))
    except (ValueError, RecursionError):
        return "not_json"
    return None if isinstance(value, _Object) else "not_an_object"


def surrogates_paired(text: bytes) -> bool:
    r"""Return whether no `\ud800` stands alone: it has no meaning and no UTF-8."""
    if b"\\" not in text or (b"\\ud" not in text and b"\\uD" not in text):
        return True
    return not any(found[1] for found in _ESCAPE.finditer(text))


def values(line: bytes, columns: Sequence[str]) -> list[str | None]:
    """Return the texts of one object's columns, by the standard library alone."""
    found = DECODER.decode(line.decode().strip(" \t\r\n"))
    return [_text(found.get(name)) for name in columns]


def frame(line: bytes, columns: Sequence[str]) -> pl.DataFrame:
    """Return one object as a frame, by the standard library alone."""
    return pl.DataFrame([values(line, columns)], schema=dict.fromkeys(columns, pl.String), orient="row")


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


class _Object(dict[str, Any]):
    """An object whose first value of a repeated key counts, as polars has it."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        if len(self) < len(pairs):
            self.update(reversed(pairs))


def _refuse(constant: str) -> Never:
    raise ValueError(f"{constant} is not JSON")


DECODER = json.JSONDecoder(object_pairs_hook=_Object, parse_float=_Number, parse_int=_Number, parse_constant=_refuse)


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        return "0" if value == "-0" and isinstance(value, _Number) else str(value)
    return _nested(value)


def _nested(value: object) -> str:
    """Write a value as polars does: a blank after each comma and colon."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(key)}: {_nested(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_nested, value)) + "]"
    return str(value) if isinstance(value, _Number) else _quoted(value)


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _all_match(texts: pl.Series, pattern: str) -> bool:
    return bool(texts.drop_nulls().str.contains(pattern).all())
