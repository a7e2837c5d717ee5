"""The telecoms domain from its systems to marts in Snowflake, compared row by row with a plain recount."""

import json
import shutil
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlglot import exp

from common.core.clock import now
from common.upkeep.verify import verify
from common.warehouses import sql
from common.warehouses.registry import warehouse
from devstack.folder import INCLUDE
from domains.telecoms.samples.days import SHEET, TAB, Deliveries, Size, deliveries
from tests import recount_telecoms as recount
from tests.origins import Database, postgres
from tests.seed import SEED
from tests.world import World, new_world

DAYS = 6
SMALL = Size(customers=60, agents=12, calls=25, posts=15, forms=10)
COLUMNS = (
    'request_id text, "customeR iD" text, "COMPLAINT_catego ry" text, "agent ID" integer, resolutionstatus text, '
    'request_date timestamp, resolution_date timestamp, "webFormGenerationDate" date'
)


@pytest.fixture(scope="module")
def days() -> Deliveries:
    yesterday = now().date() - timedelta(days=1)
    return deliveries(DAYS, SEED, yesterday, SMALL)


@pytest.fixture
def web(stack: Mapping[str, str], days: Deliveries) -> Database:
    """The web form's database, with a table a day."""
    database = postgres(stack)
    for table in days.tables:
        database.run(f"CREATE TABLE {table.name} ({COLUMNS})")
        names = ", ".join(f'"{name}"' for name in table.rows[0])
        values = ", ".join(f":v{number}" for number in range(len(table.rows[0])))
        for row in table.rows:
            told = {f"v{number}": value or None for number, value in enumerate(row.values())}
            database.run(f"INSERT INTO {table.name} ({names}) VALUES ({values})", **told)
    return database


@pytest.fixture
def centre(
    stack: Mapping[str, str],
    tmp_path: Path,
    web: Database,
    snowflake: tuple[int, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    shutil.copytree(
        INCLUDE / "domains" / "telecoms", tmp_path / "domains" / "telecoms", ignore=shutil.ignore_patterns("samples")
    )
    port, bundle = snowflake
    place = {
        "account": "telecoms",
        "host": "localhost",
        "port": port,
        "database": f"T{tmp_path.name[-8:]}".replace("-", "_"),
    }
    connection = {"conn_type": "snowflake", "login": "u", "password": "p", "extra": place}
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    env = {
        **stack,
        "AIRFLOW_CONN_WAREHOUSE_SNOWFLAKE": json.dumps(connection),
        "AIRFLOW_CONN_TELECOMS_WEB": json.dumps(web.connection),
    }
    with new_world(env, tmp_path, "telecoms", tmp_path / "domains") as made:
        yield made


def share(stack: Mapping[str, str], sheet: Any) -> None:
    httpx.put(f"{stack['STANDINS_URL']}/google/sheets/{SHEET}", json={"sheets": {TAB: sheet}}).raise_for_status()


def table(name: str, *columns: str) -> list[tuple[Any, ...]]:
    query = exp.select(*map(sql.column, columns)).from_(sql.table(f"telecoms.{name}"))
    return sorted(warehouse("snowflake").query(query), key=str)


def test_every_row_arrives_as_a_plain_recount_has_it(centre: World, stack: Mapping[str, str], days: Deliveries) -> None:
    files = [(drop.key, drop.content) for drop in days.drops]
    share(stack, days.sheets[0])
    for key, content in files:
        centre.land(key, content)
    centre.flow()
    share(stack, days.sheets[1])
    centre.flow()
    known = recount.complaints(files, [list(one.rows) for one in days.tables])
    stream = ("channel", "complaint_id", "customer_id", "agent_id", "category", "status", "requested_at", "resolved_at")
    assert [_naive(row) for row in table("complaints", *stream)] == sorted(map(_naive, known), key=str)
    people = ("customer_id", "name", "gender", "born_on", "email", "address", "is_current")
    assert table("customers", *people) == sorted(recount.customers(files), key=str)
    staff = recount.agents(days.sheets)
    assert table("agents", "agent_id", "name", "experience", "state", "is_current") == sorted(staff, key=str)
    assert table("complaints_by_state", "state", "channel", "complaints", "resolved", "minutes") == sorted(
        recount.by_state(known, staff), key=str
    )
    assert dict(table("customers_waiting", "customer_id", "open_complaints")) == recount.waiting(known)
    assert list(verify()) == []


def _naive(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(value.replace(tzinfo=None) if isinstance(value, datetime) else value for value in row)


def test_a_day_that_arrives_late_is_loaded_as_its_own_day(centre: World, days: Deliveries) -> None:
    logs = [drop for drop in days.drops if drop.key.startswith("call logs/")]
    late = logs[-1]
    for drop in logs[:-1]:
        centre.land(drop.key, drop.content)
    centre.flow("bronze", "silver", "gold")
    before = centre.lake("gold", "resolution_times")["complaints"].sum()
    centre.land(late.key, late.content)
    centre.flow("bronze", "silver", "gold")
    day = date.fromisoformat(late.key.partition("call_logs_")[2][:10])
    assert centre.lake("gold", "resolution_times")["complaints"].sum() == before + SMALL.calls
    told = centre.rows(
        "SELECT partition FROM batch WHERE asset = 'telecoms.call_logs.raw' ORDER BY number DESC LIMIT 1", "ledger"
    )
    assert told == [(str(day),)]
