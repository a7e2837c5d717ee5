"""The two Spark jobs of a task: read and type all files; judge again the rows in doubt, and find their places."""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from common.contracts.contract import Contract
from common.core import errors
from common.core.errors import DataError, EngineFailed, MachineUnavailable, UnreadableFile, WatershedError
from common.core.nouns import Batch
from common.core.shape import Shape
from common.observe.log import logger
from common.refine.spark.columns import FAULT, ROW, routed, value
from common.refine.spark.reader import Reader, SecondLook
from common.refine.spark.typed import typed

log = logger(__name__)

NOTHING = {
    "kind": pl.Int32,
    "batch": pl.String,
    "record": pl.Int64,
    "text": pl.Binary,
    "rule": pl.String,
    "sure": pl.Boolean,
}
PLACES = ("kind", "batch", "record", "line", "offset", "text", "rule")


@dataclass(frozen=True)
class Judged:
    """What executors have found, as folders of Parquet files: the first look at all records, the second at some."""

    first: Path
    second: Path | None = None

    @property
    def files(self) -> list[Path]:
        """The files of both looks."""
        return [path for look in (self.first, self.second) if look for path in sorted(look.glob("*.parquet"))]

    def of(self, kind: int) -> pl.LazyFrame:
        """Return the rows of one kind, without values."""
        looks = [pl.scan_parquet(path) for path in self.files]
        return pl.concat([pl.LazyFrame(schema=NOTHING), *looks], how="diagonal").filter(pl.col("kind") == kind)


def judge(
    spark: SparkSession, contract: Contract, batches: Sequence[Batch], shapes: Sequence[Shape], folder: Path
) -> Judged:
    """Read and judge files, by way of a folder that executors share with this process.

    Raises UnreadableFile, QualityError, StoreUnavailable, EngineFailed.
    """
    first, second = folder / "first", folder / "second"
    with _translated():
        write(look(spark, contract, batches, shapes), first)
    require_read(Judged(first))
    in_doubt = Judged(first).of(ROW).filter(~pl.col("sure")).select(pl.len()).collect().item()
    if not in_doubt:
        return Judged(first)
    with _translated():
        write(look_again(spark.read.parquet(f"file://{first}"), contract, batches), second)
    require_read(Judged(second))
    return Judged(first, second)


def look(spark: SparkSession, contract: Contract, batches: Sequence[Batch], shapes: Sequence[Shape]) -> DataFrame:
    """Return the records of files with the values of all columns, and whether each row is surely good."""
    names = frozenset(one.column for one in routed(contract, shapes))
    reader = Reader(contract, tuple(batches), names)
    numbers = spark.createDataFrame([(number,) for number in range(len(batches))], "number int")
    rows = typed(numbers.repartition(max(len(batches), 1)).mapInArrow(reader, reader.schema), contract, names)
    return rows.select(*PLACES, "sure", *(value(number) for number in range(len(contract.columns))))


def look_again(rows: DataFrame, contract: Contract, batches: Sequence[Batch]) -> DataFrame:
    """Return the rows in doubt as good rows, or as refused ones with reason and place."""
    again = SecondLook(contract, tuple(batches))
    doubtful = rows.where(f"kind = {ROW} AND NOT sure").select("batch", "record")
    # PySpark counts arguments, and a method has one more
    return doubtful.groupBy("batch").applyInArrow(lambda table: again(table), again.schema)


def write(rows: DataFrame, to: Path) -> None:
    """Write rows as Parquet files of a folder."""
    rows.write.parquet(f"file://{to}")


@contextmanager
def _translated() -> Iterator[None]:
    """Translate what Spark itself fails with; raises MachineUnavailable where a disk is full, else EngineFailed.

    Its text may hold values of the data, which only the log may.
    """
    try:
        yield
    except PySparkException as error:
        log.exception("Spark failed")
        if os.strerror(errno.ENOSPC) in str(error):
            raise MachineUnavailable(f"Spark: {os.strerror(errno.ENOSPC)}.") from error
        raise EngineFailed(f"Spark failed: {type(error).__name__}. The task's log has all of it.") from error


def require_read(found: Judged) -> None:
    """Raise again what executors met where they could not read a file, naming its batch."""
    faults = found.of(FAULT).select("batch", "text", "rule").collect()
    for batch, text, word in faults.iter_rows():
        name, _, reason = word.partition(":")
        kind: Callable[[str], WatershedError] = getattr(errors, name, EngineFailed)
        fault = UnreadableFile(reason, text.decode()) if reason else kind(text.decode())
        if isinstance(fault, DataError):
            fault.batches = (batch,)
        raise fault
