"""The Spark that a process talks to, by the protocol of Spark Connect: a server, or Sail inside the process itself."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from common.core.caches import per_process
from common.core.errors import ConfigError
from common.core.settings import settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# 20 seconds, for a network that hiccups; Airflow waits for a driver that has to be started anew.
TRIES = 5


@dataclass(frozen=True)
class _Sail:
    server: Any
    spark: "SparkSession"

    def stop(self) -> None:
        """End session and server; both end with the process, too, however that ends."""
        from pyspark.errors import PySparkException

        with suppress(PySparkException):
            self.spark.stop()
        self.server.stop()


def _start() -> _Sail:
    """Start Sail on a free port of this machine; raises ConfigError where its packages are not installed."""
    with _installed():
        from pysail.spark import SparkConnectServer
    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    _, port = server.listening_address
    return _Sail(server, _connected(f"sc://127.0.0.1:{port}"))


_sail = per_process(_start, on_forget=_Sail.stop)


@contextmanager
def session() -> Iterator["SparkSession"]:
    """Give a session for a block: of the server that the settings name, whose jobs end with it, else of this process.

    Executors in this process share memory, disk and settings with it. Raises ConfigError.
    """
    if not (url := settings().spark_url):
        yield _sail().spark
        return
    with _installed():
        from common.refine.spark.faults import translated
    with translated():
        spark = _connected(url)
    try:
        yield spark
    finally:
        spark.client.set_retry_policies([])  # a server that is gone has nothing to end
        spark.stop()  # what it cannot tell the server any more is logged


def _connected(url: str) -> "SparkSession":
    warnings.filterwarnings("ignore", r"\[RETRIES_EXCEEDED\]", UserWarning)  # an error says so, too
    # of a library that PySpark loads and nobody here uses
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    with _installed():
        from pyspark.sql.connect.client.retries import DefaultPolicy
        from pyspark.sql.connect.session import SparkSession as Connected  # never a classic one, which is of a JVM
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"  # functions of columns ask for it
    spark = Connected(url)  # its builder asks the server at once, with many more tries
    spark.client.set_retry_policies([DefaultPolicy(max_retries=TRIES)])
    return cast("SparkSession", spark)


@contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise ConfigError(
            f"Something is to be refined on Spark, and its packages are not installed ({error}). In a checkout run "
            "`make spark`, elsewhere install requirements-spark.lock; or say `engine: polars`."
        ) from error
