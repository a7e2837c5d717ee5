"""The warehouses that every behaviour suite runs over, and how its tests fill and read them."""

import functools
import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
from sqlglot import exp

from common.core import caches
from common.core.settings import settings
from common.lake.changes import GONE
from common.load.plan import LoadPlan
from common.load.strategies import strategy
from common.warehouses import sql
from common.warehouses.definition import create
from common.warehouses.duckdb import Duckdb
from common.warehouses.postgres import Postgres
from common.warehouses.redshift import Redshift
from common.warehouses.snowflake import Snowflake
from common.warehouses.sql import Token
from common.warehouses.warehouse import Rows, Warehouse, create_token
from common.zones.store import client
from tests.batch_only import BatchOnly
from tests.stacks import server

CONSUMER, TABLE = "shop.orders@somewhere", "shop.orders"
ROLE = "arn:aws:iam::000000000000:role/copy"
SCHEMA: dict[str, pl.DataType] = {"id": pl.String(), "v": pl.Int64()}
Ask = Callable[[str], Any]  # for a fixture by its name
ENGINES: dict[str, Callable[[str, Path, Ask], Warehouse]] = {
    "postgres": lambda address, folder, ask: Postgres("suite_postgres"),
    "duckdb": lambda address, folder, ask: Duckdb("suite_duckdb"),
    "batch only": lambda address, folder, ask: BatchOnly(address),
    "redshift": lambda address, folder, ask: redshift_of(address, ask),
    "snowflake": lambda address, folder, ask: snowflake_of(ask),
}


@functools.cache
def data_api(_address: str) -> Redshift:
    """One for all tests of a database: what it keeps is the provider's client, which takes long to make."""
    return Redshift("suite_redshift")


def redshift_of(address: str, ask: Ask) -> Warehouse:
    place = {"database": address.rpartition("/")[2], "workgroup_name": "suite", "iam_role": ROLE}
    config = {"redshift-data": {"endpoint_url": ask("redshift"), **place}}
    extra = {"region_name": "us-east-1", "service_config": config}
    connect("redshift", {"conn_type": "aws", "login": "test", "password": "test", "extra": extra}, ask)
    ask("bucket")
    return data_api(address)


def snowflake_of(ask: Ask) -> Warehouse:
    port, bundle = ask("snowflake")
    ask("monkeypatch").setenv("REQUESTS_CA_BUNDLE", str(bundle))
    place = {"account": "suite", "host": "localhost", "port": port, "database": f"S{uuid.uuid4().hex[:12]}"}
    connect("snowflake", {"conn_type": "snowflake", "login": "u", "password": "p", "extra": place}, ask)
    return Snowflake("suite_snowflake")


def connect(name: str, connection: Mapping[str, Any], ask: Ask) -> None:
    ask("monkeypatch").setenv(f"AIRFLOW_CONN_SUITE_{name.upper()}", json.dumps(connection))


@pytest.fixture(scope="module")
def address(stack: Mapping[str, str]) -> Iterator[str]:
    base = server(stack)
    name = f"w{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"{base}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload]
    yield f"{base}/{name}"


@pytest.fixture(scope="module")
def bucket(stack: Mapping[str, str]) -> Iterator[str]:
    """The bucket of the stack's object store that parts are staged in; this process is pointed to it."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in [known for known in stack if known.startswith("AWS_")]:
            patch.setenv(variable, stack[variable])
        patch.setenv("WATERSHED_BUCKET", f"suite-{uuid.uuid4().hex[:12]}")
        caches.forget()
        client().create_bucket(Bucket=settings().bucket)
        yield settings().bucket
    caches.forget()


# `-m cloud` runs the suite over the engines themselves: AIRFLOW_CONN_CLOUD_<NAME> as JSON, of a database that holds nothing
# else, since its schemas `shop` and `watershed` are dropped; for Redshift also WATERSHED_BUCKET and AWS_*.
CLOUD: dict[str, Callable[[], Warehouse]] = {
    "redshift itself": lambda: Redshift("cloud_redshift"),
    "snowflake itself": lambda: Snowflake("cloud_snowflake"),
}


def _in_the_cloud(name: str) -> Warehouse:
    found = CLOUD[name]()
    variable = f"AIRFLOW_CONN_{found.conn_id.upper()}"  # type: ignore[attr-defined]
    if variable not in os.environ:
        pytest.skip(f"{variable} is not set")
    schemas = [
        exp.Drop(tables=[exp.Table(db=sql.name(s))], kind="SCHEMA", exists=True, cascade=True)
        for s in ("shop", sql.HOME)
    ]
    found.apply(schemas)
    return found


@pytest.fixture(params=[*ENGINES, *(pytest.param(name, marks=pytest.mark.cloud) for name in CLOUD)])
def bare(request: pytest.FixtureRequest, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """A warehouse in which nothing has been applied."""
    if request.param in CLOUD:
        return _in_the_cloud(request.param)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS watershed CASCADE; DROP SCHEMA IF EXISTS shop CASCADE")
    found = psycopg.conninfo.conninfo_to_dict(address)
    login = {"login": found["user"], "password": found["password"], "host": found["host"], "port": found["port"]}
    ask = request.getfixturevalue
    connect("postgres", {"conn_type": "postgres", "schema": found["dbname"], **login}, ask)
    connect("duckdb", {"conn_type": "duckdb", "host": str(tmp_path / "w.duckdb")}, ask)
    return ENGINES[request.param](address, tmp_path, ask)


@pytest.fixture
def ask(request: pytest.FixtureRequest) -> Ask:
    """Gives fixtures by their names."""
    return request.getfixturevalue


@pytest.fixture
def target(bare: Warehouse) -> Warehouse:
    """A warehouse with the table and the token of one consumer."""
    create(bare, TABLE, SCHEMA, ["id"])
    create_token(bare, CONSUMER)
    return bare


def rows_of(*rows: tuple[Any, ...], schema: Mapping[str, pl.DataType] = SCHEMA, gone: tuple[Any, ...] = ()) -> Rows:
    """Staged rows; those of `gone` are marked as deleted."""
    marked = [(*row, False) for row in rows] + [(*row, True) for row in gone]
    columns = {**schema, GONE: pl.Boolean()}
    frame = pl.DataFrame(marked, schema=columns, orient="row")
    return Rows(frame.height, columns, lambda: frame.iter_slices(2))


def plan(token: Token, schema: Mapping[str, pl.DataType] = SCHEMA, table: str = TABLE, key: str = "id") -> LoadPlan:
    return LoadPlan(table, token.staging, tuple(schema), (key,))


def load(target: Warehouse, hop: int, rows: Rows, how: str = "incremental", attempt: int = 7, **more: Any) -> Token:
    token = Token(CONSUMER, hop, attempt)
    target.stage(token, rows)
    target.commit(token, rows.count, strategy(how)(plan(token, **more)))
    return token


def contents(target: Warehouse, table: str = TABLE) -> list[tuple[Any, ...]]:
    return sorted(target.query(exp.select("*").from_(sql.table(table))), key=str)


def staged_tables(target: Warehouse) -> list[str]:
    return [name for (name,) in target.query(sql.staging_tables(target.dialect, CONSUMER))]
