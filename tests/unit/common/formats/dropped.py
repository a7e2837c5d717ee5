"""Drop bytes as a file, sniff and read them, and compare what comes out with those bytes."""

import gzip
import io
import random
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from common.core.errors import UnreadableFile
from common.core.shape import Dialect, Shape
from common.formats import Chunk, read, sniff
from common.formats.streams import opened

TABLE = b'id,name,amount\n1,Ann,1.50\n2,"Bob, B",2\n'
ROWS = [("1", "Ann", "1.50"), ("2", "Bob, B", "2")]
NOISE = random.Random(1).randbytes(1 << 14)
GZIP = gzip.compress(TABLE * 1000 + NOISE.hex().encode(), mtime=0)


def zipped(*members: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for number, member in enumerate(members):
            opened.writestr(f"member{number}.csv", member)
    return archive.getvalue()


def spoiled(data: bytes, at: int) -> bytes:
    return data[:at] + bytes(byte ^ 0xFF for byte in data[at : at + 4]) + data[at + 4 :]


def refusal(folder: Path, data: bytes, name: str = "file.csv", declared: Dialect | None = None) -> str:
    path = folder / "refused"
    path.write_bytes(data)
    with pytest.raises(UnreadableFile) as caught:
        sniff(path, name, declared)
    return caught.value.reason


class Dropped:
    """A file that was dropped, and all that was read from it."""

    def __init__(
        self,
        folder: Path,
        data: bytes,
        name: str = "dropped.csv",
        *,
        shape: Shape | None = None,
        declared: Dialect | None = None,
        columns: Sequence[str] = (),
        chunk_bytes: int = 4 << 20,
    ) -> None:
        self.path = folder / "dropped"
        self.path.write_bytes(data)
        self.shape = shape or sniff(self.path, name, declared, columns)
        self.chunks: list[Chunk] = list(read(self.path, self.shape, chunk_bytes))

    @property
    def columns(self) -> tuple[str, ...]:
        return self.shape.columns

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """The good rows, without their numbers."""
        return [row[:-1] for chunk in self.chunks for row in chunk.frame.rows()]

    @property
    def records(self) -> list[int]:
        """The numbers of the good rows."""
        return [row[-1] for chunk in self.chunks for row in chunk.frame.rows()]

    @property
    def malformed(self) -> list[tuple[Any, ...]]:
        return [row for chunk in self.chunks for row in chunk.malformed.rows()]

    @property
    def reasons(self) -> dict[int, str]:
        """Why records were refused, by physical line."""
        return {line: reason for _, line, _, _, reason in self.malformed}

    def located(self) -> list[tuple[Any, ...]]:
        """The places of all good rows."""
        return [row for chunk in self.chunks for row in chunk.locate(chunk.frame["_record"].to_list()).rows()]

    def plain(self) -> bytes:
        """The bytes of the decompressed file."""
        with opened(self.path, self.shape.compression) as source:
            return b"".join(iter(lambda: source.read(1 << 16), b""))

    def check_places(self) -> None:
        """Compare the text of every record, good or refused, with the bytes of the file at its offset."""
        data = self.plain()
        places = self.located() + [row[:4] for row in self.malformed]
        assert sorted(place[0] for place in places) == list(range(1, len(places) + 1))
        for _, line, offset, text in places:
            assert data[offset : offset + len(text)] == text
            if self.shape.encoding == "utf-8" and self.shape.newline == "\n":
                assert data.count(b"\n", 0, offset) == line - 1
