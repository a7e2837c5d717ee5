"""kill -9 at every point of every kind of hop: the tables end as if nothing had happened."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from common.pipelines import kinds
from common.pipelines.kinds import KINDS
from common.pipelines.look import look
from tests.faults.evidence import Evidence, broken_promises, gather, judge
from tests.faults.plan import STEPS, inside
from tests.faults.workers import Workers, job
from tests.world import UNWATCHED, World, new_world, shop_without, with_mart

OWNER = "dag/run/task/-1"
# The shop fetches nothing and delivers nothing: see test_sources.py and test_deliver.py.
ALL = [stage for stage in kinds.stages() if stage not in ("ingest", "deliver")]
PURCHASES = "customer_id,date,number_of_cds,dollar_value\n"
USERS = "customer_id,name,email,country,signed_up_on,updated_at\n"
FIRST_USER = "{n:05d},N{n},n{n}@x.com,us,1996-01-01,1997-01-01T00:00:00Z\n"
SECOND_USER = "00001,M{n:05d},m{n}@x.com,se,1996-01-01,1998-01-01T00:00:00Z\n"  # corrected: the greatest text stays
THIRD_USER = "00000,L{n},l@x.com,{country},1996-01-01,1998-01-{day:02d}T00:00:00Z\n"  # of many versions, late ones too
HISTORY = "ecommerce.users_history@warehouse"
MART = "ecommerce.versions@warehouse"


@dataclass(frozen=True)
class Subject:
    """A consumer whose hops to kill, its kind, which points inside of a step it passes, and which of the grammar's."""

    consumer: str
    kind: str
    inside: tuple[str, ...] = ()
    grammar: tuple[str, ...] = STEPS

    @property
    def stage(self) -> str:
        return KINDS[self.kind].stage

    @property
    def steps(self) -> tuple[str, ...]:
        return (*self.grammar, *self.inside)


# In the order of the stages: each round goes through all of them.
SUBJECTS = (
    Subject("ecommerce.transactions.bronze", "landing", inside("landing")),
    Subject("ecommerce.transactions.silver", "silver", inside("silver")),  # appends
    Subject("ecommerce.users.silver", "silver"),  # merges
    Subject("ecommerce.fact_transactions.gold", "model"),
    Subject("ecommerce.fact_transactions@warehouse", "load", inside("load")),
    Subject("ecommerce.daily_revenue@duckdb", "load", inside("load")),
    # The grammar is the same for all loads: here only what stands around the intervals.
    Subject(HISTORY, "load", inside("load"), ("stage.after", "publish.after")),
    Subject(MART, "transform", inside("transform"), ("stage.after", "publish.after", "record.during")),
)
ROUNDS = max(len(subject.steps) for subject in SUBJECTS)


def files(number: int) -> Iterator[tuple[str, bytes]]:
    """What lands in one round: good, spoiled, twice the same, and users old and new."""
    good = f"{number:05d},19970101,1,{number}.25\n{number:05d},19970203,2,1.00\nshort\n{number:05d},19979999,1,1.00\n"
    yield f"transactions/{number}/a.csv", (PURCHASES + good).encode()
    yield f"transactions/{number}/b.csv", f"{PURCHASES}00000,19970101,1,{number}.75\n".encode()
    yield f"transactions/{number}/c.csv", (PURCHASES + good).encode()
    yield f"transactions/{number}/empty.csv", b""
    late = THIRD_USER.format(n=number // 5, country="se" if number % 4 else "us", day=number * 11 % 28 + 1)
    yield f"users/{number}/a.csv", (USERS + FIRST_USER.format(n=number + 2)).encode()
    yield f"users/{number}/b.csv", (USERS + SECOND_USER.format(n=number) + late).encode()


def plan(kind: str, step: str) -> list[dict[str, Any]]:
    """Die at a step; those that only an error leads to are provoked."""
    die = {"at": f"{kind}:{step}", "do": "kill"}
    if step.startswith("narrow"):
        return [{"at": f"{kind}:stage.after", "do": "data"}, die]
    if step.startswith("release"):
        return [{"at": f"{kind}:publish.before", "do": "raise"}, die]
    return [die]


def die_at(subject: Subject, step: str, world: World, forks: Workers) -> None:
    """Kill a worker at a step of a hop that has something to do."""
    what: Mapping[str, Any] = job(subject.consumer, OWNER)
    if step.startswith("look"):
        what = {"do": "look", "domain": "ecommerce"}
    if step == "look.deleted":  # only a deletion that was cut off leaves something to delete
        forks.run(job(subject.consumer, OWNER), world.env, plan(subject.kind, "settle.before"))
    outcome = forks.run(what, world.env, plan(subject.kind, step))
    assert outcome.killed, f"{subject.consumer} was not killed at {step}: {outcome}"


def do_round(world: World, number: int, between: Callable[[Subject], None]) -> None:
    """Land the files of a round, and do hop by hop what they need, with `between` before those of each stage."""
    for key, content in files(number):
        world.land(key, content)
    between(LOOK)
    look("ecommerce")
    for stage in ALL:
        for subject in SUBJECTS:
            if subject.stage == stage:
                between(subject)
        for hop in NEEDED[stage]:
            world.do(hop, owner=OWNER)


LOOK = Subject(SUBJECTS[0].consumer, "landing")
NEEDED: dict[str, list[str]] = {
    "ingest": [],  # the shop has no sources; tests/faults/test_sources.py kills their hops
    "bronze": ["ecommerce.transactions.bronze", "ecommerce.users.bronze"],
    "silver": ["ecommerce.transactions.silver", "ecommerce.users.silver"],
    "gold": ["ecommerce.fact_transactions.gold", "ecommerce.daily_revenue.gold"],
    "load": ["ecommerce.fact_transactions@warehouse", "ecommerce.daily_revenue@duckdb", HISTORY],
    "transform": [MART],
}


@pytest.fixture(scope="module")
def domains() -> Path:
    return with_mart(shop_without(*UNWATCHED))


@pytest.fixture
def world(stack: Mapping[str, str], tmp_path: Path, domains: Path) -> Iterator[World]:
    with new_world(stack, tmp_path, "ecommerce", domains) as made:
        yield made


@pytest.fixture(scope="module")
def expected(stack: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory, domains: Path) -> Evidence:
    """How the same files end in a world where nobody dies."""
    with new_world(stack, tmp_path_factory.mktemp("calm"), "ecommerce", domains) as calm:
        for number in range(ROUNDS):
            for key, content in files(number):
                calm.land(key, content)
        calm.flow()
        assert broken_promises(calm) == []
        return gather(calm)


def test_a_death_at_any_point_of_any_hop_changes_nothing(expected: Evidence, world: World, forks: Workers) -> None:
    killed: set[tuple[str, str]] = set()
    for number in range(ROUNDS):

        def strike(subject: Subject, number: int = number) -> None:
            steps = subject.steps if subject is not LOOK else ("look.before", "look.after")
            if number >= len(steps) or (subject is not LOOK and steps[number] in ("look.before", "look.after")):
                return
            die_at(subject, steps[number], world, forks)
            killed.add((subject.consumer, steps[number]))

        do_round(world, number, strike)
    world.flow(owner=OWNER)
    assert judge(expected, gather(world), broken_promises(world)).said == []
    assert killed == {(subject.consumer, step) for subject in SUBJECTS for step in subject.steps}


def test_every_stage_has_its_deaths() -> None:
    assert {subject.stage for subject in SUBJECTS} == set(ALL)
