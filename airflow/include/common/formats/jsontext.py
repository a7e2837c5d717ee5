"""JSON values as the text that stands in the file, above all numbers, which must not pass through a double."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Never

import polars as pl
from polars.exceptions import ComputeError, PolarsError

from common.formats.grammar import is_utf8

_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F])|.)", re.DOTALL)
_NUMBER = r"(-?[0-9][0-9.eE+\-]*)"
_TEXT_OF: dict[Any, str] = {pl.Int64: r"^-?[0-9]{1,18}$", pl.Boolean: r"^(true|false)$"}


class Numbers:
    """Reads lines of JSON with polars and puts back the text of numbers that it would have changed.

    Columns that held only strings in the sample are taken as they come. All others are read as integers or
    booleans, strictly: polars raises when a column turns out to hold anything else, and from then on its
    numbers are cut out of the lines.
    """

    def __init__(self, columns: Sequence[str], strings: Iterable[str]) -> None:
        held = set(strings)
        self._types: dict[str, Any] = {name: pl.String if name in held else pl.Int64 for name in columns}
        self._mixed: set[str] = set()

    def read(self, text: bytes, lines: pl.Series) -> pl.DataFrame:
        """Return the columns of every line, as text. Raises PolarsError if a line is not an object."""
        frame = self._typed(text)
        if frame.height != lines.len():
            lines = lines.filter(lines.str.strip_chars(" \t\r").str.len_bytes() > 0)
        if frame.height != lines.len():
            raise ComputeError("lines and records differ")
        frame = frame.cast(pl.String)
        mixed = [self._with_numbers(frame[name], lines) for name in frame.columns if name in self._mixed]
        return frame.with_columns(mixed)

    def _typed(self, text: bytes) -> pl.DataFrame:
        try:
            return pl.read_ndjson(text, schema=self._types)
        except PolarsError:
            frame = pl.read_ndjson(text, schema=dict.fromkeys(self._types, pl.String))
        for name in self._strict():  # it is JSON, so a type was wrong
            self._learn(frame[name])
        try:
            return pl.read_ndjson(text, schema=self._types)
        except PolarsError:  # a number like 2.0 looks whole as text
            self._loosen(self._strict())
        return frame

    def _strict(self) -> list[str]:
        return [name for name, kind in self._types.items() if kind != pl.String]

    def _learn(self, texts: pl.Series) -> None:
        """Find out whether a column holds something else than it did so far."""
        if _all_match(texts, _TEXT_OF[self._types[texts.name]]):
            return
        if _all_match(texts, _TEXT_OF[pl.Boolean]):
            self._types[texts.name] = pl.Boolean
        else:
            self._loosen([texts.name])

    def _loosen(self, names: Sequence[str]) -> None:
        self._mixed.update(names)
        self._types.update(dict.fromkeys(names, pl.String))

    def _with_numbers(self, read: pl.Series, lines: pl.Series) -> pl.Series:
        """Replace each number by its text in the line, where that is what polars read."""
        key = re.escape(json.dumps(read.name, ensure_ascii=False))
        texts = lines.str.extract(rf"{key}\s*:\s*{_NUMBER}")
        equal = texts.cast(pl.Float64, strict=False) == read.cast(pl.Float64, strict=False)
        same = equal.fill_null(value=False)
        result = texts.zip_with(same & (texts != "-0"), read).rename(read.name)
        nested = texts.is_not_null() & ~same  # the key also stands in a nested object
        for row in nested.arg_true():
            result[row] = values(lines[row].encode(), [read.name])[0]
        return result


def reason(line: bytes) -> str | None:
    """Say why a line is not a record; None if it is one."""
    if not is_utf8(line) or not surrogates_paired(line):
        return "bad_encoding"
    try:
        value = DECODER.decode(line.decode().strip(" \t\r\n"))
    except (ValueError, RecursionError):
        return "not_json"
    return None if isinstance(value, _Object) else "not_an_object"


def surrogates_paired(text: bytes) -> bool:
    r"""Tell whether no `\ud800` stands alone: it has no meaning and no UTF-8."""
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
