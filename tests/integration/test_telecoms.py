"""The telecoms domain from its systems to marts in Snowflake, compared row by row with a plain recount."""

import random
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlglot import exp

from common.core.clock import now
from common.observe.verbs import Moment, listening
from common.pipelines.kinds import KINDS
from common.upkeep.verify import verify
from common.warehouses import sql
from common.warehouses.registry import warehouse
from domains.telecoms.samples.days import Deliveries, Size, deliveries
from tests import recount_telecoms as recount
from tests.call_centre import call_centre, make_tables, share
from tests.faults.plan import STEPS, inside
from tests.origins import Database, postgres
from tests.seed import SEED
from tests.world import World

DAYS = 6
SMALL = Size(customers=60, agents=12, calls=25, posts=15, forms=10)


@pytest.fixture(scope="module")
def days() -> Deliveries:
    yesterday = now().date() - timedelta(days=1)
    return deliveries(DAYS, SEED, yesterday, SMALL)


@pytest.fixture
def web(stack: Mapping[str, str], days: Deliveries) -> Database:
    """The web form's database, with a table a day."""
    database = postgres(stack)
    make_tables(database, days.tables)
    return database


@pytest.fixture
def centre(stack: Mapping[str, str], tmp_path: Path, web: Database, snowflake: tuple[int, Path]) -> Iterator[World]:
    with call_centre(stack, tmp_path, web, snowflake) as made:
        yield made


def flow_with_deaths(world: World, chance: random.Random) -> None:
    """Do all that is due, dying once in each kind of hop; the retry of the same task takes over at once."""
    points = [f"{kind}:{chance.choice((*STEPS, *inside(kind)))}" for kind in KINDS]
    listener = Once(points)
    for _ in range(len(points) + 1):
        with listening(listener), suppress(Death):
            world.flow()
            return
    raise AssertionError(f"it died more than once at {points}")


class Death(BaseException):
    """The end of a worker."""


class Once:
    """Die at each of some points, once."""

    def __init__(self, points: list[str]) -> None:
        self.left = set(points)

    def __call__(self, moment: Moment) -> None:
        if moment.name in self.left:
            self.left.remove(moment.name)
            raise Death


def table(name: str, *columns: str) -> list[tuple[Any, ...]]:
    query = exp.select(*map(sql.column, columns)).from_(sql.table(f"telecoms.{name}"))
    return sorted(warehouse("snowflake").query(query), key=str)


def test_every_row_arrives_as_a_plain_recount_has_it(centre: World, stack: Mapping[str, str], days: Deliveries) -> None:
    files = [(drop.key, drop.content) for drop in days.drops]
    chance = random.Random(SEED)
    share(stack, days.sheets[0])
    for key, content in files:
        centre.land(key, content)
    flow_with_deaths(centre, chance)
    share(stack, days.sheets[1])
    flow_with_deaths(centre, chance)
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
    counted = ("complaints", "resolved", "minutes")
    times = table("resolution_times", "month", "channel", "category", *counted)
    assert times == sorted(recount.resolution_times(known), key=str)
    assert table("agent_performance", "agent_id", *counted) == sorted(recount.performance(known, staff), key=str)
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
