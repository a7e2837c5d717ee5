"""Refine files chunk by chunk into typed rows on local disk, and keep what was refused with its place."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from common.contracts.contract import ARRIVAL_COLUMN, FILE_COLUMN, Contract
from common.formats import Chunk
from common.lake.schema import silver_schema
from common.quality.checks import Check, contract_checks
from common.quality.split import Split, apply
from common.refine.clean import add_partition, clean
from common.refine.markers import with_marker, with_versions
from common.refine.source import Source, chunks

REFUSED_SCHEMA: dict[str, pl.DataType] = {
    "file": pl.String(),
    "batch": pl.String(),
    "record": pl.Int64(),
    "line": pl.Int64(),
    "offset": pl.Int64(),
    "text": pl.Binary(),
    "reason": pl.String(),
    "rule": pl.String(),
    "column": pl.String(),
    "value": pl.String(),
    "contract": pl.String(),
}


@dataclass(frozen=True)
class Refined:
    """What refining found in one source; `newest` is the latest value of the contract's age column."""

    source: Source
    good: int = 0
    refused: int = 0
    newest: date | datetime | None = None


@dataclass
class Spool:
    """What refining has read and written so far: good and refused rows as Parquet files.

    `read` counts records before anything is done to them: it must equal `good` and `bad` together.
    """

    folder: Path
    contract: Contract
    read: int = 0
    good: int = 0
    bad: int = 0
    paths: list[Path] = field(default_factory=list)
    refused_paths: list[Path] = field(default_factory=list)

    @property
    def refused(self) -> pl.LazyFrame:
        """Return the refused rows with file, record, line, offset, text and reason."""
        return pl.concat([pl.LazyFrame(schema=REFUSED_SCHEMA), *map(pl.scan_parquet, self.refused_paths)])

    def keep(self, rows: pl.DataFrame) -> None:
        """Write good rows as the next file."""
        if rows.height:
            self.paths.append(self.folder / f"{len(self.paths):06d}.parquet")
            rows.write_parquet(self.paths[-1], compression="lz4")
            self.good += rows.height

    def refuse(self, rows: pl.DataFrame) -> None:
        """Write refused rows as the next file."""
        if rows.height:
            self.refused_paths.append(self.folder / f"refused-{len(self.refused_paths):06d}.parquet")
            refused = rows.select(pl.col(name).cast(kind) for name, kind in REFUSED_SCHEMA.items())
            refused.write_parquet(self.refused_paths[-1], compression="lz4")
            self.bad += rows.height


def refine(source: Source, spool: Spool) -> Refined:
    """Refine one file into the spool: every record ends as a good row or as a refused one.

    Raises UnreadableFile where the file turns out to be damaged.
    """
    checks = with_versions(contract_checks(spool.contract), spool.contract)
    good, bad, newest = spool.good, spool.bad, None
    for chunk in chunks(source):
        spool.read += chunk.frame.height + chunk.malformed.height
        found = _refine_chunk(chunk, source, spool, checks)
        newest = max(filter(None, (newest, found)), default=None)
    return Refined(source, spool.good - good, spool.bad - bad, newest)


def _refine_chunk(chunk: Chunk, source: Source, spool: Spool, checks: list[Check]) -> Any:
    cleaned = clean(chunk.frame, spool.contract, source.shape)
    split = apply(with_marker(cleaned, spool.contract), checks)
    columns = list(silver_schema(spool.contract))
    arrival = pl.lit(source.arrival, pl.Int64).cast(pl.Datetime("us", "UTC"))
    good = split.good.with_columns(pl.lit(source.file).alias(FILE_COLUMN), arrival.alias(ARRIVAL_COLUMN))
    spool.keep(add_partition(good, spool.contract).select(columns))
    for refused in _refused(chunk, split, source, spool.contract):
        spool.refuse(refused)
    age = spool.contract.batch.age_column
    return split.good[age].max() if age else None


def _refused(chunk: Chunk, split: Split, source: Source, contract: Contract) -> Iterator[pl.DataFrame]:
    origin = (
        pl.lit(source.file).alias("file"),
        pl.lit(source.batch).alias("batch"),
        pl.lit(contract.version).alias("contract"),
    )
    places = (
        pl.col("_record").alias("record"),
        pl.col("_line").alias("line"),
        pl.col("_offset").alias("offset"),
        pl.col("_text").alias("text"),
    )
    if chunk.malformed.height:
        nothing = pl.lit(None, pl.String)
        yield chunk.malformed.select(
            *origin,
            *places,
            "reason",
            pl.lit("malformed").alias("rule"),
            nothing.alias("column"),
            nothing.alias("value"),
        )
    if split.refused.height:
        located = chunk.locate(split.refused["_record"].to_list())
        reasons = split.refused.select("_record", "rule", "column", "value", pl.col("rule").alias("reason"))
        yield reasons.join(located, on="_record", how="left").select(
            *origin, *places, "reason", "rule", "column", "value"
        )
