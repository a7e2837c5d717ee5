"""A world of its own for a test: bucket, ledger and warehouse that nothing else uses, on the session's stack."""

import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import select

from common.core.nouns import Counts
from common.core.settings import settings


@dataclass
class World:
    """Land files, do the hops of a domain, and look at the tables."""

    env: Mapping[str, str]
    domain: str
    folder: Path

    def land(self, key: str, content: bytes) -> None:
        """Put a file below the domain's raw prefix."""
        from common.zones.store import client

        client().put_object(Bucket=settings().bucket, Key=f"raw/{self.domain}/{key}", Body=content)

    def keys(self, under: str) -> list[str]:
        """List the keys of the bucket below a prefix."""
        from common.zones.store import client

        pages = client().get_paginator("list_objects_v2").paginate(Bucket=settings().bucket, Prefix=under)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def flow(self, *stages: str, owner: str = "test") -> dict[str, Counts]:
        """Do every hop that is due, stage by stage, and tell what each consumer did."""
        from common.pipelines import kinds
        from common.pipelines.work import due_tasks

        done: dict[str, Counts] = {}
        for stage in stages or kinds.stages():
            due = due_tasks(self.domain, stage)
            for consumer in kinds.consumers(self.domain, stage):
                if consumer.task_id in due:
                    done[consumer.name] = self.do(consumer, owner)
        return done

    def do(self, consumer: Any, owner: str = "test") -> Counts:
        """Do the hops of one consumer as its task would, and ring them."""
        from common.pipelines.work import rung, work

        drained, ring = work(consumer, owner, "test-run")
        if ring:
            rung(ring.consumer, list(ring.hops))
        return drained.counts

    def rows(self, query: str, database: str = "warehouse") -> list[tuple[Any, ...]]:
        """Ask the warehouse or the ledger."""
        address = settings().ledger_url.replace("+psycopg", "") if database == "ledger" else self.env["WAREHOUSE_URL"]
        with psycopg.connect(address) as connection:
            return connection.execute(query).fetchall()  # type: ignore[call-overload]

    def silver(self, dataset: str) -> Any:
        """Read a silver table."""
        return self.lake("silver", dataset)

    def lake(self, zone: str, table: str) -> Any:
        """Read a silver or gold table."""
        from common.core.assets import Zone
        from common.lake.table import current_version, read_at
        from common.zones.store import ZoneStore

        uri = ZoneStore(Zone(zone)).uri(f"{self.domain}/{table}")
        return read_at(uri, current_version(uri)).collect()


@contextmanager
def new_world(stack: Mapping[str, str], folder: Path, domain: str, domains: Path | None = None) -> Iterator[World]:
    """Give a world with its own bucket and databases, and point this process to it for the block."""
    from common.pipelines.apply import apply
    from common.zones.store import client

    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        env = _new_env(stack, folder, domains)
        for variable, value in env.items():
            patch.setenv(variable, value)
        forget()
        client().create_bucket(Bucket=settings().bucket)
        apply()
        try:
            yield World(env, domain, folder)
            _places_survive()
        finally:
            forget()


def _places_survive() -> None:
    """Look whether every place that a test has made is read and written back as it was."""
    from common.core.places import from_json, to_json
    from common.ledger.database import transaction
    from common.ledger.tables import batch

    with transaction() as connection:
        for place in connection.scalars(select(batch.c.place)):
            assert to_json(*from_json(place)) == place


def forget() -> None:
    """Forget what this process has read from its environment."""
    from common.contracts.catalogue import _read_all as read_contracts
    from common.ledger.database import engine
    from common.models.model import _read_all as read_models
    from common.zones.store import _session, aws_client

    if engine.cache_info().currsize:
        engine().dispose()
    for cached in (settings, engine, read_contracts, read_models, _session, aws_client):
        cached.cache_clear()


def _new_env(stack: Mapping[str, str], folder: Path, domains: Path | None) -> dict[str, str]:
    name = f"t{uuid.uuid4().hex[:12]}"
    base = f"postgresql://postgres:{stack['PGPASSWORD']}@{stack['PGHOST']}:{stack['PGPORT']}"
    with psycopg.connect(f"{base}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}_l"')  # type: ignore[call-overload]
        connection.execute(f'CREATE DATABASE "{name}_w"')  # type: ignore[call-overload]
    warehouse = json.loads(stack["AIRFLOW_CONN_WAREHOUSE"]) | {"schema": f"{name}_w"}
    return {
        **stack,
        "WATERSHED_BUCKET": name,
        "WATERSHED_LEDGER_URL": f"{base.replace('://', '+psycopg://')}/{name}_l",
        "AIRFLOW_CONN_WAREHOUSE": json.dumps(warehouse),
        "AIRFLOW_CONN_WAREHOUSE_DUCKDB": json.dumps({"conn_type": "duckdb", "host": str(folder / "w.duckdb")}),
        "WAREHOUSE_URL": f"{base}/{name}_w",
        **({"WATERSHED_DOMAINS_DIR": str(domains)} if domains else {}),
    }


@contextmanager
def other_contract(world: World, folder: Path, dataset: str, change: Callable[[str], str]) -> Iterator[None]:
    """Change the contract of a dataset for the block, in a copy of the domains, and apply it."""
    from common.pipelines.apply import apply

    copy = folder / f"domains-{uuid.uuid4().hex[:6]}"
    shutil.copytree(settings().domains_dir, copy)
    (found,) = (copy / world.domain).glob(f"*/{dataset}.*")
    before = found.read_text()
    found.write_text(change(before))
    assert found.read_text() != before, "the change changed nothing"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WATERSHED_DOMAINS_DIR", str(copy))
        forget()
        apply()
        yield
    forget()
