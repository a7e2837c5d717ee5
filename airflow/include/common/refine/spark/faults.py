"""Errors of executors, which travel as data since Spark tells their text alone, and those of Spark itself."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import polars as pl
import pyarrow as pa
from pyspark.errors import PySparkException

from common.core import errors
from common.core.errors import (
    ConfigError,
    DataError,
    EngineFailed,
    EngineUnavailable,
    MachineUnavailable,
    UnreadableFile,
    WatershedError,
    is_panic,
)
from common.core.masks import without_values
from common.observe.log import logger

log = logger(__name__)

UNFIT = "This executor cannot refine for that worker:"
# What Spark says where the Python or the JVM of executors has died as often as it tries a task.
DEATHS = ("Python worker exited unexpectedly", "ExecutorLostFailure")


def known(error: BaseException) -> WatershedError | None:
    """Return what an executor met as an error of the tree; None for what nobody has foreseen."""
    if isinstance(error, WatershedError):
        return error
    if isinstance(error, OSError | MemoryError):
        return MachineUnavailable(f"This machine could not do it: {type(error).__name__} {error}.")
    if isinstance(error, pl.exceptions.PolarsError | pa.ArrowException) or is_panic(error):
        return EngineFailed(f"An executor's engine failed: {type(error).__name__}: {without_values(error)}.")
    return None


def word(error: WatershedError) -> str:
    """Name the class of an error, and its reason where a file is refused."""
    return f"{type(error).__name__}:{getattr(error, 'reason', '')}"


def rebuilt(name: str, text: str, batch: str) -> WatershedError:
    """Return the error of that word and text, which names its batch where a batch is at fault."""
    kind_name, _, reason = name.partition(":")
    kind: Callable[[str], WatershedError] = getattr(errors, kind_name, EngineFailed)
    fault = UnreadableFile(reason, text) if reason else kind(text)
    if isinstance(fault, DataError):
        fault.batches = (batch,)
    return fault


@contextmanager
def translated() -> Iterator[None]:
    """Translate what Spark itself fails with.

    Raises MachineUnavailable where a disk is full, EngineUnavailable where the driver or executors are gone,
    ConfigError where an executor has other code, else EngineFailed. Spark's text may hold values of the data, which
    only the log may.
    """
    try:
        yield
    except PySparkException as error:
        log.exception("Spark failed")
        text, kind = str(error), type(error).__name__
        if os.strerror(errno.ENOSPC) in text:
            raise MachineUnavailable(f"Spark: {os.strerror(errno.ENOSPC)}.") from error
        if UNFIT in text:
            raise ConfigError(UNFIT + text.split(UNFIT, 1)[1].splitlines()[0]) from error
        if _lost(error, text):
            raise EngineUnavailable(
                f"Spark does not answer, or its driver was started anew ({kind}). Nothing was published. See whether "
                "the server at WATERSHED_SPARK_URL runs; the hop is tried again."
            ) from error
        if any(death in text for death in DEATHS):
            raise EngineUnavailable(
                f"Spark lost the executors of a task as often as it tries one ({kind}). Nothing was published. See in "
                "the cluster's logs what ends them, such as a lack of memory; the hop is tried again."
            ) from error
        raise EngineFailed(f"Spark failed: {kind}. The task's log has all of it.") from error


def _lost(error: PySparkException, text: str) -> bool:
    """Return whether the driver ended, or is out of reach, so that the files are not to blame."""
    status = getattr(error, "_grpc_status_code", None)
    gone = ("INVALID_HANDLE.", "SparkContext was shut down", "stopped SparkContext")
    return getattr(status, "name", "") == "UNAVAILABLE" or any(word in text for word in gone)
