"""Refining on Spark: executors read and type the files of a task, and judge what is in doubt as one machine does."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from common.contracts.contract import Contract
from common.core.nouns import Batch
from common.core.scratch import scratch
from common.core.settings import settings
from common.observe.verbs import verb
from common.refine.engine import Task
from common.refine.local import Spooled
from common.refine.source import Source, described, fetch
from common.refine.spark.exchange import Exchange, SharedDisk, staged
from common.refine.spark.gather import gathered
from common.refine.spark.judge import Looks, judge
from common.refine.spark.session import session
from common.refine.spool import Spool


class OnSpark:
    """The engine for files that many executors are to read at once."""

    @contextmanager
    def read(self, task: Task) -> Iterator[Spooled]:
        """Read the files of a task, one file by one executor at a time; what they find is gathered in a folder."""
        with scratch() as folder:
            spool = Spool(folder, task.contract)
            with verb(task.kind, "refine", task.batches):
                sources = [_source(task.contract, batch, spool.folder) for batch in task.batches]
                shapes = [source.shape for source in sources]
                with _exchange(task, folder) as exchange, session() as spark:
                    found = judge(Looks(spark, task.contract, exchange), task.batches, shapes, folder)
                refined = gathered(found, sources, spool)
            yield Spooled(task, spool, refined)


def _exchange(task: Task, folder: Path) -> AbstractContextManager[Exchange]:
    if settings().spark_url:
        return staged(f"{task.consumer}/{task.under}")
    return nullcontext(SharedDisk(folder))


def _source(contract: Contract, batch: Batch, folder: Path) -> Source:
    """Return what is known of a file; it is looked at only where no shape of it is recorded, or an early one."""
    shape = batch.bronze.shape
    if shape is not None and not (shape.format == "ndjson" and shape.absent):
        return described(batch, shape, folder)
    source = fetch(contract, batch, folder)
    source.path.unlink()
    return source
