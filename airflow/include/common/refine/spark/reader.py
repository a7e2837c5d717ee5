"""What executors run: the reader of one machine over a file of a task, and the second look at rows in doubt."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import polars as pl
import pyarrow as pa

from common.contracts.contract import Contract
from common.core.nouns import Batch
from common.core.scratch import scratch
from common.formats import Chunk
from common.formats.names import RECORD
from common.quality.checks import column_checks, contract_checks, path_checks
from common.quality.split import apply
from common.refine.clean import clean, cleaned, inputs
from common.refine.markers import with_marker, with_versions
from common.refine.source import Source, chunks, fetch
from common.refine.spark.arrow import to_arrow
from common.refine.spark.columns import (
    FAULT,
    PLACES,
    REASONS,
    REFUSED,
    ROW,
    TALLY,
    carried,
    given,
    physical,
    sure,
    value,
)
from common.refine.spark.exchange import Exchange
from common.refine.spark.faults import known, word
from common.refine.spool import key_of

WHY = ("rule", "column", "value", "key")  # what is told of a refused row


@dataclass(frozen=True)
class Reader:
    """Reads the files of a task: texts of the columns that Spark types, values of those that are `routed` to it.

    A file that cannot be read gives one row that says why; else a tally of its records comes last.
    """

    contract: Contract
    batches: tuple[Batch, ...]
    routed: frozenset[str]

    @property
    def schema(self) -> str:
        """The columns of what is read, in Spark's words."""
        columns: list[tuple[str, str]] = []
        for number, column in enumerate(self.contract.columns):
            kinds = ((value(number), physical(column)), (sure(number), "boolean"))
            columns += kinds if column.name in self.routed else [(given(number), "string")]
        return ", ".join([PLACES, "rule string", *(f"{name} {kind}" for name, kind in columns)])

    def __call__(self, items: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in _chosen(items, self.batches):
            yield from _safely(partial(self._read, batch), batch, self.schema)

    def _read(self, batch: Batch) -> Iterator[pl.DataFrame]:
        records = 0
        with _fetched(self.contract, batch) as source:
            for chunk in chunks(source):
                records += chunk.frame.height + chunk.malformed.height
                yield _malformed(chunk, batch)
                yield self._rows(chunk.frame, source)
        yield pl.DataFrame({"kind": [TALLY], "batch": [batch.id], "record": [records]})

    def _rows(self, frame: pl.DataFrame, source: Source) -> pl.DataFrame:
        found = inputs(frame.schema, self.contract, source.shape)
        columns = [column for column in self.contract.columns if column.name in self.routed]
        made = cleaned(frame, found, columns)
        names = {column.name: number for number, column in enumerate(self.contract.columns)}
        rows: list[pl.Expr | pl.Series] = [pl.lit(ROW).alias("kind"), pl.lit(source.batch).alias("batch")]
        for column in columns:
            told = [check for check in path_checks(self.contract, source.raw) if check.column == column.name]
            good = pl.all_horizontal(check.good for check in (*column_checks(column), *told))
            number = names[column.name]
            rows += [carried(column).alias(value(number)), good.alias(sure(number))]
        texts = frame.select(  # with the record, or a file without any of the columns would have one row
            RECORD,
            *(
                found[name][0].cast(pl.String).alias(given(number))
                for name, number in names.items()
                if name not in self.routed
            ),
        ).drop(RECORD)
        return made.select(pl.col(RECORD).alias("record"), *rows).hstack(texts)


@dataclass(frozen=True)
class SecondLook:
    """Judges the records that Spark was in doubt about, as one machine does, and finds their places.

    `found` names, for each batch that has such records, the files which the first look at it has written.
    """

    contract: Contract
    batches: tuple[Batch, ...]
    found: Mapping[str, tuple[str, ...]]
    exchange: Exchange

    @property
    def schema(self) -> str:
        """The columns of what is judged, in Spark's words."""
        values = [f"{value(number)} {physical(column)}" for number, column in enumerate(self.contract.columns)]
        return ", ".join([PLACES, REASONS, *values])

    def __call__(self, items: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in _chosen(items, self.batches):
            yield from _safely(partial(self._judge, batch), batch, self.schema)

    def _judge(self, batch: Batch) -> Iterator[pl.DataFrame]:
        wanted = self._wanted(batch)
        with _fetched(self.contract, batch) as source:
            told = path_checks(self.contract, source.raw)
            checks = with_versions([*contract_checks(self.contract), *told], self.contract)
            for chunk in chunks(source):
                rows = chunk.frame.filter(pl.col(RECORD).is_in(wanted.implode()))
                if not rows.height:
                    continue
                split = apply(with_marker(clean(rows, self.contract, source.shape), self.contract), checks)
                yield self._good(split.good, batch)
                if split.refused.height:
                    yield _refused(split.refused.with_columns(key_of(self.contract)), chunk, batch)

    def _wanted(self, batch: Batch) -> pl.Series:
        """Return the records in doubt, from what the first look has written about the file."""
        with scratch() as folder:
            files = [self.exchange.get(name, folder) for name in self.found[batch.id]]
            doubtful = pl.scan_parquet(files).filter((pl.col("kind") == ROW) & ~pl.col("sure"))
            return doubtful.select("record").collect().to_series()

    def _good(self, rows: pl.DataFrame, batch: Batch) -> pl.DataFrame:
        values = [carried(column).alias(value(number)) for number, column in enumerate(self.contract.columns)]
        return rows.select(
            pl.lit(ROW).alias("kind"), pl.lit(batch.id).alias("batch"), pl.col(RECORD).alias("record"), *values
        )


def _refused(rows: pl.DataFrame, chunk: Chunk, batch: Batch) -> pl.DataFrame:
    places = chunk.locate(rows[RECORD].to_list())
    found = rows.select(RECORD, *WHY).join(places, on=RECORD, how="left")
    return _placed(found, batch).with_columns(found[name] for name in WHY)


def _malformed(chunk: Chunk, batch: Batch) -> pl.DataFrame:
    return _placed(chunk.malformed, batch).with_columns(chunk.malformed["reason"].alias("rule"))


def _placed(rows: pl.DataFrame, batch: Batch) -> pl.DataFrame:
    places = [pl.col(f"_{name}").alias(name) for name in ("record", "line", "offset", "text")]
    return rows.select(pl.lit(REFUSED).alias("kind"), pl.lit(batch.id).alias("batch"), *places)


def _safely(read: Callable[[], Iterator[pl.DataFrame]], batch: Batch, schema: str) -> Iterator[pa.RecordBatch]:
    """Yield what is read; an error becomes a row that says what it is."""
    try:
        yield from to_arrow(read(), schema)
    except BaseException as error:
        if (fault := known(error)) is None:
            raise
        row = {"kind": [FAULT], "batch": [batch.id], "text": [str(fault).encode()], "rule": [word(fault)]}
        yield from to_arrow(iter([pl.DataFrame(row)]), schema)


@contextmanager
def _fetched(contract: Contract, batch: Batch) -> Iterator[Source]:
    with scratch() as folder:
        yield fetch(contract, batch, folder)


def _chosen(items: Iterator[pa.RecordBatch], batches: tuple[Batch, ...]) -> Iterator[Batch]:
    for item in items:
        for number in item.column(0).to_pylist():
            yield batches[number]
