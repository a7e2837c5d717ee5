"""What each engine makes of a file: rows of silver, refused rows and counts, in one order."""

import itertools
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from pyspark.sql import SparkSession

from common.contracts.contract import Contract
from common.core.assets import Zone
from common.core.errors import UnreadableFile
from common.core.nouns import Batch
from common.core.places import BronzeFile
from common.refine.inspect import inspect_file
from common.refine.source import Source, fetch
from common.refine.spark.columns import ROW
from common.refine.spark.exchange import Exchange, SharedDisk, staged
from common.refine.spark.gather import gathered
from common.refine.spark.judge import Looks, judge
from common.refine.spool import Spool, refine
from common.zones.store import ZoneStore
from tests.spark.pairs import Pair


@dataclass(frozen=True)
class Side:
    """What an engine has made of a file."""

    good: pl.DataFrame
    refused: pl.DataFrame
    read: int
    sure: int = 0  # rows that Spark needed no second look at
    fault: str = ""


def of_spool(spool: Spool, sure: int = 0) -> Side:
    """Return what a spool holds."""
    good, refused = spool.good.scan().collect(), spool.refused.scan().collect()
    return Side(good.sort("_file", "_record"), refused.sort("file", "record"), spool.read, sure)


class Files:
    """Files on local disk, in place of those in bronze."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._numbers = folder, itertools.count()

    def add(self, pair: Pair) -> Batch:
        """Keep a file; raises UnreadableFile as landing does."""
        number = next(self._numbers)
        path = self.folder / f"{number}"
        path.write_bytes(pair.content)
        shape = inspect_file(path, pair.name, pair.contract)
        place = BronzeFile(
            path.name,
            "e",
            len(pair.content),
            pair.name,
            pair.name,
            "2026-01-01T00:00:00+00:00",
            shape,
            1_000_000 + number,
        )
        return Batch(f"b{number}", "shop.o.bronze", place=place)

    def fetch(self, contract: Contract, batch: Batch, folder: Path) -> Source:
        """Return a file as if it had been fetched."""
        file = batch.bronze
        assert file.shape is not None
        return Source(self.folder / file.key, file.shape, file.key, batch.id, file.arrived, file.raw)

    def exchange(self, batches: Sequence[Batch], folder: Path) -> AbstractContextManager[Exchange]:
        """Return where executors leave what they find."""
        return nullcontext(SharedDisk(folder))


class InStore(Files):
    """Files in bronze, where executors of other processes find them."""

    def add(self, pair: Pair) -> Batch:
        """Put a file into the store, too."""
        batch = super().add(pair)
        file = batch.bronze
        stored = ZoneStore(Zone.BRONZE).upload(self.folder / file.key, f"{self.folder.name}/{file.key}")
        return replace(batch, place=replace(file, key=stored.key, etag=stored.etag))

    def fetch(self, contract: Contract, batch: Batch, folder: Path) -> Source:
        """Fetch a file as executors do."""
        return fetch(contract, batch, folder)

    def exchange(self, batches: Sequence[Batch], folder: Path) -> AbstractContextManager[Exchange]:
        """Return a place in the store that is nobody else's."""
        return staged(f"golden/{batches[0].id}")


def here(contract: Contract, batches: Sequence[Batch], files: Files) -> Side:
    """Refine files on this machine."""
    with TemporaryDirectory() as folder:
        spool = Spool(Path(folder), contract)
        try:
            for batch in batches:
                refine(files.fetch(contract, batch, Path(folder)), spool)
        except UnreadableFile as error:
            return Side(pl.DataFrame(), pl.DataFrame(), 0, fault=error.reason)
        return of_spool(spool)


def on_spark(contract: Contract, batches: Sequence[Batch], files: Files, spark: SparkSession) -> Side:
    """Refine files on Spark."""
    with TemporaryDirectory() as folder:
        spool = Spool(Path(folder), contract)
        sources = [files.fetch(contract, batch, Path(folder)) for batch in batches]
        shapes = [source.shape for source in sources]
        try:
            with files.exchange(batches, spool.folder) as exchange:
                found = judge(Looks(spark, contract, exchange), batches, shapes, spool.folder)
        except UnreadableFile as error:
            return Side(pl.DataFrame(), pl.DataFrame(), 0, fault=error.reason)
        gathered(found, sources, spool)
        return of_spool(spool, found.of(ROW).filter(pl.col("sure")).select(pl.len()).collect().item())
