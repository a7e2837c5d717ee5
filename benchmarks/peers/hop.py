"""Watershed itself: landing and the silver hop of the generated orders, on the stack that the environment names."""

import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from measure import finish

from common.core.assets import Zone
from common.core.nouns import Dataset
from common.core.settings import settings
from common.lake.table import current_version, read_at
from common.observe.verbs import Moment, listening
from common.pipelines.kinds import consumer_named
from common.pipelines.look import look
from common.pipelines.work import work
from common.upkeep.apply import apply
from common.zones.store import ZoneStore, client

ORDERS = Dataset("bench", "orders")


def prepare(raw: Path) -> None:
    """Make bucket, ledger and tables, put the files, and land them in bronze."""
    address, _, ledger = settings().ledger_url.replace("+psycopg", "").rpartition("/")
    with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{ledger}"')
    client().create_bucket(Bucket=settings().bucket)
    apply()
    for path in sorted(raw.iterdir()):
        client().upload_file(str(path), settings().bucket, f"raw/{ORDERS.domain}/{ORDERS.name}/{path.name}")
    look(ORDERS.domain)
    began = time.perf_counter()
    done, _ = work(consumer_named(f"{ORDERS}.bronze"), "benchmark", "benchmark")
    finish(began, landed=done.counts.good)


def refine(out: Path) -> None:
    """Do the silver hop, then copy its table to a local file for the count."""
    with timed() as seconds:
        began = time.perf_counter()
        done, _ = work(consumer_named(f"{ORDERS}.silver"), "benchmark", "benchmark")
        total = time.perf_counter() - began
    seconds["the rest"] = total - sum(seconds.values())
    counts = vars(done.counts) | {"hops": len(done.hops)}
    finish(began, writes="Parquet in Delta Lake on S3", phases=seconds, counts=counts)
    out.mkdir(parents=True)
    uri = ZoneStore(Zone.SILVER).uri(f"{ORDERS.domain}/{ORDERS.name}")
    read_at(uri, current_version(uri)).sink_parquet(out / "orders.parquet")


@contextmanager
def timed() -> Iterator[dict[str, float]]:
    """Time the verbs of the hop for the length of a block; one that holds others counts without them."""
    seconds: dict[str, float] = defaultdict(float)
    running: list[tuple[str, float]] = []

    def listen(moment: Moment) -> None:
        if moment.when == "before":
            running.append((moment.verb, time.perf_counter()))
        elif moment.when in ("after", "failed") and running and running[-1][0] == moment.verb:
            verb, began = running.pop()
            spent = time.perf_counter() - began
            seconds[verb] += spent
            if running:
                seconds[running[-1][0]] -= spent

    with listening(listen):
        yield seconds


if __name__ == "__main__":
    {"prepare": prepare, "refine": refine}[sys.argv[1]](Path(sys.argv[2]))
    sys.stdout.flush()
    os._exit(0)
