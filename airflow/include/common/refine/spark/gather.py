"""What executors have found, gathered into the spool of the hop: rows of silver, and refused rows with their places."""

from collections.abc import Iterator, Sequence

import polars as pl
import pyarrow.parquet as pq

from common.contracts.contract import ARRIVAL_COLUMN, FILE_COLUMN, RECORD_COLUMN, Contract
from common.core.errors import ConservationError
from common.lake.schema import silver_schema, silver_type
from common.refine.clean import add_partition
from common.refine.markers import with_marker
from common.refine.rows import TOGETHER
from common.refine.source import Source
from common.refine.spark.columns import REFUSED, ROW, TALLY, value
from common.refine.spark.judge import Judged
from common.refine.spool import REFUSED_SCHEMA, Refined, Spool


def gathered(found: Judged, sources: Sequence[Source], spool: Spool) -> list[Refined]:
    """Put what was found into the spool, and return what there was in each file.

    Raises ConservationError where a file was read otherwise than once.
    """
    refined = {source.batch: Refined(source) for source in sources}
    tallies = found.of(TALLY).select("batch", "record").collect()
    if sorted(tallies["batch"]) != sorted(refined):
        raise ConservationError(
            f"Spark tells of {tallies.height} readings of {len(refined)} files. Nothing was published."
        )
    spool.read += int(tallies["record"].sum())
    for rows in _frames(found):
        good = rows.filter((pl.col("kind") == ROW) & pl.col("sure").fill_null(value=True))
        refused = rows.filter(pl.col("kind") == REFUSED)
        silver = in_silver(good, spool.contract, sources)
        spool.good.add(silver)
        spool.refused.add(in_quarantine(refused, spool.contract, sources))
        _count(good.select("batch").hstack(silver), refused, spool.contract, refined)
    return [refined[source.batch] for source in sources]


def _frames(found: Judged) -> Iterator[pl.DataFrame]:
    """Read the rows of both looks, some at a time; what one look does not tell is null."""
    kinds = {"sure": pl.Boolean, "column": pl.String, "value": pl.String, "key": pl.String}
    lacking = [pl.lit(None, kind).alias(name) for name, kind in kinds.items()]
    for path in found.files:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(TOGETHER):
                rows = pl.DataFrame(pl.from_arrow(batch))
                yield rows.with_columns(one for one in lacking if one.meta.output_name() not in rows.columns)


def in_silver(rows: pl.DataFrame, contract: Contract, sources: Sequence[Source]) -> pl.DataFrame:
    """Return good rows as they are in silver."""
    values = [
        pl.col(value(number)).cast(silver_type(column)).alias(column.name)
        for number, column in enumerate(contract.columns)
    ]
    arrivals = {source.batch: source.arrival for source in sources}
    typed = rows.select(
        *values,
        _by_batch({source.batch: source.file for source in sources}, pl.String()).alias(FILE_COLUMN),
        pl.col("record").alias(RECORD_COLUMN),
        _by_batch(arrivals, pl.Int64()).cast(pl.Datetime("us", "UTC")).alias(ARRIVAL_COLUMN),
    )
    return add_partition(with_marker(typed, contract), contract).select(list(silver_schema(contract)))


def in_quarantine(rows: pl.DataFrame, contract: Contract, sources: Sequence[Source]) -> pl.DataFrame:
    """Return refused rows as quarantine has them: those of malformed lines have no column."""
    malformed = pl.col("column").is_null()
    return rows.select(
        _by_batch({source.batch: source.file for source in sources}, pl.String()).alias("file"),
        "batch", "record", "line", "offset", "text", pl.col("rule").alias("reason"),
        pl.when(malformed).then(pl.lit("malformed")).otherwise("rule").alias("rule"), "column", "value", "key",
        pl.lit(contract.version).alias("contract"),
    ).select(pl.col(name).cast(kind) for name, kind in REFUSED_SCHEMA.items())  # fmt: skip


def _by_batch(values: dict[str, str] | dict[str, int], kind: pl.DataType) -> pl.Expr:
    return pl.col("batch").replace_strict(list(values), list(values.values()), return_dtype=kind)


def _count(good: pl.DataFrame, refused: pl.DataFrame, contract: Contract, refined: dict[str, Refined]) -> None:
    """Add to what is known of each file."""
    age = contract.batch.age_column
    for batch, count in refused.group_by("batch").len().iter_rows():
        was = refined[batch]
        refined[batch] = Refined(was.source, was.good, was.refused + count, was.newest)
    newest = pl.col(age).max() if age else pl.lit(None)
    for batch, count, latest in good.group_by("batch").agg(pl.len(), newest.alias("__newest__")).iter_rows():
        was = refined[batch]
        known = max(filter(None, (was.newest, latest)), default=None)
        refined[batch] = Refined(was.source, was.good + count, was.refused, known)
