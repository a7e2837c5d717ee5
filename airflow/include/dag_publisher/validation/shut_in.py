"""Run the probe over files, shut in as far as this machine allows, and gather what it says."""

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dag_publisher.errors import Refused

HERE = Path(__file__).parent
NAMESPACES = ("unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "--ipc")
START_SECONDS = 180  # Airflow is loaded, on a machine that has much else to do


@dataclass(frozen=True)
class Reading:
    """What one reading of all files gave: a record for each, the Airflow in use, and how it was shut in."""

    files: dict[str, dict[str, Any]]
    airflow: str
    isolation: str


def read(contents: Mapping[str, bytes], preload: list[str], limit: float, seeds: tuple[int, ...]) -> list[Reading]:
    """Import files once for each seed of Python's hashes, side by side."""
    with tempfile.TemporaryDirectory(prefix="dag-publisher-") as folder:
        files = Path(folder, "files")
        files.mkdir()
        for name, content in contents.items():
            (files / name).write_bytes(content)
        started = [_Run(Path(folder), seed, files, list(contents), preload, limit) for seed in seeds]
        return [run.reading() for run in started]


class _Run:
    """One probe at work."""

    def __init__(
        self, folder: Path, seed: int, files: Path, names: list[str], preload: list[str], limit: float
    ) -> None:
        self.isolation = isolation()
        self.patience = START_SECONDS + len(names) * (limit + 1)
        scratch = folder / f"scratch-{seed}"
        scratch.mkdir()
        probe = [sys.executable, "-I", str(HERE / "probe.py")]
        fence = [*NAMESPACES, sys.executable, "-I", str(HERE / "fence.py"), str(scratch)]
        command = [*fence, *probe] if self.isolation == "namespaces" else probe
        self.process = subprocess.Popen(  # noqa: S603 - no shell, own words
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment(scratch, seed), cwd=scratch, start_new_session=True,
        )  # fmt: skip
        job = {"folder": str(files), "files": names, "preload": preload, "limit": limit}
        self.job = json.dumps(job).encode()

    def reading(self) -> Reading:
        """Wait for what the probe says; raises Refused where it cannot be run at all."""
        try:
            out, errors = self.process.communicate(self.job, timeout=self.patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, errors = self.process.communicate()
        head, *records = [json.loads(line) for line in out.decode().splitlines()] or [None]
        if head is None or self.process.returncode:
            detail = errors.decode(errors="replace").strip().splitlines()[-3:]
            raise Refused(f"The Airflow in use ({sys.executable}) cannot read DAG files: {' / '.join(detail)}")
        return Reading({record.pop("file"): record for record in records}, head["airflow"], self.isolation)


def environment(scratch: Path, seed: int) -> dict[str, str]:
    """Give an environment that holds nothing of the publisher's: no keys, no connections, no path of Python."""
    return {
        "PATH": f"{os.defpath}:/usr/sbin:/sbin",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": str(seed),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AIRFLOW_HOME": str(scratch),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "0",  # the probe has a limit of its own
        "AIRFLOW__CORE__DAGBAG_IMPORT_ERROR_TRACEBACK_DEPTH": "50",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{scratch}/none.db",
    }


@functools.cache
def isolation() -> str:
    """Return how files are shut in here: `namespaces` where the kernel allows it, else an `audit hook` alone."""
    if not (shutil.which("unshare") and shutil.which("setpriv")):
        return "audit hook"
    with tempfile.TemporaryDirectory() as folder:
        command = [*NAMESPACES, sys.executable, "-I", str(HERE / "fence.py"), folder, "true"]
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - no shell, own words
        return "audit hook" if done.returncode else "namespaces"
