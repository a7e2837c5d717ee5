"""The grammar of newline-delimited JSON: a record is a line that holds one object."""

from collections.abc import Sequence

import polars as pl
from polars.exceptions import PolarsError

from common.core.shape import Shape
from common.formats import jsontext
from common.formats.grammar import TAKEN_FOR_COMPRESSED, Clean, Place
from common.formats.jsonlines import JsonLines
from common.formats.octets import count, octets

_WHITE = b" \t\r\n"


class Ndjson:
    """Reads newline-delimited JSON of a known shape.

    What a column has held so far is remembered, so that numbers keep the very text of the file (`1.10`)
    where polars would print the nearest double (`1.1`).
    """

    newline = b"\n"

    def __init__(self, shape: Shape) -> None:
        self._columns, self._keys = shape.columns, shape.keys or shape.columns
        names = zip(self._keys, shape.columns, strict=True)
        self._lines = JsonLines(self._keys, [key for key, column in names if column in shape.strings])

    def clean(self, text: bytes) -> Clean | None:
        return None if text.startswith(TAKEN_FOR_COMPRESSED) else self._parse(text)

    def doubts(self, lines: Sequence[bytes]) -> list[int] | None:
        stripped = ((at, line.strip(_WHITE)) for at, line in enumerate(lines))
        return [at for at, line in stripped if line[:1] != b"{" or line[-1:] != b"}"]

    def places(self, text: bytes, start: int, stop: int, *, final: bool) -> tuple[list[Place], int]:  # noqa: ARG002 (a record is a line)
        places: list[Place] = []
        line = text.count(b"\n", 0, start)
        while start < stop:
            end = text.find(b"\n", start) + 1 or len(text)
            if text[start:end].strip(_WHITE):
                places.append(Place(start, end, line, 1, jsontext.reason(text[start:end])))
            start, line = end, line + 1
        return places, start

    def exact(self, records: Sequence[bytes]) -> pl.DataFrame:
        """Parse good lines; a line that is too much for polars (`1e400`) is read by the standard library."""
        parsed = self._parse(b"".join(record.rstrip(b"\n") + b"\n" for record in records))
        if parsed is not None:
            return parsed.frame
        if len(records) == 1:
            row = jsontext.texts(jsontext.record(records[0])[0], self._keys)
            return pl.DataFrame([row], schema=dict.fromkeys(self._columns, pl.String), orient="row")
        half = len(records) // 2
        return pl.concat([self.exact(records[:half]), self.exact(records[half:])])

    def _parse(self, text: bytes) -> Clean | None:
        try:
            frame = self._lines.read(text)
        except PolarsError:
            return None
        frame.columns = list(self._columns)
        return Clean(frame, count(octets(text) == ord("\n")) + (not text.endswith(b"\n")))
