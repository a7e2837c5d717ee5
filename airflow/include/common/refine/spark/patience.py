"""How long a job may wait for executors: a cluster that has none would let it wait for ever."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.connect.shell.progress import ProgressHandler, StageInfo

from common.core.errors import EngineUnavailable
from common.core.settings import settings

LOOK = 1.0


class _Progress(ProgressHandler):
    """What a server tells of a job every few seconds, also where nothing has changed."""

    def __init__(self) -> None:
        self._alive, self._running, self._finished = time.monotonic(), 0, 0

    def __call__(
        self,
        stages: Iterable[StageInfo] | None,
        inflight_tasks: int,
        operation_id: str | None,  # noqa: ARG002
        done: bool,  # noqa: ARG002, FBT001
    ) -> None:
        finished = sum(stage.num_completed_tasks for stage in stages or ())
        if inflight_tasks or finished != self._finished:
            self._alive = time.monotonic()
        self._running, self._finished = inflight_tasks, finished

    @property
    def idle(self) -> float:
        """For how many seconds no task has run."""
        return 0.0 if self._running else time.monotonic() - self._alive


@contextmanager
def patience(spark: SparkSession) -> Iterator[None]:
    """End a job of the block once a server has run no task of it for as long as settings allow.

    Raises EngineUnavailable.
    """
    longest, over, ended, progress = settings().spark_wait_seconds, threading.Event(), threading.Event(), _Progress()

    def watch() -> None:
        while not over.wait(LOOK):
            if progress.idle > longest:
                ended.set()
                with suppress(PySparkException):  # a server that is gone has nothing to end
                    spark.interruptAll()
                return

    thread = threading.Thread(target=watch, name="patience with Spark", daemon=True)
    spark.registerProgressHandler(progress)
    thread.start()
    try:
        yield
    except PySparkException as error:
        if not ended.is_set():
            raise
        raise EngineUnavailable(
            f"Spark has run nothing of the hop's job for {longest} seconds (WATERSHED_SPARK_WAIT_SECONDS). Nothing was "
            "published. See whether workers of the cluster are up, and have cores that no other job holds; the hop is "
            "tried again."
        ) from error
    finally:
        over.set()
        thread.join()
        spark.removeProgressHandler(progress)
