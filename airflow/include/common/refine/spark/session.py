"""The Spark that a process talks to: Sail, inside the process itself, by the protocol of Spark Connect."""

import os
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from common.core.caches import per_process
from common.core.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class _Running:
    server: Any
    spark: "SparkSession"

    def stop(self) -> None:
        """End session and server; both end with the process, too, however that ends."""
        from pyspark.errors import PySparkException

        with suppress(PySparkException):
            self.spark.stop()
        self.server.stop()


def _start() -> _Running:
    """Start Sail on a free port of this machine; raises ConfigError where its packages are not installed."""
    # of a library that PySpark loads and nobody here uses
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    try:
        from pysail.spark import SparkConnectServer
        from pyspark.sql.connect.session import SparkSession as Connected  # never a classic one, which is of a JVM
    except ImportError as error:
        raise ConfigError(
            f"Something is to be refined on Spark, and its packages are not installed ({error}). In a checkout run "
            "`make spark`, elsewhere install requirements-spark.lock; or say `engine: polars`."
        ) from error
    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    _, port = server.listening_address
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"  # functions of columns ask for it
    return _Running(server, cast("SparkSession", Connected.builder.remote(f"sc://127.0.0.1:{port}").create()))


_running = per_process(_start, on_forget=_Running.stop)


def session() -> "SparkSession":
    """Return the session of this process, which executors share memory and settings with; raises ConfigError."""
    return _running().spark
