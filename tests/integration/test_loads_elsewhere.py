"""What lands reaches warehouses that others host, whole and once: each hop of a load, on the stand-ins."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlglot import exp

from common.core.assets import Zone
from common.core.settings import HOSTED
from common.load.plan import LoadPlan, Strategy
from common.load.strategies import strategy
from common.repair.decide import backfill_whole
from common.upkeep.apply import apply
from common.upkeep.verify import verify
from common.warehouses import sql
from common.warehouses.registry import warehouse
from common.warehouses.warehouse import Statement
from common.zones.store import ZoneStore
from devstack.stack import running
from tests import lab
from tests.contracts import write_contract
from tests.world import World, by, forget, new_world

WORDS = ("warehouse", *HOSTED)
LOADS = f"[{', '.join(f'{{to: {word}, strategy: incremental}}' for word in WORDS)}]"


def write(folder: Path) -> Path:
    domain = folder / "domains" / "lab"
    write_contract(domain, "keyed", (lab.KEY, *lab.COLUMNS), {"latest": "[at]", "load": LOADS})
    return domain.parent


@pytest.fixture
def world(stack: Mapping[str, str], elsewhere: Mapping[str, str], tmp_path: Path) -> Iterator[World]:
    with new_world({**stack, **elsewhere}, tmp_path, "lab", write(tmp_path)) as made:
        apply()  # a world that is copied has nothing elsewhere
        yield made


def rows(word: str) -> list[tuple[Any, ...]]:
    columns = [sql.column(name) for name in ("k", "at", "v", "n", "day")]
    return sorted(warehouse(word).query(exp.select(*columns).from_(sql.table("lab.keyed"))))


def same_everywhere() -> list[tuple[Any, ...]]:
    found = rows("warehouse")
    for word in WORDS:
        assert rows(word) == found, word
    assert list(verify()) == []
    return found


def test_every_warehouse_has_what_the_lake_has_and_no_part_is_left(world: World) -> None:
    lab.deliver(world, "keyed/1.csv", "a,1,x,1.5,2024-01-01", "b,1,é😀,,", "c,1,,0.01,0001-01-01")
    lab.deliver(world, "keyed/2.csv", "b,2,it's,2.25,9999-12-31", "d,1,y,3,2024-02-01")
    assert [row[0] for row in same_everywhere()] == ["a", "b", "c", "d"]
    backfill_whole(lab.KEYED, by("a test"))
    world.flow()
    assert len(same_everywhere()) == 4
    assert list(ZoneStore(Zone.STAGING).list()) == []


def test_where_trailing_blanks_do_not_count_a_load_compares_the_lengths_of_keys(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[LoadPlan] = []

    def told(name: str) -> Strategy:
        def statements(plan: LoadPlan) -> list[Statement]:
            plans.append(plan)
            return strategy(name)(plan)

        return statements

    monkeypatch.setattr("common.pipelines.loading.strategy", told)
    lab.deliver(world, "keyed/1.csv", "a,1,x,1,2024-01-01")
    assert len(same_everywhere()) == 1
    assert sorted(plan.padded for plan in plans) == [(), (), ("k",)], "of the engines Redshift alone"


def test_a_stack_starts_the_stand_ins_that_its_domains_load_and_applies_to_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    domains = {"WATERSHED_DOMAINS_DIR": str(write(tmp_path))}
    with running(tmp_path / "state", ("apply",), domains) as env:
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        forget()
        for word in WORDS:
            assert warehouse(word).query(sql.count("lab.keyed")) == [(0,)]
    forget()
