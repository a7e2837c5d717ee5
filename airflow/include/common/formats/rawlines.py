"""The lines of a text file in its own bytes, whatever their encoding."""

from dataclasses import dataclass
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
        self._starts = self._line_starts(shape)

    def _line_starts(self, shape: Shape) -> pl.Series | list[int]:
        """Return where each line begins, and where one after the last would, a line end added to it."""
        if len(self._newline) == 1:
            ends = positions(octets(self._raw) == ord(self._newline)) + 1
            return pl.concat([_ZERO, ends, _ZERO + (len(self._raw) + 1)])
        lines = self._raw.decode(shape.encoding).split(shape.newline[-1])
        sizes = (len(line.encode(shape.encoding)) + len(self._newline) for line in lines)
        return [0, *accumulate(sizes)]

    def spot(self, unit: Unit, number: int, place: Place) -> Spot:
        """Return where the record with this number in the unit stands in the file."""
        start = self._starts[place.line]
        text = self._raw[start : self._starts[place.line + place.lines]]
        text = text.removesuffix(self._newline)
        for mark in self._returns:
            text = text.removesuffix(mark)
        return Spot(unit.record + number, unit.line + place.line, unit.offset + start, text)

    def end_of(self, lines: int) -> int:
        """Return how many bytes the first lines take."""
        return min(self._starts[lines], len(self._raw))
