"""What stands around the pages of a Parquet file: its footer, and the header of each page, with sizes and checksums.

The layout is that of the Parquet format's `parquet.thrift`, in Thrift's compact protocol. No library that is installed
compares checksums or looks at sizes before it makes room for them.
"""

import mmap
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.core.errors import UnreadableFile

_MAGIC, _ENCRYPTED = b"PAR1", b"PARE"
_TAIL = 8  # the footer's length, and the magic again
_DEEPEST = 32
_INT96 = 3
_WIDTHS = {0: 1, 1: 4, 2: 8, 3: 12}  # bytes of a value of a physical type in memory; of texts, a view of 16
_Fields = dict[int, Any]


@dataclass(frozen=True)
class Footer:
    """What a footer promises: rows, bytes in memory, and the columns of the old type for points in time."""

    rows: int
    inflated: int
    int96: tuple[str, ...]


def footer(path: Path) -> Footer:
    """Read the footer and the headers of all pages, and compare checksums. Raises UnreadableFile (corrupt)."""
    try:
        with _mapped(path) as data:
            return _verified(data, _Compact(data, *_footer_of(data)).fields())
    except (IndexError, KeyError, TypeError, ValueError, struct.error, OverflowError) as error:
        raise _corrupt(f"its footer or a page's header cannot be read ({type(error).__name__})") from error


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data


def _footer_of(data: mmap.mmap) -> tuple[int, int]:
    end = len(data) - _TAIL
    magic = data[-4:]
    if magic == _ENCRYPTED:
        raise UnreadableFile("type", "The Parquet file is encrypted; land it decrypted.")
    size = struct.unpack("<I", data[end : end + 4])[0] if end > 4 else 0
    if magic != _MAGIC or not 0 < size <= end - 4:
        raise _corrupt("it does not end with a footer")
    return end - size, end


def _verified(data: mmap.mmap, found: _Fields) -> Footer:
    groups, rows = found.get(4, []), found[3]
    if rows != sum(group[3] for group in groups):
        raise _corrupt(f"its footer counts {rows} rows, its row groups {sum(group[3] for group in groups)}")
    inflated = sum(_chunk(data, chunk[3]) for group in groups for chunk in group[1])
    leaves = (element for element in found[2] if not element.get(5))
    return Footer(rows, inflated, tuple(e[4].decode() for e in leaves if e.get(1) == _INT96))


def _chunk(data: mmap.mmap, column: _Fields) -> int:
    """Compare the checksums of a column chunk's pages; return the bytes that it takes in memory."""
    at = min(offset for offset in (column.get(11, 0), column[9]) if offset > 0)
    end, inflated = at + column[7], 0
    if end > len(data):
        raise _corrupt(f"column {_name(column)} goes on after the file's end")
    while at < end:
        header = _Compact(data, at, end)
        fields = header.fields()
        if fields[2] < 0 or fields[3] < 0 or header.at + fields[3] > end:
            raise _corrupt(f"column {_name(column)} has a page at byte {at} that does not fit its place")
        page = memoryview(data)[header.at : header.at + fields[3]]
        with page:
            if 4 in fields and zlib.crc32(page) != fields[4] & 0xFFFFFFFF:
                raise _corrupt(f"the checksum of column {_name(column)}'s page at byte {at} is another one")
        inflated, at = inflated + fields[2], header.at + fields[3]
    return max(inflated, int(column[5]) * _WIDTHS.get(column[1], 16))


def _name(column: _Fields) -> str:
    return repr(".".join(part.decode("utf-8", "replace") for part in column[3]))


def _corrupt(why: str) -> UnreadableFile:
    return UnreadableFile("corrupt", f"This is not a whole Parquet file: {why}.")


class _Compact:
    """Reads Thrift's compact protocol between two places of a file."""

    def __init__(self, data: mmap.mmap, at: int, end: int) -> None:
        self._data, self.at, self._end = data, at, end

    def fields(self, depth: int = 0) -> _Fields:
        """Return the fields of a struct by number."""
        if depth > _DEEPEST:
            raise ValueError
        found: _Fields = {}
        number = 0
        while head := self._byte():
            delta, kind = head >> 4, head & 15
            number = number + delta if delta else self._zigzag()
            found[number] = kind == 1 if kind in (1, 2) else self._value(kind, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        match kind:
            case 1 | 2 | 3:
                return self._byte()
            case 4 | 5 | 6:
                return self._zigzag()
            case 7:
                return self._bytes(8)
            case 8:
                return self._bytes(self._varint())
            case 9 | 10:
                return self._list(depth)
            case 12:
                return self.fields(depth + 1)
        raise ValueError

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        size = head >> 4
        size = self._varint() if size == 15 else size
        if size > self._end - self.at:
            raise ValueError
        return [self._value(head & 15, depth) for _ in range(size)]

    def _byte(self) -> int:
        if self.at >= self._end:
            raise IndexError
        self.at += 1
        return self._data[self.at - 1]

    def _bytes(self, size: int) -> bytes:
        if size > self._end - self.at:
            raise IndexError
        self.at += size
        return self._data[self.at - size : self.at]

    def _varint(self) -> int:
        result = shift = 0
        while True:
            byte = self._byte()
            result |= (byte & 127) << shift
            if byte < 128:
                return result
            shift += 7
            if shift > 63:
                raise ValueError

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
