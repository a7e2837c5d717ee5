"""How long from the start of a publication until Airflow has the new DAG? Beside S3DagBundle and a sidecar of 30 s.

One dag-processor reads three packages, each in its own way, and looks for new files every second. In each turn all
three publish at once; publication itself is counted, validation is not. Publications of the first alone follow.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from peers.measure import machine, save
from rich.console import Console
from rich.table import Table

from dag_publisher.activate import actor
from dag_publisher.publish import Package, publish
from dag_publisher.shelf import Shelf
from dag_publisher.store import Store
from devstack.dag_processor import Processor, dag_processor, releases
from devstack.stack import running

BUCKET, INTERVAL, LOOK, PAUSE, GOAL = "benchmark-dags", 30, 0.05, 4.0, 5.0
CONTENDERS = {"release_bundle": "ReleaseDagBundle", "s3_bundle": "S3DagBundle", "sidecar": f"sidecar, {INTERVAL} s"}
DAG = """from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

for n in range({dags}):
    with DAG(f"{package}_{{n}}", description="{text}", tags=["benchmark"]):
        EmptyOperator(task_id="end")
"""


def put(store: Store, package: str, text: str, dags: int) -> None:
    """Publish a package whose DAGs say that text."""
    content = DAG.format(package=package, text=text, dags=dags).encode()
    facts: list[dict[str, Any]] = [{"dag_id": f"{package}_{n}", "images": []} for n in range(dags)]
    publish(Shelf(store, "dev", package), Package({f"{package}.py": content}, facts, ">=3.3,<4"), actor())


def turn(airflow: Processor, store: Store, packages: list[str], text: str, dags: int) -> dict[str, float]:
    """Publish packages one right after the other; time each from its start until all its DAGs are there."""
    began, found = dict[str, float](), dict[str, float]()
    for package in packages:
        began[package] = time.monotonic()
        put(store, package, text, dags)
    while len(found) < len(packages):
        there = airflow.dags()
        for package in packages:
            if package not in found and all(there.get(f"{package}_{n}", ("",))[0] == text for n in range(dags)):
                found[package] = time.monotonic() - began[package]
        time.sleep(LOOK)
    return found


def bundles(folder: Path) -> list[dict[str, Any]]:
    """Configure the three ways, each with a look as often as it may."""
    return [
        *releases(BUCKET, packages=["release_bundle"]),
        {
            "name": "s3",
            "classpath": "airflow.providers.amazon.aws.bundles.s3.S3DagBundle",
            "kwargs": {"bucket_name": BUCKET, "prefix": "dev/s3_bundle/dags", "refresh_interval": 2},
        },
        {
            "name": "folder",
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(folder / "sidecar" / "sidecar"), "refresh_interval": 2},  # its package alone
        },
    ]


def measure(turns: int, alone: int, dags: int, console: Console) -> dict[str, Any]:
    """Publish in turns, then the first contender alone."""
    runs: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    with tempfile.TemporaryDirectory(prefix="watershed-bench-") as name:
        folder = Path(name)
        (folder / "airflow").mkdir()
        with running(folder / "stack", ("s3",)) as env:
            os.environ.update(env)
            store = Store(BUCKET)
            store._client.create_bucket(Bucket=BUCKET)
            for package in CONTENDERS:
                put(store, package, "first", dags)
            command = [sys.executable, "-m", "dag_publisher.cli.main", "sync", str(folder / "sidecar")]
            asked = {"DAG_BUCKET": BUCKET, "ENVIRONMENT": "dev", "DAG_SYNC_INTERVAL": str(INTERVAL)}
            sidecar = subprocess.Popen(command, env={**os.environ, **asked}, stdout=subprocess.DEVNULL)
            try:
                with dag_processor(folder / "airflow", bundles(folder), env) as airflow:
                    airflow.until(lambda there: {f"{package}_0" for package in CONTENDERS} <= there.keys())
                    for number in range(turns + alone):
                        time.sleep(PAUSE + number % 4 / 2)  # at rest, and at any moment between two looks
                        packages = list(CONTENDERS) if number < turns else ["release_bundle"]
                        for package, seconds in turn(airflow, store, packages, f"turn {number}", dags).items():
                            runs[package].append(seconds)
                            console.print(number, package, f"{seconds:.2f}", highlight=False)
            finally:
                sidecar.terminate()
                sidecar.wait()
    return {
        **machine(),
        "dags": dags,
        "runs": runs,
        "seconds": {name: _quantiles(found) for name, found in runs.items()},
    }


def _quantiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * len(ordered) + 0.5) - 1)]
    return {"p50": statistics.median(ordered), "p95": p95, "max": ordered[-1]}


def main() -> int:
    """Measure, show and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--alone", type=int, default=20)
    parser.add_argument("--dags", type=int, default=3, help="DAGs of a package")
    asked, console = parser.parse_args(), Console()
    found = measure(asked.turns, asked.alone, asked.dags, console)
    table = Table("reader", "times", "p50", "p95", "max", "goal p95", title="Seconds from publish to visible")
    for name, title in CONTENDERS.items():
        words = [f"{found['seconds'][name][word]:.2f}" for word in ("p50", "p95", "max")]
        table.add_row(title, str(len(found["runs"][name])), *words, f"{GOAL:g}" if name == "release_bundle" else "")
    console.print(table)
    console.print(f"Written to {save('publish', found).name} below var/bench.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
