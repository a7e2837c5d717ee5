"""A domain that is fetched from sources, the databases it is fetched from, and how they are changed."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from sqlalchemy import URL, Engine, NullPool, create_engine, text

from devstack.ports import HOST
from tests.contracts import write_contract
from tests.world import World, new_world

DOMAIN = "lab"
KEY = "name: id, logicalType: integer, required: true, primaryKey: true"
ID = "name: id, logicalType: integer, required: true"
COLUMNS = (
    "name: price, logicalType: number, physicalType: 'decimal(12,3)'",
    "name: code, logicalType: string, logicalTypeOptions: {maxLength: 20}",
    "name: at, logicalType: timestamp",
)


@dataclass
class Database:
    """A database to fetch from: its engine, and its Airflow Connection."""

    engine: Engine
    connection: dict[str, Any]

    @property
    def kind(self) -> str:
        """Return which database it is, as Airflow calls it."""
        return str(self.connection["conn_type"])

    def run(self, *statements: str, **values: Any) -> None:
        """Run statements, each committed by itself."""
        for statement in statements:
            with self.engine.begin() as connection:
                connection.execute(text(statement), values)


def postgres(stack: Mapping[str, str]) -> Database:
    """Make an empty database in the stack's PostgreSQL."""
    name = f"o{uuid4().hex[:12]}"
    login = {"host": stack["PGHOST"], "port": int(stack["PGPORT"]), "password": stack["PGPASSWORD"]}
    with psycopg.connect(dbname="postgres", user="postgres", autocommit=True, **login) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return _database("postgres", "postgresql+psycopg", {**login, "login": "postgres", "schema": name})


def mysql(port: int) -> Database:
    """Make an empty database in a MariaDB."""
    name = f"o{uuid4().hex[:12]}"
    _database("mysql", "mysql+pymysql", {"host": HOST, "port": port, "login": "root"}).run(f"CREATE DATABASE {name}")
    return _database("mysql", "mysql+pymysql", {"host": HOST, "port": port, "login": "root", "schema": name})


def _database(kind: str, driver: str, at: dict[str, Any]) -> Database:
    address = URL.create(driver, at["login"], at.get("password"), at["host"], at["port"], at.get("schema"))
    return Database(create_engine(address, poolclass=NullPool), {"conn_type": kind, **at})


@contextmanager
def fetching(
    stack: Mapping[str, str], folder: Path, sources: Mapping[str, Mapping[str, Any]], **connections: Mapping[str, Any]
) -> Iterator[World]:
    """Give a world whose datasets have these sources; `columns`, `latest` and other words stand beside `source`."""
    domain = folder / "domains" / DOMAIN
    for name, words in sources.items():
        own = dict(words)
        columns = own.pop("columns", (KEY, *COLUMNS))
        write_contract(domain, name, columns, {word: json.dumps(value) for word, value in own.items()})
    env = {f"AIRFLOW_CONN_{name.upper()}": json.dumps(value) for name, value in connections.items()}
    with new_world({**stack, **env}, folder, DOMAIN, domain.parent) as world:
        yield world
