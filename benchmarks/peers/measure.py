"""How a contender is started in a process of its own, and what it says of itself at its end."""

import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
BENCH = REPOSITORY / "var" / "bench"
MEBIBYTE = 1 << 20


def finish(began: float, **facts: Any) -> None:
    """Print as the last line the time since `began` and since the process started, processor time and peak memory."""
    now, spent = time.time(), os.times()
    work, wall = time.perf_counter() - began, now - psutil.Process().create_time()
    cpu = time.process_time() + spent.children_user + spent.children_system
    print(json.dumps({"work": work, "wall": wall, "cpu": cpu, "peak": _peak(), **facts}), flush=True)


def _peak() -> int:
    """Read the peak of resident memory since this program was loaded (getrusage would include its parent's)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    kibibytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(kibibytes) * 1024


def contend(program: str, *arguments: str, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run a program of this folder to its end and give what it said, with its `anonymous` memory.

    Raises RuntimeError where it failed.
    """
    command = [sys.executable, str(Path(__file__).with_name(f"{program}.py")), *arguments]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, env=dict(env or os.environ), stdout=subprocess.PIPE, stderr=errors) as child,
        Anonymous(child.pid) as memory,
    ):
        said = child.communicate()[0]
        errors.seek(0)
        if child.returncode:
            last = errors.read()[-3000:].decode("utf-8", "replace")
            raise RuntimeError(f"{program} {' '.join(arguments)} ended with {child.returncode}:\n{last}")
    return {**json.loads(said.splitlines()[-1]), "anonymous": memory.peak}


def median(runs: Sequence[Mapping[str, Any]], name: str) -> float:
    """Give the median of one fact over the runs."""
    return float(statistics.median(run[name] for run in runs))


def machine() -> dict[str, Any]:
    """Tell on what this was measured."""
    return {
        "date": datetime.now(UTC).date().isoformat(),  # noqa: TID251 - a measurement has no clock to inject
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / (1 << 30)),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def save(name: str, found: Mapping[str, Any]) -> Path:
    """Leave the numbers below `var/bench`."""
    BENCH.mkdir(parents=True, exist_ok=True)
    path = BENCH / f"{name}.json"
    path.write_text(json.dumps(found, indent=2, default=str) + "\n", encoding="utf-8")
    return path


class Anonymous:
    """The most anonymous memory that a process and its children had at once, sampled for the length of a block."""

    def __init__(self, pid: int | None = None) -> None:
        self.peak, self._pid = 0, pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Anonymous":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            with contextlib.suppress(psutil.NoSuchProcess):  # ended meanwhile
                top = psutil.Process(self._pid)
                tree = [top, *top.children(recursive=True)]
                self.peak = max(self.peak, sum(_anonymous(process.pid) for process in tree))


def _anonymous(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:  # ended meanwhile
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0) * 1024
