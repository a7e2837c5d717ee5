"""What each engine makes of a file: rows of silver, refused rows and counts, in one order."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from common.contracts.contract import Contract
from common.core.errors import UnreadableFile
from common.core.nouns import Batch
from common.core.places import BronzeFile
from common.refine.inspect import inspect_file
from common.refine.source import Source
from common.refine.spark.columns import ROW
from common.refine.spark.gather import gathered
from common.refine.spark.judge import judge
from common.refine.spark.session import session
from common.refine.spool import Spool, refine
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
        self.folder = folder

    def add(self, pair: Pair) -> Batch:
        """Keep a file; raises UnreadableFile as landing does."""
        number = len(list(self.folder.iterdir()))
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


def on_spark(contract: Contract, batches: Sequence[Batch], files: Files) -> Side:
    """Refine files on Spark, which runs in this process."""
    with TemporaryDirectory() as folder:
        spool = Spool(Path(folder), contract)
        sources = [files.fetch(contract, batch, Path(folder)) for batch in batches]
        try:
            found = judge(session(), contract, batches, [source.shape for source in sources], spool.folder)
        except UnreadableFile as error:
            return Side(pl.DataFrame(), pl.DataFrame(), 0, fault=error.reason)
        gathered(found, sources, spool)
        return of_spool(spool, found.of(ROW).filter(pl.col("sure")).select(pl.len()).collect().item())
