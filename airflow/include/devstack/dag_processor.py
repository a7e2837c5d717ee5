"""Airflow's own dag-processor over bundles, on a database of its own, and what it has recorded."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 240
RELEASES = "dag_publisher.bundle.ReleaseDagBundle"


@dataclass(frozen=True)
class Processor:
    """A dag-processor at work, and the environment that it and its workers have."""

    folder: Path
    env: dict[str, str]

    def dags(self) -> dict[str, tuple[str, str]]:
        """Return what is recorded of each DAG that is there: description, and version of its bundle."""
        rows = self.rows("SELECT dag_id, description, bundle_version FROM dag WHERE NOT is_stale")
        return {dag_id: (description, version) for dag_id, description, version in rows}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask Airflow's database."""
        with closing(sqlite3.connect(self.folder / "airflow.db", timeout=30)) as connection:
            return connection.execute(query).fetchall()

    def until(self, wanted: Callable[[dict[str, tuple[str, str]]], object], pause: float = 0.1) -> float:
        """Wait until what is recorded is as wanted; return the seconds that it took."""
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE:
            if wanted(self.dags()):
                return time.monotonic() - began
            time.sleep(pause)
        raise TimeoutError(f"after {PATIENCE} s there is {self.dags()}\n{(self.folder / 'log').read_text()[-3000:]}")


def environment(folder: Path, bundles: list[dict[str, Any]], store: Mapping[str, str]) -> dict[str, str]:
    """Give Airflow's environment: bundles and a database in a folder, and the store of the stack."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__")},
        **{name: value for name, value in store.items() if name.startswith("AWS_")},
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__FERNET_KEY": "",
        "AIRFLOW__API_AUTH__JWT_SECRET": "x" * 32,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow.db",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(folder / "bundles"),
        "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
    }


def releases(bucket: str, environment: str = "dev", **more: Any) -> list[dict[str, Any]]:
    """Configure a bundle of releases."""
    kwargs = {"bucket": bucket, "environment": environment, **more}
    return [{"name": "releases", "classpath": RELEASES, "kwargs": kwargs}]


@contextmanager
def dag_processor(folder: Path, bundles: list[dict[str, Any]], store: Mapping[str, str]) -> Iterator[Processor]:
    """Run a dag-processor for the length of a block."""
    env = environment(folder, bundles, store)
    airflow = [sys.executable, "-W", "ignore", "-m", "airflow"]
    subprocess.run([*airflow, "db", "migrate"], env=env, check=True, capture_output=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*airflow, "dag-processor"], env=env, stdout=log, stderr=log, start_new_session=True)
        try:
            yield Processor(folder, env)
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:  # it waits for what it parses, and nobody waits for that any more
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
