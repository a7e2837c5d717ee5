"""Tables of databases as sources: PostgreSQL and MariaDB, by watermark and one a day."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.databases import mariadb
from tests.origins import Database, fetching, mysql, postgres
from tests.world import World

ORDERS = {
    "kind": "table",
    "conn": "shop",
    "schedule": "*/5 * * * *",
    "table": "orders",
    "watermark": "at",
    "overlap": "10m",
}
INGEST = "lab.orders.raw"
CREATE = {
    "postgres": "CREATE TABLE orders (id bigint, price numeric(12,3), code text, at timestamptz)",
    "mysql": "CREATE TABLE orders (id bigint, price decimal(12,3), code varchar(20), at timestamp(6) NULL)",
}


@pytest.fixture(scope="module")
def maria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with mariadb(tmp_path_factory.mktemp("mariadb")) as port:
        yield port


@pytest.fixture(params=["postgres", "mysql"])
def database(request: pytest.FixtureRequest, stack: Mapping[str, str]) -> Database:
    if request.param == "mysql":
        return mysql(request.getfixturevalue("maria"))
    return postgres(stack)


@pytest.fixture
def shop(stack: Mapping[str, str], tmp_path: Path, database: Database) -> Iterator[World]:
    source = {"latest": ["at"], "source": ORDERS}
    with fetching(stack, tmp_path, {"orders": source}, shop=database.connection) as world:
        database.run(CREATE[database.connection["conn_type"]])
        yield world


def put(database: Database, number: int, at: str, price: str = "1.500") -> None:
    zoned = f"{at}+00" if database.connection["conn_type"] == "postgres" else at
    database.run("SET time_zone = '+00:00'") if zoned == at else None
    with database.engine.begin() as connection:
        if zoned == at:
            connection.exec_driver_sql("SET time_zone = '+00:00'")
        connection.exec_driver_sql(f"INSERT INTO orders VALUES ({number}, {price}, '00{number}', '{zoned}')")


def silver(world: World) -> list[tuple[Any, ...]]:
    return sorted(world.silver("orders").select("id", "price", "code", "at").rows())


def row(number: int, hour: int, minute: int = 0, price: str = "1.500") -> tuple[Any, ...]:
    return number, Decimal(price), f"00{number}", datetime(2026, 1, 5, hour, minute, tzinfo=UTC)


def test_a_table_arrives_by_its_watermark_and_late_commits_with_the_overlap(shop: World, database: Database) -> None:
    put(database, 1, "2026-01-05 10:00:00")
    shop.flow()
    assert silver(shop) == [row(1, 10)]
    put(database, 2, "2026-01-05 09:55:00")  # committed late, below the watermark
    shop.flow()
    assert silver(shop) == [row(1, 10), row(2, 9, 55)]
    put(database, 3, "2026-01-05 11:00:00")
    put(database, 4, "2026-01-05 09:52:00")
    shop.flow()
    assert silver(shop) == [row(1, 10), row(2, 9, 55), row(3, 11), row(4, 9, 52)]
    counted = shop.rows("SELECT count(*) FROM batch WHERE asset = 'lab.orders.source'", "ledger")
    shop.flow()
    assert counted == shop.rows("SELECT count(*) FROM batch WHERE asset = 'lab.orders.source'", "ledger") == [(3,)]
