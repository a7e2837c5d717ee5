"""The grammar of white-space separated text: runs of blanks and tabs separate, those at the ends do not count."""

import re
from collections.abc import Sequence

import polars as pl
from polars.exceptions import PolarsError

from common.core.shape import Shape
from common.formats.grammar import TAKEN_FOR_COMPRESSED, Clean, Place, is_utf8

_WHITE = " \t\r"
_FIELD = re.compile(rb"[^ \t\r\n]+")
_MARK = "\ufeff".encode()


class Blanks:
    """Reads white-space separated text of a known shape; there is no quoting."""

    newline = b"\n"

    def __init__(self, shape: Shape) -> None:
        self._columns = shape.columns

    def clean(self, text: bytes) -> Clean | None:
        if text.startswith((_MARK, *TAKEN_FOR_COMPRESSED)):  # polars drops the one, and unpacks the others
            return None
        try:
            lines = pl.read_lines(text)["line"]
        except (PolarsError, OSError):
            return None
        fields = lines.str.strip_chars(_WHITE).str.replace_all(r"[ \t\r]+", "\t")
        separators = fields.str.count_matches("\t", literal=True)
        empty = (fields.str.len_bytes() == 0).any()
        if empty or bool((separators != len(self._columns) - 1).any()):
            return None
        frame = fields.str.split_exact("\t", len(self._columns) - 1).struct.unnest()
        return Clean(frame.rename(dict(zip(frame.columns, self._columns, strict=True))), frame.height)

    def doubts(self, lines: Sequence[bytes]) -> list[int] | None:
        return [at for at, line in enumerate(lines) if len(line.split()) != len(self._columns)]

    def places(self, text: bytes, start: int, stop: int, *, final: bool) -> tuple[list[Place], int]:  # noqa: ARG002 (a record is a line)
        places: list[Place] = []
        line = text.count(b"\n", 0, start)
        while start < stop:
            end = text.find(b"\n", start) + 1 or len(text)
            width = len(_FIELD.findall(text, start, end))
            if width:
                places.append(Place(start, end, line, 1, self._reason(text[start:end], width)))
            start, line = end, line + 1
        return places, start

    def exact(self, records: Sequence[bytes]) -> pl.DataFrame:
        clean = self.clean(b"".join(records))
        if clean:
            return clean.frame
        rows = [[field.decode() for field in _FIELD.findall(record)] for record in records]
        return pl.DataFrame(rows, schema=dict.fromkeys(self._columns, pl.String), orient="row")

    def _reason(self, line: bytes, width: int) -> str | None:
        if not is_utf8(line):
            return "bad_encoding"
        if width == len(self._columns):
            return None
        return "short_row" if width < len(self._columns) else "long_row"
