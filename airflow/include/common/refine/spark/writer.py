"""What executors write: the rows that they have found, as Parquet files of one batch each, and a report of each file.

Spark gives the worker the reports of those tries of its tasks that count. What a killed or a second try has written is
in no report, so nobody reads it: no file has to be renamed or removed, and Spark itself needs no way to the store.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from common.core.scratch import scratch
from common.refine.spark.arrow import arrow_schema, to_arrow
from common.refine.spark.columns import ROW
from common.refine.spark.exchange import Exchange
from common.refine.spark.faults import known, word

REPORT = "batch string, file string, in_doubt bigint, fault string, text string"


@dataclass
class _Open:
    file: pq.ParquetWriter
    path: Path
    in_doubt: int = 0


@dataclass(frozen=True)
class Writer:
    """Writes the rows of a task; where it cannot, the report says why."""

    schema: str
    exchange: Exchange
    columns: pa.Schema = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", arrow_schema(self.schema))

    def __call__(self, items: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        batch = ""
        try:
            with scratch() as folder:
                files: dict[str, _Open] = {}
                for batch, rows in _by_batch(items):
                    if batch not in files:
                        path = folder / f"{len(files)}.parquet"
                        files[batch] = _Open(pq.ParquetWriter(path, self.columns), path)
                    files[batch].in_doubt += self._write(files[batch].file, rows)
                for batch, done in files.items():
                    done.file.close()
                    name = self.exchange.put(done.path)
                    yield from _report(batch=batch, file=name, in_doubt=done.in_doubt)
        except BaseException as error:
            if (fault := known(error)) is None:
                raise
            yield from _report(batch=batch, fault=word(fault), text=str(fault))

    def _write(self, file: pq.ParquetWriter, rows: pa.RecordBatch) -> int:
        """Write rows, and return how many of them are in doubt."""
        file.write_batch(rows.select(self.columns.names).cast(self.columns))
        if "sure" not in self.columns.names:
            return 0
        return int(pc.sum(pc.and_(pc.equal(rows["kind"], ROW), pc.invert(rows["sure"]))).as_py() or 0)


def _by_batch(items: Iterator[pa.RecordBatch]) -> Iterator[tuple[str, pa.RecordBatch]]:
    for item in items:
        for batch in pc.unique(item["batch"]).to_pylist():
            yield batch, item.filter(pc.equal(item["batch"], batch))


def _report(**values: str | int) -> Iterator[pa.RecordBatch]:
    return to_arrow(iter([pl.DataFrame([values])]), REPORT)
