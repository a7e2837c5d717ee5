"""The fields of one record of delimited text, by regular expressions over bytes."""

import re

from common.core.shape import Shape


class Fields:
    """The grammar of one record; its expressions never look back, so they are linear."""

    def __init__(self, shape: Shape) -> None:
        self.newline = shape.newline[-1:].encode()
        self.delimiter, self.quote = (shape.delimiter or ",").encode(), (shape.quote or "").encode()
        self.escape = (shape.escape or "").encode()
        self.special = bool(self.quote and (shape.trim or shape.formulas))  # fields that polars reads otherwise
        d, q, n, e = map(re.escape, (self.delimiter, self.quote, self.newline, self.escape))
        plain = rb"[^%b%b]*+" % (q, e)
        inside = rb"(?:%b%b%b)" % (q, q, rb"|" + e + rb"(?:[%b%b%b]|\r?\n)" % (q, d, e) if e else b"")
        self._blanks = rb" \t".replace(self.delimiter, b"") if shape.trim else b""
        before = (rb"[%b]*+" % self._blanks if self._blanks else b"") + (b"=?+" if shape.formulas else b"")
        after = rb"[%b]*+" % self._blanks if self._blanks else b""
        self.quoted = before + rb"%b%b(?:%b%b)*+" % (q, plain, inside, plain) if self.quote else rb"(?!)"
        self.field = rb"(?>%b%b%b|%b)" % (self.quoted, q, after, self._bare(d, q, n, e))
        self.end = rb"\r?(?:%b|\Z)" % n if self.newline == b"\n" else rb"(?:%b|\n?\Z)" % n
        self.record = re.compile(rb"(?:%b%b)*+%b%b" % (self.field, d, self.field, self.end))
        self.open = re.compile(rb"(?:%b%b)*+%b%b?\Z" % (self.field, d, self.quoted, e or b"(?!)"))
        self._field = re.compile(rb"(%b)(%b|%b)" % (self.field, d, self.end))
        self._escaped = re.compile(rb"%b(.)" % e, re.DOTALL) if e else None

    def of_width(self, width: int) -> re.Pattern[bytes]:
        """Return what a record of so many fields matches."""
        field, delimiter = self.field, re.escape(self.delimiter)
        return re.compile(rb"(?:%b%b){%d}%b%b" % (field, delimiter, width - 1, field, self.end))

    def split(self, record: bytes) -> list[bytes]:
        """Return the values of one well-formed record."""
        values: list[bytes] = []
        at, more = 0, True
        while more and (found := self._field.match(record, at)):
            values.append(self._value(found[1], last=found[2] != self.delimiter))
            at, more = found.end(), found[2] == self.delimiter
        return values

    def _bare(self, d: bytes, q: bytes, n: bytes, e: bytes) -> bytes:
        if not e:
            return rb"[^%b%b%b]*+" % (d, n, q)
        lone = rb"%bN(?=%b|\r?%b|\r?\Z)" % (e, d, n)  # what databases write for NULL
        return rb"(?>%b|(?:[^%b%b%b%b]|%b(?:[%b%b%b]|\r?\n))*+)" % (lone, d, n, q, e, e, q, d, e)

    def _value(self, field: bytes, *, last: bool) -> bytes:
        bare = field.strip(self._blanks) if self._blanks else field
        bare = bare.removeprefix(b"=") if bare[1:2] == self.quote and self.special else bare
        if self.quote and bare.startswith(self.quote):
            return self._unescaped(bare[1:-1].replace(self.quote * 2, self.quote))
        field = field.removesuffix(b"\r") if last and self.newline == b"\n" else field
        return field if field == self.escape + b"N" else self._unescaped(field)

    def _unescaped(self, value: bytes) -> bytes:
        return self._escaped.sub(rb"\1", value) if self._escaped else value
