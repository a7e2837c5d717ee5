"""A slow and plain reading of delimited text, one character at a time, to compare the fast one with."""

from dataclasses import dataclass


@dataclass
class Record:
    """A record as the rules have it: its values, or the reason why it is refused."""

    line: int
    offset: int
    text: bytes
    values: list[str] | None
    reason: str | None


def records(data: bytes, width: int, delimiter: bytes = b",", quote: bytes = b'"') -> list[Record]:
    """Return all records of a text whose lines end with LF or CRLF."""
    found: list[Record] = []
    at, line = 0, 1
    while at < len(data):
        stop = data.find(b"\n", at) + 1 or len(data)
        physical = _without_end(data[at:stop])
        if not physical:
            at, line = stop, line + 1
            continue
        end, values, why = _record(data, at, delimiter, quote)
        if why is None and len(values) == width:
            text = _without_end(data[at:end])
            good = _utf8(text)
            texts = [value.decode() for value in values] if good else None
            found.append(Record(line, at, text, texts, None if good else "bad_encoding"))
        else:
            reason = _reason(data[at:stop], width, delimiter, quote)
            found.append(Record(line, at, physical, None, reason))
            end = stop
        line += data.count(b"\n", at, end)
        at = end
    return found


def _reason(line: bytes, width: int, delimiter: bytes, quote: bytes) -> str:
    if not _utf8(line):
        return "bad_encoding"
    _, values, why = _record(line, 0, delimiter, quote)
    return why or ("short_row" if len(values) < width else "long_row")


def _record(data: bytes, at: int, delimiter: bytes, quote: bytes) -> tuple[int, list[bytes], str | None]:
    values: list[bytes] = []
    while True:
        quoted = data[at : at + 1] == quote
        at, value, why = _quoted(data, at, quote) if quoted else _bare(data, at, delimiter, quote)
        values.append(value)
        if why:
            return at, values, why
        if data[at : at + 1] == delimiter:
            at += 1
            continue
        if not quoted:
            values[-1] = value.removesuffix(b"\r")
        elif data[at : at + 2] == b"\r\n" or data[at:] == b"\r":
            at += 1
        if at == len(data) or data[at : at + 1] == b"\n":
            return min(at + 1, len(data)), values, None
        return at, values, "stray_quote"


def _quoted(data: bytes, at: int, quote: bytes) -> tuple[int, bytes, str | None]:
    value = b""
    at += 1
    while at < len(data):
        if data[at : at + 2] == quote * 2:
            value, at = value + quote, at + 2
        elif data[at : at + 1] == quote:
            return at + 1, value, None
        else:
            value, at = value + data[at : at + 1], at + 1
    return at, value, "unclosed_quote"


def _bare(data: bytes, at: int, delimiter: bytes, quote: bytes) -> tuple[int, bytes, str | None]:
    start = at
    while at < len(data) and data[at : at + 1] not in (delimiter, b"\n"):
        if data[at : at + 1] == quote:
            return at, data[start:at], "stray_quote"
        at += 1
    return at, data[start:at], None


def _without_end(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
