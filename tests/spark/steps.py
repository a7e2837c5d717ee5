"""Steps of jobs that wait or kill; they travel to executors as code, for those know no tests."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Held:
    """Tells what a step has found only once a test has opened the gate; the folder names the processes that wait."""

    step: Any
    gate: Path

    def __call__(self, items: Iterator[Any]) -> Iterator[Any]:
        for found in self.step(items):
            (self.gate / str(os.getpid())).touch()
            while not (self.gate / "open").exists():
                time.sleep(0.02)
            yield found


@dataclass(frozen=True)
class Deadly:
    """Kills the process that a step runs in, or an ancestor of it, each time that it is tried."""

    step: Any
    generations: int

    def __call__(self, items: Iterator[Any]) -> Iterator[Any]:
        pid = os.getpid()
        for _ in range(self.generations):
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(pid, signal.SIGKILL)
        yield from self.step(items)
