"""Read Parquet files in batches, with the types that they carry as far as those are plain ones."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from polars.exceptions import PanicException, PolarsError

from common.core.errors import UnreadableFile
from common.core.scratch import scratch
from common.core.shape import Compression, Shape
from common.formats.bounds import require_columns, require_inflated
from common.formats.chunk import Chunk, Spot, malformed
from common.formats.footer import Footer, footer
from common.formats.maps import rows_with_repeated_keys
from common.formats.names import RECORD, unique_names
from common.formats.plain import plain
from common.formats.streams import opened

_BLOCK = 4 << 20
_LARGEST, _SMALLEST = 2**63 - 1, -(2**63)  # what polars makes of dates that nanoseconds cannot hold


def read_parquet(path: Path, shape: Shape, chunk_bytes: int) -> Iterator[Chunk]:
    """Read a Parquet file, at least one chunk. Raises UnreadableFile (corrupt, type)."""
    with decompressed(path, shape.compression) as file:
        found = footer(file)
        scan, first = _scan(file, found), 1
        refused = rows_with_repeated_keys(file, scan.collect_schema()) + 1
        for frame in _batches(scan, path.name, chunk_bytes):
            yield _chunk(frame, shape, first, refused)
            first += frame.height
        _require_rows(found, first - 1, path.name)
        if first == 1:
            yield _chunk(pl.DataFrame(schema=scan.collect_schema()), shape, first, refused)


def verify_parquet(path: Path, compression: Compression) -> tuple[str, ...]:
    """Read all of a Parquet file and return its columns. Raises UnreadableFile (corrupt, type, too_large, too_wide)."""
    with decompressed(path, compression) as file:
        found = footer(file)
        require_inflated(found.inflated, file.stat().st_size)
        with _translated(path.name):
            scan = _scan(file, found)
            names = scan.collect_schema().names()
        require_columns(len(names))
        rows = 0
        for frame in _batches(scan, path.name, _BLOCK):
            rows += plain(frame).height
        _require_rows(found, rows, path.name)
        return unique_names(names)


@contextmanager
def decompressed(path: Path, compression: Compression) -> Iterator[Path]:
    """Return the path of the decompressed file, which a format with a footer needs."""
    if compression == "none":
        yield path
        return
    with scratch() as folder, opened(path, compression) as source:
        whole = folder / "whole.parquet"
        with whole.open("wb") as file:
            while block := source.read(_BLOCK):
                file.write(block)
        yield whole


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """Translate what polars raises about a damaged file; its panics are no Exceptions."""
    try:
        yield
    except (PolarsError, PanicException, OSError) as error:
        first = (str(error).splitlines() or [""])[0]
        raise UnreadableFile("corrupt", f"{name} is not a whole Parquet file: {first}") from error


def _scan(path: Path, found: Footer) -> pl.LazyFrame:
    """Return the file as polars has it, but for INT96 dates that do not fit nanoseconds: those in microseconds."""
    scan = pl.scan_parquet(path, glob=False)
    if not found.int96:
        return scan
    with _translated(path.name):
        schema = scan.collect_schema()
        old = [name for name in found.int96 if isinstance(schema.get(name), pl.Datetime)]
        if len(old) < len(found.int96):
            raise UnreadableFile("type", "The file holds points in time of the type INT96 inside of nested columns.")
        beyond = _beyond_nanoseconds(scan, old)
    if not beyond:
        return scan
    return pl.scan_parquet(path, glob=False, schema={**schema, **dict.fromkeys(beyond, pl.Datetime("us"))})


def _beyond_nanoseconds(scan: pl.LazyFrame, columns: Sequence[str]) -> list[str]:
    """Return the columns in which dates were clipped. Raises UnreadableFile where they hold nanoseconds besides."""
    ticks = [pl.col(name).to_physical() for name in columns]
    clipped = [(tick == _LARGEST) | (tick == _SMALLEST) for tick in ticks]
    finer = [(~out & (tick % 1000 != 0)).any().name.suffix("\0finer") for out, tick in zip(clipped, ticks, strict=True)]
    seen = scan.select(*(out.any() for out in clipped), *finer).collect(engine="streaming").row(0, named=True)
    beyond = [name for name in columns if seen[name]]
    mixed = [name for name in beyond if seen[f"{name}\0finer"]]
    if mixed:
        message = f"Column {mixed[0]!r} has dates that nanoseconds cannot hold, and others with nanoseconds."
        raise UnreadableFile("type", message)
    return beyond


def _batches(scan: pl.LazyFrame, name: str, chunk_bytes: int) -> Iterator[pl.DataFrame]:
    with _translated(name):
        yield from scan.collect_batches(chunk_size=_rows_of(scan, chunk_bytes), maintain_order=True)


def _rows_of(scan: pl.LazyFrame, chunk_bytes: int) -> int:
    """Return how many rows take about so many bytes of memory."""
    head = scan.head(1000).collect()
    return max(1, int(chunk_bytes * head.height / max(head.estimated_size(), 1)))


def _require_rows(found: Footer, rows: int, name: str) -> None:
    if rows != found.rows:
        message = f"{name} is not a whole Parquet file: {rows} rows were read, its footer counts {found.rows}."
        raise UnreadableFile("corrupt", message)


def _chunk(frame: pl.DataFrame, shape: Shape, first: int, refused: pl.Series) -> Chunk:
    numbers = pl.int_range(first, first + frame.height, dtype=pl.Int64, eager=True).alias(RECORD)
    named = plain(frame).rename(dict(zip(frame.columns, shape.columns, strict=True))).with_columns(numbers)
    bad = refused.filter(refused.is_between(first, first + frame.height - 1))
    reasons = [(spot, "repeated_key") for spot in _spots(bad.to_list())]
    return Chunk(named.filter(~pl.col(RECORD).is_in(bad.implode())), malformed(reasons), _spots)


def _spots(records: Sequence[int]) -> list[Spot]:
    return [Spot(record, None, None, None) for record in records]
