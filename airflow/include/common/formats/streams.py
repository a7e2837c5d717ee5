"""Open a file as plain bytes, whatever it is compressed with, in bounded memory."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from isal import isal_zlib

from common.core.errors import UnreadableFile
from common.core.shape import Compression
from common.formats.bounds import allowed_size, require_inflated
from common.formats.foreign import only_member

_INPUT = 1 << 20
_MAGIC = b"\x1f\x8b"
_GZIP = 31  # the word for "a gzip header and trailer", whose checksum it then verifies


class Source(Protocol):
    """Decompressed bytes, front to back."""

    def read(self, size: int, /) -> bytes: ...


class _Gunzip:
    """Gzip members one after the other; isal in large steps takes a third of the time of zlib."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._member = isal_zlib.decompressobj(_GZIP)
        self._input = b""
        self._begun = False

    def read(self, size: int, /) -> bytes:
        parts: list[bytes] = []
        while size > 0 and self._more():
            self._begun = True
            part = self._member.decompress(self._input, size)
            self._input = self._member.unconsumed_tail
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _more(self) -> bool:
        """Have input for a member that is not at its end; False at the end of the last one."""
        if self._member.eof:
            rest = self._member.unused_data or self._file.read(_INPUT)
            while rest and not rest.strip(b"\0"):  # zeros after the last member are padding
                rest = self._file.read(_INPUT)
            self._input, self._begun = rest.lstrip(b"\0"), False
            self._member = isal_zlib.decompressobj(_GZIP)
            if not _MAGIC.startswith(self._input[:2]):
                raise zlib.error("what follows a gzip member is none")
            return bool(self._input)
        self._input = self._input or self._file.read(_INPUT)
        if not self._input and self._begun:
            raise EOFError("the gzip stream ends before its end marker")
        return bool(self._input)


class _Bounded:
    """Decompressed bytes, as many as a file of that size may have."""

    def __init__(self, source: Source, path: Path) -> None:
        self._source, self._size, self._read = source, path.stat().st_size, 0
        self._most = allowed_size(self._size)

    def read(self, size: int, /) -> bytes:
        part = self._source.read(size)
        self._read += len(part)
        if self._read > self._most:
            require_inflated(self._read, self._size)
        return part


@contextmanager
def opened(path: Path, compression: Compression) -> Iterator[Source]:
    """Return the file's decompressed bytes. Raises UnreadableFile (truncated, corrupt, unrecognised, too_large)."""
    try:
        with path.open("rb", buffering=0) as file:
            if compression == "gzip":
                yield _Bounded(_Gunzip(file), path)
            elif compression == "zip":
                if not zipfile.is_zipfile(file):  # the directory stands at the end
                    raise EOFError("a zip without its directory")  # noqa: TRY301 (translated below)
                with zipfile.ZipFile(file) as archive, archive.open(only_member(archive)) as member:
                    yield _Bounded(member, path)
            else:
                yield file
    except RecursionError:  # it is a RuntimeError, and none of the archive's
        raise
    except EOFError as error:
        raise UnreadableFile("truncated", f"{path.name} ends too early: {error}.") from error
    except (zlib.error, isal_zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:  # type: ignore[misc]
        raise UnreadableFile("corrupt", f"{path.name} cannot be decompressed: {error}.") from error
