"""A Spark Connect server of Apache Spark for tests, which can be killed and started again."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from devstack import spark
from devstack.environment import for_children
from devstack.ports import HOST
from devstack.processes import Launch, end_family, start
from tests.standins import free_port

STARTED = "Spark Connect server started"
# Code that runs a few times is not worth much compiling.
SHORT_LIVED = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
LONGEST = 120.0  # seconds for a start, on a machine that has much else to do


class Server:
    """The driver of an Apache Spark, and its executors on two cores of this machine."""

    def __init__(self, stack: Mapping[str, str], folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"sc://{HOST}:{self.port}"
        self._family, self._starts = f"{folder}:", 0
        self._env = spark.environment(
            for_children({name: value for name, value in stack.items() if name.startswith("AWS_")})
            | {"JDK_JAVA_OPTIONS": SHORT_LIVED}
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._starts += 1
        log, command = self.folder / f"{self._starts}.log", spark.server("local[2]", self.port)
        self._process = process = start(Launch(self._family, command, self._env, log, self.folder))
        deadline = time.monotonic() + LONGEST
        while STARTED not in log.read_text(errors="replace"):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text(errors="replace")[-4000:]
            time.sleep(0.1)

    def kill(self) -> None:
        """Kill driver and executors at once."""
        end_family(self._family)
        self._process.wait()
