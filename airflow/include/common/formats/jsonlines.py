"""Lines of JSON read fast by polars where that changes nothing, and by the standard library where it would."""

import json
import re
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Any

import polars as pl
from polars.exceptions import ComputeError, PolarsError

from common.core.settings import limits
from common.formats import jsontext

_PAIR = r"[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # half of one has no meaning and no UTF-8
_ESCAPED = rf"(?:[0-9a-ce-fA-CE-F][0-9a-fA-F]{{3}}|[dD][0-7][0-9a-fA-F]{{2}}|{_PAIR})"
_STRING = rf'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u{_ESCAPED}))*"'
_NUMBER = r"(-?[0-9][0-9.eE+\-]*)"
_TAIL = r"(?:\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)"
_PLAIN = rf"(?:{_STRING}|-?[1-9][0-9]*{_TAIL}?|0|-?0{_TAIL}|true|false|null)"  # -0 would lose its sign
_FLAT = rf"(?:[\[{{](?:[^\"\[\]{{}}]|{_STRING})*[\]}}])"
_NESTED = rf"(?:[\[{{](?:[^\"\[\]{{}}]|{_STRING}|{_FLAT})*[\]}}])"
_MOST = 300  # columns that a proof is made for
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


def plain_lines(keys: Sequence[str], strings: Sequence[str]) -> str | None:
    """Return a pattern of lines that polars reads rightly, if they are JSON at all; None for too many keys.

    Each key at most once, in their order, and no other; no value nested; in `strings` only strings.
    """
    always = set(strings)
    return _lines((key, rf"(?:{_STRING}|null)" if key in always else _PLAIN) for key in keys)


def known_lines(keys: Sequence[str]) -> str | None:
    """Return a pattern of lines that have no key besides these; None for too many keys."""
    return _lines((key, rf"(?:{_PLAIN}|-0|{_NESTED})") for key in keys)


def _lines(values: Iterable[tuple[str, str]]) -> str | None:
    pairs = [rf"(?:{_key(key)}[ \t]*:[ \t]*{value}[ \t]*,?[ \t]*)?" for key, value in values]
    pattern = r"^[ \t]*\{[ \t]*" + "".join(pairs) + r"\}[ \t\r]*$"
    try:
        pl.Series([""]).str.contains(pattern)
    except PolarsError:  # larger than the engine compiles
        return None
    return pattern if len(pairs) <= _MOST else None


class JsonLines:
    """Reads lines of JSON and puts back the text of numbers that polars would have changed.

    Columns that held only strings in the sample are taken as they come. All others are read strictly, first as
    integers: polars raises when a column turns out to hold anything else. From then on it is read as what it
    holds, and the texts of numbers with a fraction are cut out of the lines.
    """

    def __init__(self, keys: Sequence[str], strings: Sequence[str]) -> None:
        self.keys = keys
        self._plain = plain_lines(keys, strings)
        self._strings = set(strings)
        self._types: dict[str, Any] = {n: pl.String if n in self._strings else pl.Int64 for n in keys}
        self._lock = Lock()  # blocks are read ahead in threads

    def read(self, text: bytes) -> pl.DataFrame:
        """Return the values of every line, as text. Raises PolarsError if a line is not a record."""
        lines = pl.read_lines(text)["line"]
        plain = lines.str.contains(self._plain) if self._plain else pl.repeat(value=False, n=len(lines), eager=True)
        if plain.all():
            return self._fast(text, lines)
        places = plain.arg_true()
        careful, others = self._careful(lines, (~plain).arg_true())
        if places.is_empty():
            return careful
        fast = lines.gather(places)
        both = pl.concat([self._fast("\n".join(fast).encode() + b"\n", fast), careful])
        return both[pl.concat([places, others]).arg_sort()]

    def _careful(self, lines: pl.Series, places: pl.Series) -> tuple[pl.DataFrame, pl.Series]:
        """Read some lines by the standard library; return also which of them are not blank."""
        rows: list[list[str | None]] = []
        kept: list[int] = []
        deepest = limits().max_depth
        for at, line in zip(places, lines.gather(places), strict=True):
            if not line.strip(" \t\r"):
                continue
            values, reason = jsontext.record_of(line, deepest)
            if reason:
                raise ComputeError(reason)
            rows.append(jsontext.texts(values, self.keys))
            kept.append(at)
        columns = zip(*rows, strict=True) if rows else ([] for _ in self.keys)
        frame = pl.DataFrame([pl.Series(key, v, pl.String) for key, v in zip(self.keys, columns, strict=True)])
        return frame, pl.Series(kept, dtype=places.dtype)

    def _fast(self, text: bytes, lines: pl.Series) -> pl.DataFrame:
        frame = self._typed(text)
        if frame.height != lines.len():
            raise ComputeError("lines and records differ")
        changed = [
            name
            for name, kind in frame.schema.items()
            if kind == pl.Float64 or (kind == pl.String and name not in self._strings)
        ]
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
        self._types[texts.name] = next((kind for kind in wider if _all_match(texts, _TEXT_OF[kind])), pl.String)


def _with_texts(read: pl.Series, lines: pl.Series) -> pl.Series:
    """Return each number of a column by its text in the line, where that is what polars read."""
    texts = lines.str.extract(rf"[{{,][ \t]*{_key(read.name)}[ \t]*:[ \t]*{_NUMBER}")
    equal = texts.cast(pl.Float64, strict=False) == read.cast(pl.Float64, strict=False)
    same = equal.fill_null(value=False)
    otherwise = read if read.dtype == pl.String else pl.Series([None], dtype=pl.String)
    result = texts.zip_with(same, otherwise).rename(read.name)
    doubtful = read.is_not_null() if read.dtype == pl.Float64 else texts.is_not_null()
    for row in (doubtful & ~same).arg_true():  # a double is too narrow for it
        result[row] = jsontext.texts(jsontext.record(lines[row].encode())[0], [read.name])[0]
    return result


def _key(key: str) -> str:
    return re.escape(json.dumps(key, ensure_ascii=False))


def _all_match(texts: pl.Series, pattern: str) -> bool:
    return bool(texts.drop_nulls().str.contains(pattern).all())
