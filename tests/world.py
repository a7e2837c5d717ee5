"""A world of its own for a test: bucket, ledger and warehouse that nothing else uses, on the session's stack."""

import atexit
import functools
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import select

from common.core import caches
from common.core.nouns import Counts, Reason
from common.core.settings import domains_dir, settings
from devstack.folder import INCLUDE
from tests import templates
from tests.stacks import server as server_of

DUCKDB = "w.duckdb"
# Models of the shop that no test of hops looks at: each hop of them would be done again and again for nothing.
UNWATCHED = ("daily_active_users", "dim_date", "fact_events", "revenue_by_country", "user_ltv")
MART = """/*
description: How many versions of its customers each country has, computed by the warehouse.
on: warehouse
key: [country]
inputs: {ecommerce.users_history: all}
controls: [{result: sum(versions), input: ecommerce.users_history, equals: count(*)}]
*/
SELECT country, count(*) AS versions FROM ecommerce.users_history GROUP BY country
"""
TEMPLATES: dict[tuple[str, str], templates.Template] = {}


def by(why: str) -> Reason:
    """Give the reason of a decision that a test makes."""
    return Reason("tester", why)


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
        from common.pipelines.work import due_of

        done: dict[str, Counts] = {}
        for stage in stages or kinds.stages():
            for consumer in due_of(self.domain, stage):
                done[consumer.name] = self.do(consumer, owner)
        return done

    def do(self, consumer: Any, owner: str = "test") -> Counts:
        """Do the hops of one consumer, or of the one of that name, as its task would, and ring them."""
        from common.pipelines.kinds import consumer_named
        from common.pipelines.work import rung, work

        consumer = consumer_named(consumer) if isinstance(consumer, str) else consumer
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
    """Give a world with its own bucket and databases, and point this process to it for the block.

    Without domains it has the shop, but for the models that no test of hops looks at.
    """
    folder.mkdir(exist_ok=True)
    env = _new_env(stack, folder, domains or small_shop())
    template = _template(env, folder)
    with _inside(env) as name:
        template.copy(name, folder / DUCKDB)
        try:
            yield World(env, domain, folder)
            _places_survive()
        finally:
            forget()
            with suppress(psycopg.Error):
                templates.drop(template.server, name)


@contextmanager
def _inside(env: Mapping[str, str]) -> Iterator[str]:
    """Point this process to a world, and give the world's name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", {**os.environ, **env})
        forget()
        try:
            yield settings().bucket
        finally:
            forget()


def _template(env: Mapping[str, str], folder: Path) -> templates.Template:
    """Find the applied world that is to be copied; the first that needs one like it applies it."""
    key = env["PGPORT"], templates.fingerprint(env)
    if key not in TEMPLATES:
        TEMPLATES[key] = _applied(env, folder)
    return TEMPLATES[key]


def _applied(like: Mapping[str, str], folder: Path) -> templates.Template:
    from common.upkeep.apply import apply
    from common.zones.store import client

    env = _new_env(like, folder, Path(like["WATERSHED_DOMAINS_DIR"]))
    with _inside(env) as name:
        templates.create(server_of(env), name)
        client().create_bucket(Bucket=name)
        apply()
        forget()
        made = templates.taken(server_of(env), name, folder / DUCKDB)
    (folder / DUCKDB).unlink(missing_ok=True)
    return made


def _places_survive() -> None:
    """Look whether every place that a test has made is read and written back as it was."""
    from common.core.places import from_json, to_json
    from common.ledger.database import transaction
    from common.ledger.tables import batch

    with transaction() as connection:
        for place in connection.scalars(select(batch.c.place)):
            assert to_json(*from_json(place)) == place


def forget() -> None:
    """Forget what this process has read from its environment, and made for it."""
    caches.forget()


@functools.cache
def small_shop() -> Path:
    """Make a folder of domains with the shop and the models that tests look at."""
    return shop_without(*UNWATCHED)


def shop_without(*models: str, hosted: bool = False) -> Path:
    """Make a folder of domains with the shop without some models; only `hosted` with what is loaded into Redshift."""
    domains = Path(tempfile.mkdtemp(prefix="watershed-shop-"))
    atexit.register(shutil.rmtree, domains, ignore_errors=True)
    left_out = shutil.ignore_patterns("__pycache__", "samples", *(f"{name}.sql" for name in models))
    shutil.copytree(INCLUDE / "domains" / "ecommerce", domains / "ecommerce", ignore=left_out)
    for model in [] if hosted else domains.rglob("*.sql"):
        lines = model.read_text().splitlines(keepends=True)
        model.write_text("".join(line for line in lines if "to: redshift" not in line))
    return domains


def with_mart(domains: Path) -> Path:
    """Give the shop of a folder a model that its warehouse computes: `ecommerce.versions@warehouse`."""
    (domains / "ecommerce" / "gold" / "versions.sql").write_text(MART)
    return domains


def _new_env(stack: Mapping[str, str], folder: Path, domains: Path) -> dict[str, str]:
    """Name a world that is to be made."""
    name, server = f"t{uuid.uuid4().hex[:12]}", server_of(stack)
    login = {"login": stack["PGUSER"], "password": stack["PGPASSWORD"], "schema": f"{name}_w"}
    warehouse = json.loads(stack["AIRFLOW_CONN_WAREHOUSE"]) | login
    return {
        **stack,
        "WATERSHED_BUCKET": name,
        "WATERSHED_LEDGER_URL": f"{server.replace('://', '+psycopg://')}/{name}_l",
        "AIRFLOW_CONN_WAREHOUSE": json.dumps(warehouse),
        "AIRFLOW_CONN_WAREHOUSE_DUCKDB": json.dumps({"conn_type": "duckdb", "host": str(folder / DUCKDB)}),
        "WAREHOUSE_URL": f"{server}/{name}_w",
        "WATERSHED_DOMAINS_DIR": str(domains),
    }


@contextmanager
def other_contract(
    world: World, folder: Path, dataset: str, change: Callable[[str], str], *, applied: bool = True
) -> Iterator[None]:
    """Change the contract of a dataset for the block, in a copy of the domains, and apply it unless the block does."""
    from common.upkeep.apply import apply

    copy = folder / f"domains-{uuid.uuid4().hex[:6]}"
    shutil.copytree(domains_dir(), copy)
    (found,) = (copy / world.domain).glob(f"*/{dataset}.*")
    before = found.read_text()
    found.write_text(change(before))
    assert found.read_text() != before, "the change changed nothing"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WATERSHED_DOMAINS_DIR", str(copy))
        forget()
        if applied:
            apply()
        yield
    forget()
