"""Read JSON that is one array, or objects one after another, element by element in bounded memory."""

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from common.core.errors import UnreadableFile
from common.core.shape import Shape
from common.formats import jsontext
from common.formats.bounds import require_length
from common.formats.chunk import Chunk, Spot, good_numbers, malformed, numbered
from common.formats.encodings import mark_of
from common.formats.ndjson import Ndjson
from common.formats.streams import Source, opened

_BLOCK = 1 << 20
_CUT = 64  # characters within which an error may come from a value that is not all there yet
_AT_ONCE = 10_000  # elements that polars parses in one go
_WHITE = re.compile(r"[ \t\r\n]*")
_LINE_ENDS = str.maketrans("\r\n", "  ")  # white space: inside a string they would be escaped


@dataclass(frozen=True)
class Element:
    """One element of the array: its place, its value, and why it is no record, if so."""

    spot: Spot
    value: Any
    reason: str | None


def read_array(path: Path, shape: Shape, chunk_bytes: int) -> Iterator[Chunk]:
    """Read a JSON document, at least one chunk. Raises UnreadableFile (truncated, corrupt, too_long)."""
    grammar = Ndjson(shape)
    growing = _Growing(shape, grammar, first=1)
    for element in elements(path, shape):
        if growing.size >= chunk_bytes:
            yield growing.chunk()
            growing = _Growing(shape, grammar, first=element.spot.record)
        growing.add(element)
    yield growing.chunk()


@dataclass
class _Growing:
    """A chunk that is being read; elements are parsed some at a time, as lines of JSON."""

    shape: Shape
    grammar: Ndjson
    first: int
    size: int = 0
    lines: list[bytes] = field(default_factory=list)
    frames: list[pl.DataFrame] = field(default_factory=list)
    spots: list[Spot] = field(default_factory=list)
    refused: list[tuple[Spot, str]] = field(default_factory=list)

    def add(self, element: Element) -> None:
        text = element.spot.text or b""
        self.size += len(text)
        self.spots.append(element.spot)
        if element.reason:
            self.refused.append((element.spot, element.reason))
            return
        line = text.decode(self.shape.encoding).translate(_LINE_ENDS)
        self.lines.append(line.encode() + b"\n")
        if len(self.lines) == _AT_ONCE:
            self._parse()

    def chunk(self) -> Chunk:
        self._parse()
        numbers = good_numbers(self.first, len(self.spots), [spot.record for spot, _ in self.refused])
        frame = numbered(self.frames, self.shape.columns, numbers)
        return Chunk(frame, malformed(self.refused), partial(_of, self.spots, self.first))

    def _parse(self) -> None:
        if self.lines:
            self.frames.append(self.grammar.exact(self.lines))
        self.lines = []


def _of(spots: Sequence[Spot], first: int, records: Sequence[int]) -> list[Spot]:
    return [spots[record - first] for record in records]


def elements(path: Path, shape: Shape) -> Iterator[Element]:
    """Yield the elements of an array, or objects one after another.

    Raises UnreadableFile (truncated, corrupt, too_long).
    """
    with opened(path, shape.compression) as source:
        text = _Text(source, shape.encoding)
        array = text.peek() == "["
        if array:
            text.take(1)
        record = 1
        while not (array and record == 1 and text.peek() == "]"):
            yield text.element(record)
            record += 1
            if text.peek() != ("," if array else "{"):
                break
            text.take(1 if array else 0)
        if array:
            text.expect("]")
        text.expect("")


class _Text:
    """Decoded text from a stream, which knows the byte and the line that it is at."""

    def __init__(self, source: Source, encoding: str) -> None:
        head = source.read(8)
        mark = mark_of(head, encoding)
        self._source, self._encoding = source, encoding
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._buffer, self._at, self._final = "", 0, False
        self._offset, self._line = mark, 1
        self._buffer = self._decode(head[mark:])

    def peek(self) -> str:
        """Return the next character that is not white space; nothing at the end."""
        while True:
            end = self._blank_end()
            if end < len(self._buffer) or self._final:
                self.take(end - self._at)
                return self._buffer[end : end + 1]
            self._more()

    def take(self, size: int) -> str:
        """Pass over characters and return them."""
        taken = self._buffer[self._at : self._at + size]
        plain = self._encoding == "utf-8" and taken.isascii()
        self._offset += len(taken) if plain else len(taken.encode(self._encoding))
        self._line += taken.count("\n")
        self._at += size
        return taken

    def expect(self, character: str) -> None:
        """Pass over the next character, or over the end. Raises UnreadableFile if it is another one."""
        found = self.peek()
        if found != character:
            message = f"found {found or 'the end'!r} instead of {character or 'the end'!r}"
            raise self._broken(message, cut=not found)
        self.take(len(character))

    def element(self, record: int) -> Element:
        """Return the next value. Raises UnreadableFile (truncated, corrupt, too_long)."""
        self.peek()
        value, size, reason = self._value()
        offset, line = self._offset, self._line
        text = self.take(size)
        raw = text.encode(self._encoding)
        require_length(len(raw), line)
        if reason is None:
            reason = None if isinstance(value, dict) else "not_an_object"
        if not jsontext.surrogates_paired(text.encode()):
            reason = "bad_encoding"
        elif jsontext.too_deep(text.encode()):
            reason = "too_deep"
        return Element(Spot(record, line, offset, raw), value, reason)

    def _value(self) -> tuple[Any, int, str | None]:
        """Return the next value, its length, and why it is no record, if that is clear."""
        while True:
            try:
                value, end, reason = self._decoded()
            except ValueError as error:
                cut = self._may_be_cut(error)
                if self._final or not cut:
                    raise self._broken(str(error), cut=self._final and self._at_end(error)) from error
                require_length(len(self._buffer) - self._at, self._line)
            else:
                if end < len(self._buffer) or self._final:  # else a number may go on
                    return value, end - self._at, reason
            self._more()

    def _decoded(self) -> tuple[Any, int, str | None]:
        try:
            return *jsontext.DECODER.raw_decode(self._buffer, self._at), None
        except jsontext.RepeatedKey:
            return *jsontext.LAX.raw_decode(self._buffer, self._at), "repeated_key"
        except RecursionError:
            end = jsontext.end_of(self._buffer, self._at)
            if end is None:
                raise json.JSONDecodeError("Unterminated value", self._buffer, self._at) from None
            return None, end, "too_deep"

    def _may_be_cut(self, error: ValueError) -> bool:
        """Return whether more text may make a value of what is none yet."""
        if not isinstance(error, json.JSONDecodeError):
            return False
        return error.msg.startswith("Unterminated") or error.pos > len(self._buffer) - _CUT

    def _blank_end(self) -> int:
        found = _WHITE.match(self._buffer, self._at)
        return found.end() if found else self._at

    def _more(self) -> None:
        rest = self._buffer[self._at :]
        more = self._source.read(max(_BLOCK, len(rest)))
        self._final = not more
        self._buffer, self._at = rest + self._decode(more), 0

    def _decode(self, raw: bytes) -> str:
        try:
            return self._decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            raise self._broken(str(error), cut=not raw) from error

    def _at_end(self, error: Exception) -> bool:
        if not isinstance(error, json.JSONDecodeError):
            return False
        return error.msg.startswith("Unterminated") or error.pos >= len(self._buffer.rstrip())

    def _broken(self, why: str, *, cut: bool) -> UnreadableFile:
        message = f"Not a whole JSON document: line {self._line}, byte {self._offset}: {why}."
        return UnreadableFile("truncated" if cut else "corrupt", message)
