"""The lines of a text file in its own bytes, whatever their encoding."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import polars as pl

from common.core.shape import Shape
from common.formats.chunk import Spot
from common.formats.grammar import Place
from common.formats.octets import octets, positions


@dataclass(frozen=True)
class Unit:
    """A stretch of a file that was parsed at once; `offset` and `size` are bytes of the decompressed file."""

    offset: int
    size: int
    record: int
    records: int
    line: int
    lines: int


_ZERO = pl.Series([0], dtype=pl.UInt32)


class RawLines:
    """The original lines of a unit, whatever their encoding."""

    def __init__(self, raw: bytes, shape: Shape) -> None:
        self._raw = raw
        self._newline = shape.newline[-1].encode(shape.encoding)
        self._returns = [name.encode(shape.encoding) for name in shape.newline[:-1] or "\r"]
        self._shape = shape

    @cached_property
    def _starts(self) -> pl.Series | list[int]:
        """Return where each line begins, and where one after the last would, a line end added to it."""
        if len(self._newline) == 1:
            ends = positions(octets(self._raw) == ord(self._newline)) + 1
            return pl.concat([_ZERO, ends, _ZERO + (len(self._raw) + 1)])
        lines = self._raw.decode(self._shape.encoding).split(self._shape.newline[-1])
        sizes = (len(line.encode(self._shape.encoding)) + len(self._newline) for line in lines)
        return [0, *accumulate(sizes)]

    def spots(self, unit: Unit, found: Sequence[tuple[int, Place]]) -> list[Spot]:
        """Return where records stand in the file, given by number and place in the unit."""
        starts = self._at([place.line for _, place in found])
        ends = self._at([place.line + place.lines for _, place in found])
        return [
            Spot(unit.record + number, unit.line + place.line, unit.offset + start, self._line(start, end))
            for (number, place), start, end in zip(found, starts, ends, strict=True)
        ]

    def _at(self, lines: list[int]) -> list[int]:
        if isinstance(self._starts, list):
            return [self._starts[line] for line in lines]
        return self._starts.gather(lines).to_list()

    def _line(self, start: int, end: int) -> bytes:
        text = self._raw[start:end].removesuffix(self._newline)
        for mark in self._returns:
            text = text.removesuffix(mark)
        return text

    def end_of(self, lines: int) -> int:
        """Return how many bytes the first lines take."""
        return min(self._starts[lines], len(self._raw))
