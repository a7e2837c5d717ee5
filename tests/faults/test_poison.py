"""A batch that makes the engine fail or kills the process is set aside while its neighbours arrive."""

from typing import Any

import pytest

from common.core.nouns import Dataset
from tests.faults.workers import Workers, job
from tests.world import World

TRANSACTIONS = Dataset("ecommerce", "transactions")
HEAD = "customer_id,date,number_of_cds,dollar_value\n"
MOST_RUNS = 60


def land(world: World, *names: str) -> None:
    for number, name in enumerate(names):
        world.land(f"transactions/{name}.csv", f"{HEAD}{number:05d},19970101,{len(name)},{number}.00\n".encode())


def incidents(world: World, kind: str) -> list[Any]:
    return world.rows(
        "SELECT i.consumer, coalesce(b.place->>'raw', b.place->>'key', ''), i.closed_at IS NULL FROM incident i "
        f"LEFT JOIN batch b ON b.id = i.batch WHERE i.kind = '{kind}'",
        "ledger",
    )


@pytest.mark.parametrize("how", ["data", "engine", "panic", "error", "kill"])
@pytest.mark.parametrize(("stage", "point"), [("bronze", "landing:stage.before"), ("silver", "silver:stage.before")])
def test_a_poison_batch_is_parked_alone(world: World, forks: Workers, how: str, stage: str, point: str) -> None:
    land(world, "a", "b", "poison", "c", "d")
    forks.run({"do": "look", "domain": "ecommerce"}, world.env)
    if stage == "silver":
        world.flow("bronze")
    hop = f"{TRANSACTIONS}.{stage}"
    plan = [{"at": point, "do": how, "nth": 0, "when": "poison"}]
    runs = 1
    while forks.run(job(hop), world.env, plan).code != 0:
        runs += 1
        assert runs < MOST_RUNS
        if how == "error":  # nobody has classified it, so somebody must look, at its first appearance
            assert [found[2] for found in incidents(world, "unforeseen")][-1:] == [True]
    assert runs > 1 or how in ("data", "engine", "panic")  # a death is forgiven, and forgiven again
    assert incidents(world, "parked") == [(hop, "ecommerce/transactions/poison.csv", True)]
    world.flow()
    assert world.rows("SELECT customer_id FROM ecommerce.fact_transactions ORDER BY 1") == [
        (f"{number:05d}",) for number in (0, 1, 3, 4)
    ]


@pytest.mark.parametrize(
    ("stage", "name", "to", "kind"),
    [("gold", "fact_transactions", "", "model"), ("load", "fact_transactions", "warehouse", "load")],
)
def test_readers_of_tables_stop_in_order_and_go_on_once_mended(
    world: World, forks: Workers, stage: str, name: str, to: str, kind: str
) -> None:
    hop = f"ecommerce.{name}@{to}" if to else f"ecommerce.{name}.{stage}"
    for names in ("first", "second one"):
        land(world, names)
        world.flow("bronze")
        world.flow("silver")
        if stage == "load":
            world.flow("gold")
        for _ in range(2):
            outcome = forks.run(job(hop), world.env, [{"at": f"{kind}:stage.after", "do": "data", "nth": 0}])
            assert outcome.error == "DataError", str(outcome)
    assert incidents(world, "stopped") == [(hop, "", True)]
    assert incidents(world, "parked") == []
    assert forks.run(job(hop), world.env).result["hops"] == [1, 2]
    assert incidents(world, "stopped") == [(hop, "", False)]


@pytest.mark.parametrize(("stage", "kind"), [("gold", "model"), ("load", "load")])
def test_deaths_of_readers_of_tables_never_skip_a_batch(world: World, forks: Workers, stage: str, kind: str) -> None:
    land(world, "a")
    world.flow("bronze")
    world.flow("silver")
    if stage == "load":
        world.flow("gold")
    hop = f"ecommerce.fact_transactions{'@warehouse' if stage == 'load' else '.gold'}"
    for _ in range(7):
        assert forks.run(job(hop), world.env, [{"at": f"{kind}:publish.before", "do": "kill"}]).killed
    assert incidents(world, "parked") == []
    assert forks.run(job(hop), world.env).result["hops"] == [1]
