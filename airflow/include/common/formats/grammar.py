"""How a text format is read exactly: trust a stretch that proves itself clean, look closely at any other.

A grammar says two things about a stretch of text that begins at a record. `clean` parses it fast and
returns None unless it can prove that nothing in it was misread. `places` goes record by record; it is
slow and always right. Both mean the same records, so the result does not depend on where a file is cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import polars as pl

# Text that begins so is decompressed by polars: x^2 at the start of a block would be lost, or end in an OSError.
TAKEN_FOR_COMPRESSED = (b"\x1f\x8b", b"x\x01", b"x^", b"x\x9c", b"x\xda", b"\x28\xb5\x2f\xfd")
_PIECE = 1 << 18  # what is looked at closely around a spoiled record


@dataclass(frozen=True)
class Place:
    """Where a record stands in its text: bytes from start to end, line end included, and physical lines."""

    start: int
    end: int
    line: int
    lines: int
    reason: str | None = None


@dataclass(frozen=True)
class Clean:
    """Records that were parsed and proven, the physical lines that they take, and lines between them that are none.

    Where some are `refused` each record is a line; they are numbered among the records, from 0.
    """

    frame: pl.DataFrame
    lines: int
    refused: Sequence[tuple[int, Place]] = ()

    @property
    def records(self) -> int:
        return self.frame.height + len(self.refused)


class Grammar(Protocol):
    """What is particular to one text format."""

    newline: bytes

    def clean(self, text: bytes) -> Clean | None:
        """Parse text that is clean; None wherever a doubt is left."""

    def doubts(self, lines: Sequence[bytes]) -> list[int] | None:
        """Return the lines that may be no record; None unless each record is a line."""

    def places(self, text: bytes, start: int, stop: int, *, final: bool) -> tuple[list[Place], int]:
        """Return the records that begin between start and stop, and where the last one ends.

        That is before `stop` where a record is not complete and the file goes on.
        """

    def exact(self, records: Sequence[bytes]) -> pl.DataFrame:
        """Parse records that `places` found good."""


@dataclass
class Parsed:
    """The records of one stretch of text, in order."""

    frames: list[pl.DataFrame] = field(default_factory=list)
    refused: list[tuple[int, Place]] = field(default_factory=list)  # with the record's number, from 0
    records: int = 0
    lines: int = 0
    consumed: int = 0

    @classmethod
    def of(cls, clean: Clean) -> "Parsed":
        parsed = cls()
        parsed.add_clean(clean, 0)
        return parsed

    def add_clean(self, clean: Clean, size: int) -> None:
        self.frames.append(clean.frame)
        for number, place in clean.refused:
            self.refused.append((self.records + number, replace(place, line=self.lines + place.line)))
        self.records += clean.records
        self.lines += clean.lines
        self.consumed += size


def parse(grammar: Grammar, text: bytes, *, final: bool) -> Parsed:
    """Read text that is not clean; it begins at a record and ends with a line, or with the file if `final`."""
    parsed = _without_doubts(grammar, text)
    return parsed or _in_pieces(grammar, text, final=final)


def _without_doubts(grammar: Grammar, text: bytes) -> Parsed | None:
    """Take out the lines that look wrong; None if the rest is not clean even so."""
    lines = text.removesuffix(grammar.newline).split(grammar.newline)
    doubts = grammar.doubts(lines)
    if doubts is None:
        return None
    if not is_utf8(text):
        doubts = sorted({*doubts, *(at for at, line in enumerate(lines) if not is_utf8(line))})
    judged = {at: _judged(grammar, lines[at]) for at in doubts}
    taken = {at: place for at, place in judged.items() if place is None or place.reason}
    good = b"".join(line + grammar.newline for at, line in enumerate(lines) if at not in taken)
    clean = grammar.clean(good) if good and taken else None
    if good and (clean is None or clean.refused):
        return None
    parsed = Parsed([clean.frame] if clean else [], lines=len(lines), consumed=len(text))
    blank = 0
    for at, place in taken.items():
        if place is None:
            blank += 1
        else:
            parsed.refused.append((at - blank, replace(place, line=at)))
    parsed.records = len(lines) - blank
    return parsed


def _judged(grammar: Grammar, line: bytes) -> Place | None:
    """Look closely at one line; None if it is blank."""
    line += grammar.newline
    places, _ = grammar.places(line, 0, len(line), final=True)
    return places[0] if places else None


def _in_pieces(grammar: Grammar, text: bytes, *, final: bool) -> Parsed:
    """Try piece by piece, and look closely at those that are not clean."""
    parsed = Parsed()
    while parsed.consumed < len(text):
        start = parsed.consumed
        stop = text.find(grammar.newline, start + _PIECE) + 1 or len(text)
        clean = grammar.clean(text[start:stop])
        if clean:
            parsed.add_clean(clean, stop - start)
        elif not _closely(grammar, text, (start, stop), parsed, final=final):
            break
    return parsed


def _closely(grammar: Grammar, text: bytes, piece: tuple[int, int], parsed: Parsed, *, final: bool) -> bool:
    """Read one piece record by record; False where its last record needs more text."""
    start, stop = piece
    places, end = grammar.places(text, start, stop, final=final)
    good = [text[place.start : place.end] for place in places if place.reason is None]
    if good:
        parsed.frames.append(grammar.exact(good))
    for number, place in enumerate(places, start=parsed.records):
        if place.reason is not None:
            parsed.refused.append((number, place))
    parsed.records += len(places)
    parsed.lines += lines_of(text[start:end], grammar.newline)
    parsed.consumed = end
    return end >= stop


def lines_of(text: bytes, newline: bytes) -> int:
    """Count physical lines; the last one may lack its end."""
    return text.count(newline) + (not text.endswith(newline) and bool(text))


def is_utf8(text: bytes) -> bool:
    """Return whether bytes are UTF-8."""
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
