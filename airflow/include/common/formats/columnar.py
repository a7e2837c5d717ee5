"""Read Parquet files in batches, with the types that they carry."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from common.core.errors import UnreadableFile
from common.core.shape import Compression, Shape
from common.formats.chunk import Chunk, Spot, malformed
from common.formats.names import RECORD
from common.formats.streams import opened

_BLOCK = 4 << 20


def read_parquet(path: Path, shape: Shape, chunk_bytes: int) -> Iterator[Chunk]:
    """Read a Parquet file, at least one chunk. Raises UnreadableFile (corrupt)."""
    with plain(path, shape.compression) as file:
        first, empty = 1, True
        for frame in _batches(file, chunk_bytes):
            empty = False
            yield _chunk(frame, shape, first)
            first += frame.height
        if empty:
            yield _chunk(pl.DataFrame(schema=pl.read_parquet_schema(file)), shape, first)


def verify_parquet(path: Path, compression: Compression) -> tuple[str, ...]:
    """Read all of a Parquet file and return its columns. Raises UnreadableFile (corrupt)."""
    with plain(path, compression) as file:
        for _ in _batches(file, _BLOCK):
            pass
        return tuple(pl.read_parquet_schema(file))


@contextmanager
def plain(path: Path, compression: Compression) -> Iterator[Path]:
    """Return the path of the decompressed file, which a format with a footer needs."""
    if compression == "none":
        yield path
        return
    with tempfile.NamedTemporaryFile(suffix=".parquet") as spool, opened(path, compression) as source:
        while block := source.read(_BLOCK):
            spool.write(block)
        spool.flush()
        yield Path(spool.name)


def _batches(path: Path, chunk_bytes: int) -> Iterator[pl.DataFrame]:
    try:
        rows = _rows_of(path, chunk_bytes)
        yield from pl.scan_parquet(path, glob=False).collect_batches(chunk_size=rows, maintain_order=True)
    except (PolarsError, OSError) as error:
        message = f"{path.name} is not a whole Parquet file: {str(error).splitlines()[0]}"
        raise UnreadableFile("corrupt", message) from error


def _rows_of(path: Path, chunk_bytes: int) -> int:
    """Return how many rows take about so many bytes of memory."""
    head = pl.scan_parquet(path, glob=False).head(1000).collect()
    return max(1, int(chunk_bytes * head.height / max(head.estimated_size(), 1)))


def _chunk(frame: pl.DataFrame, shape: Shape, first: int) -> Chunk:
    numbers = pl.int_range(first, first + frame.height, dtype=pl.Int64, eager=True).alias(RECORD)
    named = frame.rename(dict(zip(frame.columns, shape.columns, strict=True)))
    return Chunk(named.with_columns(numbers), malformed([]), _spots)


def _spots(records: Sequence[int]) -> list[Spot]:
    return [Spot(record, None, None, None) for record in records]
