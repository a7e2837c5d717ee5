"""The two Spark jobs of a task: read and type all files; judge again the rows in doubt, and find their places."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from common.contracts.contract import Contract
from common.core.nouns import Batch
from common.core.shape import Shape
from common.refine.spark.columns import FAULT, PLACES, physical, routed, value
from common.refine.spark.exchange import Exchange, SharedDisk
from common.refine.spark.faults import rebuilt, translated
from common.refine.spark.patience import patience
from common.refine.spark.reader import Reader, SecondLook
from common.refine.spark.shipping import Step, shipped
from common.refine.spark.typed import typed
from common.refine.spark.writer import REPORT, Writer

NOTHING = {
    "kind": pl.Int32,
    "batch": pl.String,
    "record": pl.Int64,
    "text": pl.Binary,
    "rule": pl.String,
    "sure": pl.Boolean,
}


@dataclass(frozen=True)
class Judged:
    """What executors have found, as Parquet files on local disk: of a first look at all records, a second at some."""

    files: tuple[Path, ...]

    def of(self, kind: int) -> pl.LazyFrame:
        """Return the rows of one kind, without values."""
        looks = [pl.scan_parquet(path) for path in self.files]
        return pl.concat([pl.LazyFrame(schema=NOTHING), *looks], how="diagonal").filter(pl.col("kind") == kind)


@dataclass(frozen=True)
class Report:
    """What a file holds that an executor has written."""

    batch: str
    file: str
    in_doubt: int


@dataclass(frozen=True)
class Looks:
    """The jobs on a Spark by which its executors look at the files of batches."""

    spark: SparkSession
    contract: Contract
    exchange: Exchange

    def first(self, batches: Sequence[Batch], shapes: Sequence[Shape]) -> list[Report]:
        """Find the values of all columns, and whether each row is surely good."""
        names = frozenset(one.column for one in routed(self.contract, shapes))
        reader = Reader(self.contract, tuple(batches), names)
        read = self._numbers(batches).mapInArrow(self._step(reader), reader.schema)
        values = [f"{value(number)} {kind}" for number, kind in enumerate(map(physical, self.contract.columns))]
        writer = Writer(", ".join([PLACES, "rule string", "sure boolean", *values]), self.exchange)
        rows = typed(read, self.contract, names).select(*writer.columns.names)
        return self._reports(rows.mapInArrow(self._step(writer), REPORT))

    def again(self, batches: Sequence[Batch], found: Mapping[str, tuple[str, ...]]) -> list[Report]:
        """Find for the rows in doubt that they are good rows, or refused ones with reason and place."""
        chosen = tuple(batch for batch in batches if batch.id in found)
        second = SecondLook(self.contract, chosen, found, self.exchange)
        judged = _Chain(second, Writer(second.schema, self.exchange))
        return self._reports(self._numbers(chosen).mapInArrow(self._step(judged), REPORT))

    def _reports(self, rows: DataFrame) -> list[Report]:
        """Run a job; raises what its executors met where they could not write."""
        with nullcontext() if self._here else patience(self.spark):
            told = rows.collect()
        for row in told:
            if row["fault"]:
                raise rebuilt(row["fault"], row["text"], row["batch"])
        return [Report(row["batch"], row["file"], row["in_doubt"]) for row in told]

    def _numbers(self, batches: Sequence[Batch]) -> DataFrame:
        """Return the places of batches in their sequence, each in a task of its own; nothing is shuffled."""
        return self.spark.range(0, len(batches), 1, max(len(batches), 1)).toDF("number")

    @property
    def _here(self) -> bool:
        """Whether executors are threads of this process: then they share a disk with it."""
        return isinstance(self.exchange, SharedDisk)

    def _step(self, step: Step) -> Step:
        # PySpark counts arguments, and an object that is called has one more
        return (lambda items: step(items)) if self._here else shipped(step)


@dataclass(frozen=True)
class _Chain:
    first: Step
    then: Step

    def __call__(self, items: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return self.then(self.first(items))


def judge(looks: Looks, batches: Sequence[Batch], shapes: Sequence[Shape], folder: Path) -> Judged:
    """Read and judge files, and fetch what was found into a folder.

    Raises UnreadableFile, QualityError, StoreUnavailable, EngineUnavailable, EngineFailed.
    """
    with translated():  # a plan asks the server, too
        first = looks.first(batches, shapes)
    judged = _fetched(first, looks.exchange, folder)
    require_read(judged)
    in_doubt = [report for report in first if report.in_doubt]
    if not in_doubt:
        return judged
    names = {batch: tuple(one.file for one in in_doubt if one.batch == batch) for batch in {r.batch for r in in_doubt}}
    with translated():
        again = looks.again(batches, names)
    second = _fetched(again, looks.exchange, folder)
    require_read(second)
    return Judged((*judged.files, *second.files))


def _fetched(reports: Sequence[Report], exchange: Exchange, folder: Path) -> Judged:
    return Judged(tuple(exchange.get(report.file, folder) for report in reports))


def require_read(found: Judged) -> None:
    """Raise again what executors met where they could not read a file, naming its batch."""
    for batch, text, word in found.of(FAULT).select("batch", "text", "rule").collect().iter_rows():
        raise rebuilt(word, text.decode(), batch)
