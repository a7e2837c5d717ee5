"""One file on its way into silver: fetched, with the shape it is read by and the records of it that count."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from common.contracts.contract import Contract
from common.core.assets import Zone
from common.core.errors import QualityError
from common.core.nouns import Batch
from common.core.places import BronzeFile, RefusedRows, Rerun
from common.core.shape import Shape
from common.formats import Chunk, read, sniff
from common.lake.table import reading
from common.refine.inspect import inspect_file
from common.refine.refused import rows_of
from common.zones.store import Changed, ZoneStore

ORIGIN_RECORD = "origin_record"  # a file of mended rows tells in this column which record each was


@dataclass(frozen=True)
class Source:
    """One bronze file on local disk; `arrival` is that of its delivery, in microseconds since 1970, `raw` its key then.

    Of a file that is read again only the records in `only` count, where it is given, and none in `skip`. A `mended`
    one tells itself which record of `file` each of its rows was.
    """

    path: Path
    shape: Shape
    file: str
    batch: str
    arrival: int
    raw: str = ""
    only: pl.Series | None = None
    skip: pl.Series | None = None
    mended: bool = False


def fetch(contract: Contract, batch: Batch, folder: Path) -> Source:
    """Fetch the file of a batch in bronze into a folder; raises QualityError, UnreadableFile, StoreUnavailable."""
    bronze, stored, path = ZoneStore(Zone.BRONZE), batch.bronze, folder / f"{batch.id}.source"
    try:
        bronze.download(stored.key, path, stored.etag)
    except Changed as error:
        raise QualityError(f"{bronze.uri(stored.key)} is not the recorded object.", [batch.id]) from error
    shape = _with_late_keys(path, stored, contract) or inspect_file(path, stored.name, contract)
    return described(batch, shape, path)


def described(batch: Batch, shape: Shape, path: Path) -> Source:
    """Return the source that a batch's file of this shape is, with the records that count; raises QualityError."""
    stored, again = batch.bronze, batch.rerun or Rerun()
    if again.skip and again.was and _records_differ(again.was, shape):
        raise QualityError(
            f"{stored.key}: the contract reads this file otherwise now, so the records that a person has "
            "discarded or mended cannot be told from the others. Land the file again under another name.",
            [batch.id],
        )
    file, only, skip = again.file or stored.key, _records(again.only), _records(again.skip)
    return Source(path, shape, file, batch.id, stored.arrived, stored.raw, only, skip, mended=again.file is not None)


def _with_late_keys(path: Path, stored: BronzeFile, contract: Contract) -> Shape | None:
    """Return the recorded shape of a file; of NDJSON with all keys, where only its first objects were looked at.

    An earlier version did so, and then a key that came later was dropped without a word. It named the columns that it
    expected and had not seen.
    """
    known = stored.shape
    if known is None or known.format != "ndjson" or not known.absent:
        return known
    found = sniff(path, stored.name, contract.dialect, contract.sources)
    if (found.format, found.encoding, found.compression) != (known.format, known.encoding, known.compression):
        return known
    return replace(known, columns=found.columns, keys=found.keys, strings=found.strings, absent=found.absent)


def _records_differ(one: Shape, other: Shape) -> bool:
    """Return whether a record's number means another record."""
    decisive = ("format", "delimiter", "quote", "header", "encoding", "skip", "newline", "escape", "trim", "formulas")
    return any(getattr(one, name) != getattr(other, name) for name in decisive)


def _records(chosen: Sequence[RefusedRows] | None) -> pl.Series | None:
    """Read from quarantine which records of a file are meant: those of certain refusals."""
    if chosen is None:
        return None
    numbers = [pl.Series("record", [], pl.Int64)]
    for refused in chosen:
        with reading(refused.place):
            numbers.append(rows_of(refused).select("record").collect().to_series())
    return pl.concat(numbers)


def chunks(source: Source) -> Iterator[Chunk]:
    """Read the records of a source that count, chunk by chunk; raises UnreadableFile."""
    for chunk in read(source.path, source.shape):
        yield _chosen(chunk, source)


def _chosen(chunk: Chunk, source: Source) -> Chunk:
    if source.mended:
        chunk.frame = chunk.frame.with_columns(pl.col(ORIGIN_RECORD).cast(pl.Int64).alias("_record"))
    for wanted, records in ((True, source.only), (False, source.skip)):
        if records is not None:
            listed = pl.col("_record").is_in(records.implode())
            keep = listed if wanted else ~listed
            chunk.frame, chunk.malformed = chunk.frame.filter(keep), chunk.malformed.filter(keep)
    return chunk
