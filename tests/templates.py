"""Worlds that were applied once, to be copied: databases as PostgreSQL copies a template, the lake object by object."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from common.contracts.catalogue import domains
from common.core.settings import settings
from common.zones.queues import apply_queues
from common.zones.store import client
from tests.made_up_kind import SWITCH

# What tells one world from another, and says nothing of what is in it.
ADDRESSES = {"WATERSHED_BUCKET", "WATERSHED_LEDGER_URL", "WATERSHED_QUEUE_BASE_URL", "WATERSHED_DOMAINS_DIR"}
SOURCES = {".yaml", ".yml", ".sql"}


@dataclass(frozen=True)
class Template:
    """An applied world that nobody is connected to."""

    server: str
    name: str
    objects: Mapping[str, bytes]
    duckdb: bytes | None

    def copy(self, name: str, duckdb: Path) -> None:
        """Make the world of that name, to whose bucket and domains this process points."""
        _on_both(self.server, "CREATE DATABASE {} TEMPLATE {}", name, self.name)
        config = settings()
        client().create_bucket(Bucket=config.bucket)
        for key, body in self.objects.items():
            client().put_object(Bucket=config.bucket, Key=key, Body=body)
        if self.duckdb is not None:
            duckdb.write_bytes(self.duckdb)
        if config.watches_queue:
            apply_queues(domains(), config)


def create(server: str, name: str) -> None:
    """Make the two empty databases of a world."""
    _on_both(server, "CREATE DATABASE {}", name)


def drop(server: str, name: str) -> None:
    """Forget the databases of a world that is over: the server looks after each that there is."""
    _on_both(server, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def taken(server: str, name: str, duckdb: Path) -> Template:
    """Make a template of the world of that name, to which this process points."""
    # A database that somebody is connected to cannot be copied.
    _on_both(server, "ALTER DATABASE {} ALLOW_CONNECTIONS false", name)
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE starts_with(datname, %s)", [name]
        )
    bucket = settings().bucket
    pages = client().get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    objects = {key: client().get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}
    return Template(server, name, objects, duckdb.read_bytes() if duckdb.exists() else None)


# Warehouses whose tables no template has: a world with its own there is applied.
NOT_COPIED = ("AIRFLOW_CONN_WAREHOUSE_SNOWFLAKE", "AIRFLOW_CONN_WAREHOUSE_REDSHIFT")


def fingerprint(env: Mapping[str, str]) -> str:
    """Tell worlds apart by all that `apply` goes by: the domains' texts, the settings, and whether a kind was made up."""
    folder = Path(env["WATERSHED_DOMAINS_DIR"])
    texts = {
        str(path.relative_to(folder)): _digest(path) for path in sorted(folder.rglob("*")) if path.suffix in SOURCES
    }
    chosen = {
        name: value
        for name, value in {**os.environ, **env}.items()
        if (name.startswith("WATERSHED_") and name not in ADDRESSES) or name in (SWITCH, *NOT_COPIED)
    }
    return repr((texts, sorted(chosen.items())))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _on_both(server: str, statement: str, *names: str) -> None:
    """Do something with ledger and warehouse of the worlds of these names."""
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        for part in ("l", "w"):
            databases = [sql.Identifier(f"{name}_{part}") for name in names]
            connection.execute(sql.SQL(statement).format(*databases))  # type: ignore[arg-type]
