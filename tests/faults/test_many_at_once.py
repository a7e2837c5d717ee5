"""Many runs of the same consumers at once, from two environments, on one ledger: each batch is taken once."""

from collections.abc import Mapping
from pathlib import Path

from tests.faults.evidence import broken_promises, gather, judge
from tests.faults.proxy import proxy
from tests.faults.traffic import files
from tests.faults.workers import Workers, workers
from tests.world import World, new_world

SEED, ROUNDS, RUNS = 3, 2, 6


def land(world: World, number: int) -> None:
    for key, content in files(SEED, f"round{number}", 10):
        world.land(key, content)


def test_six_runs_from_two_environments_take_each_batch_once(
    stack: Mapping[str, str], tmp_path: Path, forks: Workers
) -> None:
    with new_world(stack, tmp_path / "calm", "ecommerce") as calm:
        for number in range(ROUNDS):
            land(calm, number)
            calm.flow()
        expected = gather(calm)
    with (
        new_world(stack, tmp_path / "crowded", "ecommerce") as crowded,
        proxy(stack["AWS_ENDPOINT_URL"]) as between,
        workers({**stack, "AWS_ENDPOINT_URL": between.url}, tmp_path / "others") as others,
    ):
        there = {**crowded.env, "AWS_ENDPOINT_URL": between.url, "AIRFLOW_HOME": str(tmp_path / "airflow")}
        published = 0
        for number in range(ROUNDS):
            land(crowded, number)
            at_once = [
                (others if run % 2 else forks).start(
                    {"do": "flow", "domain": "ecommerce", "owner": f"run-{run}"}, there if run % 2 else crowded.env
                )
                for run in range(RUNS)
            ]
            for worker in at_once:
                outcome = worker.wait()
                assert outcome.code == 0, str(outcome)
                published += outcome.result["published"]
        assert published > 0
        crowded.flow()
        assert judge(expected, gather(crowded), broken_promises(crowded)).said == []
