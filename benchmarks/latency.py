"""How long from a put to bronze, silver and a warehouse row? Beside a stock Airflow chain that only copies."""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import psycopg
from botocore.exceptions import ClientError
from peers.measure import REPOSITORY, machine, save
from rich.console import Console
from rich.table import Table

from devstack.follow import settled
from devstack.stack import running

LOOK, PATIENCE, PAUSE = 0.05, 300.0, 2.0
CUSTOMER = 90_000  # above every number of the sample data
GOALS = {"bronze": 5, "silver": 8, "warehouse": 15}
STOCK = "stock/landed"
Moments = dict[str, float]

BRONZE = """SELECT id FROM batch WHERE asset = 'ecommerce.transactions.bronze' AND place->>'raw' = %s"""
SILVER = """SELECT 1 FROM receipt r JOIN hop h ON h.consumer = r.consumer AND h.n = r.hop
WHERE r.consumer = 'ecommerce.transactions.silver' AND h.state = 'published' AND r.batch =
(SELECT id FROM batch WHERE asset = 'ecommerce.transactions.bronze' AND place->>'raw' = %s)"""
ROW = "SELECT 1 FROM ecommerce.fact_transactions WHERE customer_id = %s"


@dataclass
class Probe:
    """Puts files into a running stack and looks for them directly, not through Airflow."""

    env: Mapping[str, str]

    def __post_init__(self) -> None:
        self.s3, self.bucket = boto3.client("s3"), self.env["WATERSHED_BUCKET"]
        ledger = self.env["WATERSHED_LEDGER_URL"].replace("+psycopg", "")
        warehouse = f"{ledger.rpartition('/')[0]}/{self.env['PGDATABASE']}"
        self._ledger = psycopg.connect(ledger, autocommit=True)
        self._warehouse = psycopg.connect(warehouse, autocommit=True)

    def watershed(self, number: int) -> Moments:
        """Put one purchase, and time when each zone has it."""
        customer = str(CUSTOMER + number)
        key = f"ecommerce/transactions/latency/{number}.csv"
        body = f"customer_id,date,number_of_cds,dollar_value\n{customer},1998060{1 + number % 9},1,{number}.99\n"
        self.s3.put_object(Bucket=self.bucket, Key=f"raw/{key}", Body=body.encode())
        return _times(
            {
                "bronze": lambda: self._ledger.execute(BRONZE, [key]).fetchone(),
                "silver": lambda: self._ledger.execute(SILVER, [key]).fetchone(),
                "warehouse": lambda: self._warehouse.execute(ROW, [customer]).fetchone(),
            }
        )

    def stock(self, number: int) -> Moments:
        """Put one object before the stock chain, and time when each step has it."""
        self.s3.put_object(Bucket=self.bucket, Key=f"{STOCK}/{number}.csv", Body=f"{number}".encode())
        steps = ("bronze", "silver", "gold")
        return _times({step: partial(self._passed, f"stock/{step}/{number}.csv") for step in steps})

    def _passed(self, key: str) -> bool:
        """Tell whether an object is there, or has already been moved on from there."""
        steps = ("stock/bronze", "stock/silver", "stock/gold")
        at = next(place for place, step in enumerate(steps) if key.startswith(step))
        return any(self._exists(key.replace(steps[at], later)) for later in steps[at:])

    def _exists(self, key: str) -> bool:
        try:
            self.s3.head_object(Bucket=self.bucket, Key=key)
        except ClientError:
            return False
        return True


def _times(arrived: Mapping[str, Callable[[], Any]]) -> Moments:
    """Wait for each in turn, and tell after how many seconds it was there."""
    began, found = time.monotonic(), Moments()
    for name, look in arrived.items():
        while not look():
            if time.monotonic() - began > PATIENCE:
                raise TimeoutError(f"Waited {PATIENCE:.0f} s in vain for '{name}'; so far: {found}.")
            time.sleep(LOOK)
        found[name] = time.monotonic() - began
    return found


def ring_stock(env: Mapping[str, str]) -> None:
    """Make the queue of the stock chain, and have its prefix ring it beside the queues that there are."""
    s3, sqs, bucket = boto3.client("s3"), boto3.client("sqs"), env["WATERSHED_BUCKET"]
    url = sqs.create_queue(QueueName="stock")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    found = s3.get_bucket_notification_configuration(Bucket=bucket).get("QueueConfigurations", [])
    prefix = {"Key": {"FilterRules": [{"Name": "prefix", "Value": f"{STOCK}/"}]}}
    own = {"Id": "stock", "QueueArn": arn, "Events": ["s3:ObjectCreated:*"], "Filter": prefix}
    wanted: Any = {"QueueConfigurations": [*found, own]}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wanted)


def measure(files: int, console: Console) -> dict[str, Any]:
    """Put files in turns, Watershed's and the stock chain's, each when nothing of the one before is left to do."""
    with tempfile.TemporaryDirectory(prefix="watershed-bench-") as name:
        dags = Path(name) / "dags"
        shutil.copytree(REPOSITORY / "airflow" / "dags", dags, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(Path(__file__).parent / "peers" / "stock_chain.py", dags)
        with running(Path(name) / "stack", overrides={"AIRFLOW__CORE__DAGS_FOLDER": str(dags)}) as env:
            os.environ.update(env)
            ring_stock(env)
            probe = Probe(env)
            warm = {"watershed": probe.watershed(0), "stock": probe.stock(0)}
            _rest()
            for contender, moments in warm.items():
                console.print("first", contender, _written(moments), highlight=False)
            runs: dict[str, list[Moments]] = {"watershed": [], "stock": []}
            for number in range(1, files + 1):
                for contender, put in (("watershed", probe.watershed), ("stock", probe.stock)):
                    runs[contender].append(put(number))
                    console.print(number, contender, _written(runs[contender][-1]), highlight=False)
                    _rest()
    return {**machine(), "files": files, "warm": warm, "runs": runs, "seconds": _summary(runs)}


def _rest() -> None:
    """Wait until no consumer has anything left to do: the last table is loaded well after the first."""
    while not settled("ecommerce"):
        time.sleep(LOOK * 10)
    time.sleep(PAUSE)


def _written(moments: Moments) -> str:
    return ", ".join(f"{name} {seconds:.2f}" for name, seconds in moments.items())


def _summary(runs: Mapping[str, list[Moments]]) -> dict[str, dict[str, dict[str, float]]]:
    return {
        contender: {name: _quantiles([moments[name] for moments in found]) for name in found[0]}
        for contender, found in runs.items()
    }


def _quantiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * len(ordered) + 0.5) - 1)]
    return {"p50": statistics.median(ordered), "p95": p95, "max": ordered[-1]}


def show(found: Mapping[str, Any], console: Console) -> None:
    """Print how long each zone took, with its goal."""
    table = Table("contender", "put to", title=f"Seconds from a put, {found['files']} files", title_justify="left")
    for name in ("p50", "p95", "max", "goal p95"):
        table.add_column(name, justify="right")
    for contender, steps in found["seconds"].items():
        for step, seconds in steps.items():
            goal = str(GOALS[step]) if contender == "watershed" else ""
            table.add_row(contender, step, *(f"{seconds[name]:.2f}" for name in ("p50", "p95", "max")), goal)
    console.print(table)


def main() -> int:
    """Measure, show and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=15)
    asked, console = parser.parse_args(), Console()
    found = measure(asked.files, console)
    show(found, console)
    console.print(f"Written to {save('latency', found).name} below var/bench.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
