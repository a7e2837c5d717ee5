"""The grammar of delimited text: RFC 4180 with any delimiter, and one record refused for each broken line."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl
from polars.exceptions import PolarsError

from common.core.shape import Shape
from common.formats.fields import Fields
from common.formats.grammar import TAKEN_FOR_COMPRESSED, Clean, Place, is_utf8
from common.formats.octets import among, count, octets, positions

MAX_RECORD = 16 << 20  # a quote that is still open after as many bytes was never meant to be closed
_MARK = "\ufeff".encode()


class Delimited:
    """Reads delimited text of a known shape."""

    def __init__(self, shape: Shape) -> None:
        self._columns = shape.columns
        self._fields = Fields(shape)
        self.newline = self._fields.newline
        self._quote, self._delimiter, self._escape = self._fields.quote, self._fields.delimiter, self._fields.escape
        self._record = self._fields.of_width(len(shape.columns))

    def clean(self, text: bytes) -> Clean | None:
        text = text if text.endswith(self.newline) else self._ended(text)
        if text.startswith((b"\n", b"\r", _MARK, *TAKEN_FOR_COMPRESSED)):  # polars passes over these
            return None
        if (self._escape and self._escape in text) or (self._fields.special and self._quote in text):
            return None
        if not (self._quote and self._quote in text) and b"\r" not in text:
            frame = self._frame(text, quoted=False)
            if frame is None or self._all_read(frame, len(text), 0):
                return Clean(frame, frame.height) if frame is not None else None
            ends = positions(octets(text) == ord(self.newline))
            return self._without_short(frame, text, ends, 0, 0)
        return self._clean_with_marks(text)

    def _ended(self, text: bytes) -> bytes:
        """End the last line of a file; a lone LF may stand at the end of lines that end with CR."""
        return (text.removesuffix(b"\n") if self.newline == b"\r" else text) + self.newline

    def _clean_with_marks(self, text: bytes) -> Clean | None:
        """Parse text that has quotes or carriage returns."""
        marks = octets(text)
        ends, returns = marks == ord(self.newline), marks == ord("\r")
        quotes = self._quotes(marks)
        feeds = count(returns) if self.newline == b"\n" else 0
        if feeds and count(returns.shift(1, fill_value=False) & ends) < feeds:
            return None  # polars also drops a lone CR at the end of a field
        if not quotes.in_order(marks, self._delimiter + self.newline):
            return None
        frame = self._frame(text, quoted=quotes.at.len() > 0)
        if frame is None:
            return None
        if self._all_read(frame, len(text) - quotes.shed(), feeds):
            return Clean(frame, count(ends))
        return self._without_short(frame, text, positions(ends), quotes.shed(), feeds)

    def _without_short(
        self, frame: pl.DataFrame, text: bytes, ends: pl.Series, shed: int, returns: int
    ) -> Clean | None:
        """Take out the rows that seem to be longer than their lines; None where what is left does not add up.

        Only a row that was padded has more delimiters than its line, which quotes around its fields may outweigh.
        """
        if frame.width == 1 or frame.height != ends.len() or returns not in (0, frame.height):
            return None
        marks = frame.width + (returns > 0)
        read = frame.select(pl.sum_horizontal(pl.all().str.len_bytes()).cast(pl.Int64) + marks).to_series()
        sizes = ends.cast(pl.Int64) - ends.shift(1).cast(pl.Int64).fill_null(-1)
        short = read > sizes
        surplus = int(read.sum()) + shed - len(text)
        refused: list[tuple[int, Place]] = []
        found = pl.DataFrame([ends.alias("end"), sizes.alias("size"), read.alias("read")]).with_row_index()
        for row, end, size, taken in found.filter(short).iter_rows():
            line = text[end + 1 - size : end + 1]
            places, _ = self.places(line, 0, len(line), final=True)
            if len(places) != 1 or not places[0].reason:
                return None
            refused.append((row, replace(places[0], line=row)))
            quoted = self._quote and self._quote in line
            surplus -= taken - size + (self._quotes(octets(line)).shed() if quoted else 0)
        return Clean(frame.filter(~short), frame.height, refused) if surplus == 0 else None

    def _quotes(self, marks: pl.Series) -> "_Quotes":
        return _Quotes(positions(marks == ord(self._quote)) if self._quote else _NO_POSITIONS)

    def doubts(self, lines: Sequence[bytes]) -> list[int] | None:
        # A line with an even number of quotes cannot begin a good record that goes on in the next line.
        if self._quote and any(line.count(self._quote) % 2 for line in lines):
            return None
        if self._escape and any(self._escape in line for line in lines):
            return None
        right = len(self._columns) - 1
        return [at for at, line in enumerate(lines) if line.count(self._delimiter) != right or line in (b"", b"\r")]

    def places(self, text: bytes, start: int, stop: int, *, final: bool) -> tuple[list[Place], int]:
        places: list[Place] = []
        line = text.count(self.newline, 0, start)
        while start < stop:
            end, lines = text.find(self.newline, start) + 1 or len(text), 1
            reason = self._plain(text[start:end])
            if reason == "quoted":
                end, reason = self._careful(text, start, end, final=final)
                lines = text.count(self.newline, start, end - 1) + 1
            if end == start:
                break
            if reason != "blank":
                places.append(Place(start, end, line, lines, reason))
            start, line = end, line + lines
        return places, start

    def exact(self, records: Sequence[bytes]) -> pl.DataFrame:
        """Parse good records; one that polars reads in another way is read by the expressions."""
        clean = self.clean(b"".join(records))
        if clean and not clean.refused:
            return clean.frame
        rows = [[value.decode() for value in self._fields.split(record)] for record in records]
        return pl.DataFrame(rows, schema=dict.fromkeys(self._columns, pl.String), orient="row")

    def _plain(self, line: bytes) -> str | None:
        """Judge one physical line without quotes."""
        if (self._quote and self._quote in line) or (self._escape and self._escape in line):
            return "quoted"
        if line.removesuffix(self.newline) in (b"", b"\r") or (self.newline == b"\r" and line == b"\n"):
            return "blank"
        if not is_utf8(line):
            return "bad_encoding"
        surplus = line.count(self._delimiter) + 1 - len(self._columns)
        if surplus == 0:
            return None
        return "short_row" if surplus < 0 else "long_row"

    def _careful(self, text: bytes, start: int, end: int, *, final: bool) -> tuple[int, str | None]:
        """Judge a record with quotes; its end is its start where more text is needed to know."""
        found = self._record.match(text, start)
        if found and found.end() - start <= MAX_RECORD:
            return found.end(), None if is_utf8(found[0]) else "bad_encoding"
        if not final and len(text) - start <= MAX_RECORD and self._fields.open.match(text, start):
            return start, None
        return end, self._why(text[start:end])

    def _why(self, line: bytes) -> str:
        """Return what is wrong with a line that begins no good record."""
        if not is_utf8(line):
            return "bad_encoding"
        if self._fields.record.fullmatch(line):
            return "short_row" if len(self._fields.split(line)) < len(self._columns) else "long_row"
        if self._fields.open.match(line):
            return "unclosed_quote"
        return "stray_escape" if self._escape and self._escape in line else "stray_quote"

    def _frame(self, text: bytes, *, quoted: bool) -> pl.DataFrame | None:
        try:
            return pl.read_csv(
                text,
                has_header=False,
                schema=dict.fromkeys(self._columns, pl.String),
                separator=self._delimiter.decode(),
                quote_char=self._quote.decode() if quoted else None,
                eol_char=self.newline.decode(),
                empty_string_is_null=False,
                raise_if_empty=False,
            )
        except (PolarsError, OSError):
            return None

    def _all_read(self, frame: pl.DataFrame, size: int, returns: int) -> bool:
        """Compare the bytes that were read with the bytes that there are.

        Polars pads short rows in silence and refuses long ones. So every row has at most its delimiters, and
        sheds at most one CR: taking as many as there can be, what is missing adds up and never cancels out.
        Nothing missing means that no row was short.
        """
        lengths = [column.str.len_bytes() for column in frame]
        if len(lengths) == 1 and (lengths[0] == 0).any():
            return False  # a blank line or an empty value: only a close look can tell
        ends = frame.height * len(lengths) + min(frame.height, returns)
        return sum(int(column.sum()) for column in lengths) + ends == size


@dataclass(frozen=True)
class _Quotes:
    """Where the quotes of a text are: by turns one that opens and one that closes."""

    at: pl.Series

    def in_order(self, marks: pl.Series, edges: bytes) -> bool:
        """Check that each opens or closes a whole field, or is doubled: polars also takes `"a"b"c"`."""
        if self.at.len() % 2:
            return False
        if not self.at.len():
            return True
        before = marks.gather(self._opening.filter(self._opening > 0) - 1)
        after = marks.gather(self._closing + 1)  # there is one, for a line end is the last
        edges += bytes([marks[self.at[0]]])
        return among(before, edges) and among(after, edges + b"\r")

    def shed(self) -> int:
        """Return how many quotes are not part of values: all but one of each doubled pair."""
        return self.at.len() - count(self._closing.head(-1) + 1 == self._opening.tail(-1))

    @property
    def _opening(self) -> pl.Series:
        return self.at.gather_every(2)

    @property
    def _closing(self) -> pl.Series:
        return self.at.gather_every(2, 1)


_NO_POSITIONS = pl.Series(dtype=pl.UInt32)
