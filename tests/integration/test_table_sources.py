"""Tables of databases as sources: PostgreSQL and MariaDB, by watermark and one a day."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from common.cli.main import app
from common.core.clock import now
from common.core.errors import ConfigError, SourceUnavailable
from common.ledger.incidents import MISSING, RELEASED, open_of
from common.pipelines.kinds import consumer_named
from common.pipelines.work import work
from common.repair.decide import end_parked, waive
from common.upkeep.verify import verify
from common.upkeep.watch import watch
from tests.databases import mariadb
from tests.origins import COLUMNS, ID, Database, fetching, mysql, postgres
from tests.world import World, by

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
        database.run(CREATE[database.kind])
        yield world


def put(database: Database, number: int, at: str, price: str = "1.500") -> None:
    with database.engine.begin() as connection:
        if database.kind == "mysql":
            connection.exec_driver_sql("SET time_zone = '+00:00'")
        zoned = f"{at}+00" if database.kind == "postgres" else at
        connection.exec_driver_sql(f"INSERT INTO orders VALUES ({number}, {price}, '00{number}', '{zoned}')")


def silver(world: World) -> list[tuple[Any, ...]]:
    return sorted(world.silver("orders").select("id", "price", "code", "at").rows())


def row(number: int, hour: int, minute: int = 0, price: str = "1.500") -> tuple[Any, ...]:
    return number, Decimal(price), f"00{number}", datetime(2026, 1, 5, hour, minute, tzinfo=UTC)


def ranges(world: World) -> list[dict[str, Any]]:
    found = world.rows("SELECT place FROM batch WHERE asset LIKE '%.source' ORDER BY number", "ledger")
    return [place for (place,) in found]


def why(consumer: str = INGEST) -> str:
    """Do the work that must give nothing to ring, and tell why."""
    done, ring = work(consumer_named(consumer), "test", "run")
    assert ring is None
    return done.why


def test_a_table_arrives_by_its_watermark_and_late_commits_with_the_overlap(shop: World, database: Database) -> None:
    assert why() == "table orders is empty"
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
    database.run("UPDATE orders SET price = 2.25, at = at + INTERVAL '1' MINUTE WHERE id = 2")
    assert why().startswith("table orders has nothing new after at = 2026-01-05T11:00:00")  # beyond the overlap
    database.run("UPDATE orders SET price = 2.25, at = at + INTERVAL '61' MINUTE WHERE id = 2")
    shop.flow()
    assert silver(shop)[1] == row(2, 10, 57, "2.250")
    found = ranges(shop)
    assert len(found) == 4, "a look that finds nothing new pins nothing"
    assert [one.get("after", "")[11:16] for one in found] == ["", "09:50", "09:50", "10:50"]
    assert list(verify()) == []


def test_lineage_leads_from_a_row_of_silver_to_the_range_that_was_fetched_and_back(
    shop: World, database: Database
) -> None:
    put(database, 1, "2026-01-05 10:00:00")
    shop.flow()
    (pinned,) = shop.rows("SELECT id FROM batch WHERE asset = 'lab.orders.source'", "ledger")[0]
    up = json.loads(CliRunner().invoke(app, ["lineage", "up", "lab.orders", "--json"]).output)
    assert [row["asset"].rpartition(".")[2] for row in up] == ["silver", "bronze", "raw", "source"]
    assert (up[-1]["id"], up[-1]["origin"], up[-1]["hops"]) == (pinned, "orders", f"{INGEST} #1")
    down = json.loads(CliRunner().invoke(app, ["lineage", "down", pinned, "--json"]).output)
    assert {row["id"] for row in down} == {row["id"] for row in up}


def test_a_table_that_grows_while_it_is_read_gives_what_was_pinned_and_the_rest_next(
    shop: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from common.sources.watermark import WatermarkTable

    put(database, 1, "2026-01-05 10:00:00")
    fetch = WatermarkTable.fetch

    def grown(self: WatermarkTable, *args: Any) -> int:
        monkeypatch.setattr(WatermarkTable, "fetch", fetch)
        put(database, 2, "2026-01-05 12:00:00")
        return fetch(self, *args)

    monkeypatch.setattr(WatermarkTable, "fetch", grown)
    shop.flow()
    assert silver(shop) == [row(1, 10)]
    shop.flow()
    assert silver(shop) == [row(1, 10), row(2, 12)]


def test_what_is_gone_when_it_is_fetched_is_an_empty_range(
    shop: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from common.sources.watermark import WatermarkTable

    put(database, 1, "2026-01-05 10:00:00")
    fetch = WatermarkTable.fetch

    def emptied(self: WatermarkTable, *args: Any) -> int:
        database.run("DELETE FROM orders")
        return fetch(self, *args)

    monkeypatch.setattr(WatermarkTable, "fetch", emptied)
    assert why() == "what there was to take is empty or gone"
    assert shop.keys("raw/") == []
    assert shop.rows("SELECT taken, good, merged, rung FROM hop WHERE consumer = 'lab.orders.raw'", "ledger") == [
        (1, 0, 1, True)
    ]


def test_what_cannot_be_read_is_named_with_what_to_do(shop: World, database: Database) -> None:
    database.run("INSERT INTO orders VALUES (1, 1, 'a', NULL)")
    with pytest.raises(ConfigError, match="rows without at: they would never be read"):
        shop.do(INGEST)
    database.run("DROP TABLE orders", "CREATE TABLE orders (id bigint)")
    with pytest.raises(ConfigError, match=r"has no column 'at'\. It has: id"):
        shop.do(INGEST)
    binary = "bytea" if database.kind == "postgres" else "blob"
    database.run("DROP TABLE orders")
    with pytest.raises(ConfigError, match="There is no table orders in the database of Airflow Connection 'shop'"):
        shop.do(INGEST)
    database.run(
        f"CREATE TABLE orders (id bigint, code {binary}, at timestamp)",
        "INSERT INTO orders VALUES (1, 'x', '2026-01-01')",
    )
    with pytest.raises(ConfigError, match="has bytes in code, which the contract reads"):
        shop.do(INGEST)
    assert shop.rows("SELECT count(*) FROM hop WHERE state = 'published'", "ledger") == [(0,)]


def test_a_database_that_does_not_answer_is_tried_again_and_a_wrong_password_is_not(
    shop: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {**database.connection, "login": "nobody_here", "password": "x"}
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps(wrong))
    with pytest.raises(ConfigError, match="Check the connection's user"):
        shop.do(INGEST)
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({**database.connection, "port": 1}))
    with pytest.raises(SourceUnavailable, match="will be tried again"):
        shop.do(INGEST)
    monkeypatch.delenv("AIRFLOW_CONN_SHOP")
    with pytest.raises(ConfigError, match="set AIRFLOW_CONN_SHOP"):
        shop.do(INGEST)


NAIVE = datetime.fromisoformat("2026-01-05T10:00:00.123456")
TYPES = {
    "postgres": {
        "i": ("bigint", "9223372036854775807", 9223372036854775807),
        "n": (
            "numeric(38,10)",
            "1234567890123456789012345678.0123456789",
            Decimal("1234567890123456789012345678.0123456789"),
        ),
        "u": ("numeric", "1.50", "1.50"),
        "f": ("double precision", "0.1", 0.1),
        "b": ("boolean", "true", True),
        "d": ("date", "'0001-01-01'", date(1, 1, 1)),
        "t": ("timestamp", "'2026-01-05 10:00:00.123456'", NAIVE),
        "z": ("timestamptz", "'2026-01-05 10:00:00+02'", datetime(2026, 1, 5, 8, tzinfo=UTC)),
        "s": ("text", "'00ü'", "00ü"),
        "j": ("jsonb", "'{\"a\": 1.10}'", '{"a": 1.10}'),
        "g": ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        "a": ("int[]", "'{1,2}'", "{1,2}"),
        "x": ("bytea", "'x'", None),
    },
    "mysql": {
        "i": ("bigint unsigned", "18446744073709551615", 18446744073709551615),
        "n": (
            "decimal(38,10)",
            "1234567890123456789012345678.0123456789",
            Decimal("1234567890123456789012345678.0123456789"),
        ),
        "u": ("decimal(65,2)", "1.50", "1.50"),
        "f": ("double", "0.1", 0.1),
        "b": ("tinyint(1)", "1", 1),
        "d": ("date", "'1000-01-01'", date(1000, 1, 1)),
        "t": ("datetime(6)", "'2026-01-05 10:00:00.123456'", NAIVE),
        "z": ("timestamp", "'2026-01-05 08:00:00'", datetime(2026, 1, 5, 8, tzinfo=UTC)),
        "s": ("varchar(9)", "'00ü'", "00ü"),
        "j": ("json", "'{\"a\": 1.10}'", '{"a": 1.10}'),
        "g": ("enum('a','b')", "'b'", "b"),
        "a": ("time", "'08:30:00'", "08:30:00"),
        "x": ("blob", "'x'", None),
    },
}


def test_types_are_kept(shop: World, database: Database, tmp_path: Path) -> None:
    from common.contracts.catalogue import contract_of
    from common.core.nouns import Dataset
    from common.sources.registry import source_of
    from common.sources.source import Known

    types = TYPES[database.kind]
    database.run("DROP TABLE orders")
    with database.engine.begin() as connection:
        if database.kind == "mysql":
            connection.exec_driver_sql("SET time_zone = '+00:00'")
        columns = ", ".join(f"{name} {kind}" for name, (kind, _, _) in types.items())
        connection.exec_driver_sql(f"CREATE TABLE orders ({columns}, at timestamp(3), nothing date)")
        values = ", ".join(value for _, value, _ in types.values())
        connection.exec_driver_sql(f"INSERT INTO orders VALUES ({values}, '2026-01-05 10:00:00', NULL)")
    source = source_of(contract_of(Dataset("lab", "orders")))
    (pinned,) = source.look(Known(now())).ranges
    assert source.fetch(pinned, tmp_path / "out") == 1
    (found,) = pl.read_parquet(tmp_path / "out").to_dicts()
    assert found.pop("nothing") is None and "x" not in found
    assert {name: found[name] for name in found if name != "at"} == {
        name: value for name, (_, _, value) in types.items() if name != "x"
    }


def test_a_value_that_no_file_can_hold_parks_its_range_alone(shop: World, database: Database) -> None:
    if database.kind != "postgres":
        pytest.skip("PostgreSQL has a date that is none: infinity")
    database.run("ALTER TABLE orders ADD due date")
    with database.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO orders VALUES (1, 1.5, '001', '2026-01-05 08:00+00', 'infinity')")
    put_more(database, 2, "10:00")
    shop.do(INGEST)
    assert shop.rows("SELECT kind, detail LIKE 'SourceError:%' FROM incident", "ledger") == [("parked", True)]
    database.run("UPDATE orders SET due = NULL")
    put_more(database, 3, "12:00")
    shop.flow()
    assert silver(shop) == [row(2, 10), row(3, 12)], "the neighbours arrive, and what the overlap holds"
    ((batch,),) = shop.rows("SELECT batch FROM incident", "ledger")
    end_parked(INGEST, batch, RELEASED, by("the date was mended"))
    shop.flow()
    assert silver(shop) == [row(1, 8), row(2, 10), row(3, 12)]


def put_more(database: Database, number: int, clock: str) -> None:
    with database.engine.begin() as connection:
        values = f"({number}, 1.5, '00{number}', '2026-01-05 {clock}+00', NULL)"
        connection.exec_driver_sql(f"INSERT INTO orders VALUES {values}")


FORMS = {
    "kind": "table", "conn": "shop", "schedule": "0 * * * *", "zone": "Europe/Berlin",
    "table": "form_%Y_%m_%d", "since": "{since}", "due": "06:00",
}  # fmt: skip


@pytest.fixture
def forms(stack: Mapping[str, str], tmp_path: Path) -> Iterator[tuple[World, Database]]:
    """A dataset without a key, since five days ago; the last of these days is not due yet for another day."""
    database = postgres(stack)
    first = (now() - timedelta(days=5)).date()
    words = {"columns": (ID, *COLUMNS), "source": {**FORMS, "since": first.isoformat(), "due": "23:59"}}
    with fetching(stack, tmp_path, {"forms": words}, shop=database.connection) as world:
        yield world, database


def table(database: Database, day: date, *ids: int) -> None:
    name = f"form_{day:%Y_%m_%d}"
    database.run(f"CREATE TABLE {name} (id bigint, code text)")
    for number in ids:
        database.run(f"INSERT INTO {name} VALUES ({number}, 'x')")


class NoRuns:
    def ended(self, dag_id: str, run_id: str) -> bool:
        return False

    def successes(self, dag_id: str) -> int:
        return 0


def missing(world: World) -> list[str]:
    from common.ledger.database import transaction

    watch(NoRuns())
    with transaction() as connection:
        return [one.batch for one in open_of(connection, [MISSING])]


def test_days_arrive_as_their_own_and_one_that_is_missing_alerts_until_it_comes(
    forms: tuple[World, Database],
) -> None:
    world, database = forms
    days = [(now() - timedelta(days=5 - n)).date() for n in range(6)]
    table(database, days[0], 1, 2)
    table(database, days[2], 1, 2)  # the same rows, of another day
    table(database, days[5], 9)  # today's grows still
    assert missing(world) == [], "a source that was applied a moment ago has a day to catch up"
    world.flow()
    assert sorted(world.silver("forms")["id"]) == [1, 1, 2, 2]
    world.rows("UPDATE consumer SET applied_at = applied_at - interval '9 days' RETURNING 1", "ledger")
    assert missing(world) == [str(days[1]), str(days[3])]
    assert f"table form_{days[4]:%Y_%m_%d} of {days[4]} is not there: it is due by 23:59 of the next day" in why(
        "lab.forms.raw"
    )
    table(database, days[1], 3)
    table(database, days[3])
    world.flow()
    assert sorted(world.silver("forms")["id"]) == [1, 1, 2, 2, 3]
    assert missing(world) == []
    found = world.rows("SELECT partition FROM batch WHERE asset = 'lab.forms.source' ORDER BY partition", "ledger")
    assert [day for (day,) in found] == [str(day) for day in days[:4]]


def test_a_day_that_will_never_come_is_waived(forms: tuple[World, Database]) -> None:
    world, _ = forms
    world.rows("UPDATE consumer SET applied_at = applied_at - interval '9 days' RETURNING 1", "ledger")
    for day in missing(world):
        from common.core.nouns import Dataset

        waive(Dataset("lab", "forms"), day, by("a holiday"))
    assert missing(world) == []


def test_a_table_of_a_day_that_is_dropped_before_it_is_read_is_fetched_when_it_is_there_again(
    forms: tuple[World, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    from common.sources.daytables import DayTables

    world, database = forms
    day = (now() - timedelta(days=5)).date()
    table(database, day, 1)
    fetch = DayTables.fetch

    def dropped(self: DayTables, *args: Any) -> int:
        monkeypatch.setattr(DayTables, "fetch", fetch)
        database.run(f"DROP TABLE form_{day:%Y_%m_%d}")
        return fetch(self, *args)

    monkeypatch.setattr(DayTables, "fetch", dropped)
    assert why("lab.forms.raw") == "what there was to take is empty or gone"
    table(database, day, 2)
    world.flow()
    assert world.silver("forms")["id"].to_list() == [2]
