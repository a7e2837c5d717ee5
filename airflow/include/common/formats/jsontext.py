"""JSON values as the text that stands in the file, above all numbers, which must not pass through a double."""

import json
import re
from collections.abc import Sequence
from typing import Any, Never

from common.core.settings import limits
from common.formats.grammar import is_utf8

_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F])|.)", re.DOTALL)
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_BRACKETS = re.compile(_TOKENS.pattern.decode(), re.DOTALL)
_WHITE = " \t\r\n"


class RepeatedKey(ValueError):
    """An object has a key twice, so one of the two values would be lost."""


def record(line: bytes) -> tuple[dict[str, Any], str | None]:
    """Return the object of a line; nothing, and the reason, if it is no record."""
    return record_of(line.decode(), limits().max_depth) if is_utf8(line) else ({}, "bad_encoding")


def record_of(line: str, deepest: int) -> tuple[dict[str, Any], str | None]:
    """Return the object of a line of text; nothing, and the reason, if it is no record."""
    if "\\" in line and not surrogates_paired(line.encode()):
        return {}, "bad_encoding"
    if line.count("{") + line.count("[") > deepest and too_deep(line.encode()):
        return {}, "too_deep"
    text = line.strip(_WHITE)
    try:
        value, end = DECODER.raw_decode(text)
    except RepeatedKey:
        return {}, "repeated_key"
    except ValueError:
        return {}, "not_json"
    if end < len(text):
        return {}, "not_json"
    return (value, None) if isinstance(value, dict) else ({}, "not_an_object")


def reason(line: bytes) -> str | None:
    """Return why a line is not a record; None if it is one."""
    return record(line)[1]


def surrogates_paired(text: bytes) -> bool:
    r"""Return whether no `\ud800` stands alone: it has no meaning and no UTF-8."""
    if b"\\" not in text or (b"\\ud" not in text and b"\\uD" not in text):
        return True
    return not any(found[1] for found in _ESCAPE.finditer(text))


def too_deep(text: bytes) -> bool:
    """Return whether more objects and arrays stand inside one another than are allowed."""
    most = limits().max_depth
    if text.count(b"{") + text.count(b"[") <= most:
        return False
    depth = 0
    for token in _TOKENS.finditer(text):
        if (first := token[0][:1]) in b"[{":
            depth += 1
            if depth > most:
                return True
        elif first != b'"':
            depth -= 1
    return False


def end_of(text: str, at: int) -> int | None:
    """Return where the object or array that begins at a place ends, however deep it is; None if it does not."""
    depth = 0
    for token in _BRACKETS.finditer(text, at):
        if (first := token[0][:1]) in "[{":
            depth += 1
        elif first != '"':
            depth -= 1
        if depth == 0:
            return token.end()
    return None


def texts(values: dict[str, Any], keys: Sequence[str]) -> list[str | None]:
    """Return the texts of one object's values."""
    found = map(values.get, keys)
    return [value if value is None or type(value) is str else _text(value) for value in found]


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise RepeatedKey("a key stands twice in one object")
    return found


def _refuse(constant: str) -> Never:
    raise ValueError(f"{constant} is not JSON")


_quoted = json.encoder.encode_basestring  # what `json.dumps(..., ensure_ascii=False)` does to a text
_WORDS = {True: "true", False: "false", None: "null"}
LAX = json.JSONDecoder()  # finds where a value ends whose keys repeat
DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_Number, parse_int=_Number, parse_constant=_refuse)


def _text(value: Any) -> str:
    return str(value) if type(value) is _Number else _nested(value)


def _nested(value: Any) -> str:
    """Write a value with a blank after each comma and colon, as all formats have it."""
    kind = type(value)
    if kind is str:
        return _quoted(value)
    if kind is _Number:
        return value  # type: ignore[no-any-return]
    if kind is dict:
        return "{" + ", ".join([f"{_quoted(key)}: {_nested(item)}" for key, item in value.items()]) + "}"
    return "[" + ", ".join([_nested(item) for item in value]) + "]" if kind is list else _WORDS[value]
