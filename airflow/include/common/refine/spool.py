"""Refine files chunk by chunk into typed rows, and keep what was refused with its place."""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from common.contracts.contract import ARRIVAL_COLUMN, FILE_COLUMN, Contract
from common.formats import Chunk
from common.formats.blocks import ahead
from common.lake.schema import KEY, key_text, silver_schema
from common.quality.checks import Check, contract_checks, path_checks
from common.quality.split import apply
from common.refine.clean import add_partition, clean
from common.refine.fast import FEW, FastLane
from common.refine.markers import spared, with_marker, with_versions
from common.refine.rows import Rows, compact
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
    KEY: pl.String(),
}

PLACE = [pl.col(f"_{name}").alias(name) for name in ("record", "line", "offset", "text")]
REASON = ("reason", "rule", "column", "value", KEY)
TOGETHER = 8  # chunks whose doubtful rows are judged at once


@dataclass(frozen=True)
class Refined:
    """What refining found in one source; `newest` is the latest value of the contract's age column."""

    source: Source
    good: int = 0
    refused: int = 0
    newest: date | datetime | None = None


class Spool:
    """What refining has read and made so far: good rows and refused rows.

    `read` counts records before anything is done to them: it must equal good and refused rows together.
    """

    def __init__(self, folder: Path, contract: Contract) -> None:
        self.folder, self.contract, self.read = folder, contract, 0
        self.good = Rows(folder, "good", silver_schema(contract))
        self.refused = Rows(folder, "refused", REFUSED_SCHEMA)
        self.checks = with_versions(contract_checks(contract), contract)
        self._lanes: dict[tuple[Any, ...], FastLane] = {}

    def checks_of(self, source: Source) -> list[Check]:
        """Return the checks of a file: the contract's, and that its rows are what its key in raw says of them."""
        return [*self.checks, *(spared(check, self.contract) for check in path_checks(self.contract, source.raw))]

    def lane(self, source: Source, schema: pl.Schema) -> FastLane:
        """Return the fast lane for files of a shape, whose keys say the same of their rows."""
        asked = source.shape, *self.contract.files.values(source.raw).items(), *schema.items()
        if asked not in self._lanes:
            self._lanes[asked] = FastLane(self.contract, self.checks_of(source), schema, source.shape)
        return self._lanes[asked]


def refine(source: Source, spool: Spool) -> Refined:
    """Refine one file into the spool: every record ends as a good row or as a refused one.

    Raises UnreadableFile where the file turns out to be damaged.
    """
    good, bad = spool.good.count, spool.refused.count
    judged = _Judged(source, spool)
    for chunk, (fast, doubtful) in ahead(chunks(source), judged.fast):
        spool.read += chunk.frame.height + chunk.malformed.height
        judged.keep(fast)
        if chunk.malformed.height:
            spool.refused.add(_malformed(chunk.malformed, source, spool.contract))
        judged.doubt(chunk, doubtful)
    judged.settle()
    return Refined(source, spool.good.count - good, spool.refused.count - bad, judged.newest)


class _Judged:
    """The records of one file: in two threads most are found good, what is in doubt is looked at together."""

    def __init__(self, source: Source, spool: Spool) -> None:
        self._source, self._spool, self._contract = source, spool, spool.contract
        self._doubtful: list[Chunk] = []
        self.newest: Any = None

    def fast(self, chunk: Chunk) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the rows of a chunk that are surely good, and those in doubt."""
        if chunk.frame.height < FEW:
            return pl.DataFrame(), chunk.frame
        good, doubtful = self._spool.lane(self._source, chunk.frame.schema).split(chunk.frame)
        return self._silver(good), compact(doubtful)

    def keep(self, good: pl.DataFrame) -> None:
        """Keep good rows, as they are in silver."""
        age = self._contract.batch.age_column
        if age and good.height:
            self.newest = max(filter(None, (self.newest, good[age].max())), default=None)
        self._spool.good.add(good)

    def doubt(self, chunk: Chunk, doubtful: pl.DataFrame) -> None:
        """Keep the rows of a chunk that are in doubt, until there are enough."""
        if doubtful.height:
            chunk.frame = doubtful
            self._doubtful.append(chunk)
        if len(self._doubtful) == TOGETHER:
            self.settle()

    def settle(self) -> None:
        """Judge the rows that are in doubt, with the reason and the place of each that is refused."""
        doubtful, self._doubtful = self._doubtful, []
        if not doubtful:
            return
        rows = pl.concat([chunk.frame for chunk in doubtful])
        typed = with_marker(clean(rows, self._contract, self._source.shape), self._contract)
        split = apply(typed, self._spool.checks_of(self._source))
        self.keep(compact(self._silver(split.good)))
        if split.refused.height:
            places = pl.concat([_located(chunk, split.refused) for chunk in doubtful]).unique("_record")
            self._spool.refused.add(compact(_broken(split.refused, places, self._source, self._contract)))

    def _silver(self, good: pl.DataFrame) -> pl.DataFrame:
        arrival = pl.lit(self._source.arrival, pl.Int64).cast(pl.Datetime("us", "UTC"))
        rows = good.with_columns(pl.lit(self._source.file).alias(FILE_COLUMN), arrival.alias(ARRIVAL_COLUMN))
        return add_partition(rows, self._contract).select(list(silver_schema(self._contract)))


def _located(chunk: Chunk, refused: pl.DataFrame) -> pl.DataFrame:
    here = refused["_record"].is_in(chunk.frame["_record"].implode())
    return chunk.locate(refused["_record"].filter(here).to_list())


def _malformed(rows: pl.DataFrame, source: Source, contract: Contract) -> pl.DataFrame:
    nothing = pl.lit(None, pl.String)
    nothings = [nothing.alias(name) for name in ("column", "value", KEY)]
    reasons = rows.with_columns(pl.lit("malformed").alias("rule"), *nothings)
    return reasons.select(*_origin(source, contract), *PLACE, *REASON)


def _broken(refused: pl.DataFrame, places: pl.DataFrame, source: Source, contract: Contract) -> pl.DataFrame:
    reasons = refused.select("_record", "rule", "column", "value", pl.col("rule").alias("reason"), key_of(contract))
    return reasons.join(places, on="_record", how="left").select(*_origin(source, contract), *PLACE, *REASON)


def key_of(contract: Contract) -> pl.Expr:
    """Return the key of refused rows that others may have to wait for; of no others."""
    return key_text(contract.key) if contract.deliver else pl.lit(None, pl.String).alias(KEY)


def _origin(source: Source, contract: Contract) -> list[pl.Expr]:
    of = {"file": source.file, "batch": source.batch, "contract": contract.version}
    return [pl.lit(value).alias(name) for name, value in of.items()]
