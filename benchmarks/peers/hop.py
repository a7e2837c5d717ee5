"""Watershed itself: landing and the silver hop of the generated orders, on the stack that the environment names."""

import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from measure import finish

from common.core.assets import Zone
from common.core.nouns import Dataset
from common.core.settings import settings
from common.formats import Chunk
from common.lake.table import current_version, read_at
from common.pipelines import silver
from common.pipelines.kinds import consumer_named
from common.pipelines.look import look
from common.pipelines.work import work
from common.refine import spool
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
    seconds["ledger, heads and the rest"] = total - sum(seconds.values())
    counts = vars(done.counts) | {"hops": len(done.hops)}
    finish(began, writes="Parquet in Delta Lake on S3", phases=seconds, counts=counts)
    out.mkdir(parents=True)
    uri = ZoneStore(Zone.SILVER).uri(f"{ORDERS.domain}/{ORDERS.name}")
    read_at(uri, current_version(uri)).sink_parquet(out / "orders.parquet")


@contextmanager
def timed() -> Iterator[dict[str, float]]:
    """Time the parts of the hop for the length of a block, by wrapping the functions that the hop calls."""
    seconds: dict[str, float] = defaultdict(float)
    wrapped: list[tuple[Any, str, str]] = [
        (ZoneStore, "download", "download"),
        (spool, "clean", "clean"),
        (spool, "apply", "split"),
        (Chunk, "locate", "locate refused"),
        (spool.Spool, "keep", "spool"),
        (spool.Spool, "refuse", "spool"),
        (silver, "winners", "dedupe"),
        (silver, "stage_parts", "write and upload"),
        (silver.SilverStep, "_stage_refused", "write and upload"),
        (silver.SilverStep, "publish", "commit"),
    ]
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in wrapped]
    reading = spool.read
    for owner, name, phase in wrapped:
        setattr(owner, name, _timing(getattr(owner, name), phase, seconds))
    spool.read = lambda *asked: _drawn(reading(*asked), seconds)
    try:
        yield seconds
    finally:
        spool.read = reading
        for owner, name, function in before:
            setattr(owner, name, function)


def _timing(function: Callable[..., Any], phase: str, seconds: dict[str, float]) -> Callable[..., Any]:
    def call(*args: Any, **words: Any) -> Any:
        began = time.perf_counter()
        try:
            return function(*args, **words)
        finally:
            seconds[phase] += time.perf_counter() - began

    return call


def _drawn(chunks: Iterator[Any], seconds: dict[str, float]) -> Iterator[Any]:
    while True:
        began = time.perf_counter()
        chunk = next(chunks, None)
        seconds["read"] += time.perf_counter() - began
        if chunk is None:
            return
        yield chunk


if __name__ == "__main__":
    {"prepare": prepare, "refine": refine}[sys.argv[1]](Path(sys.argv[2]))
    sys.stdout.flush()
    os._exit(0)
