"""PostgreSQL and the object store die in the middle of hops and come back."""

import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from common.pipelines.kinds import KINDS
from tests.faults.evidence import broken_promises, gather, judge
from tests.faults.services import await_return, folder_of, strike
from tests.faults.traffic import files
from tests.faults.workers import Workers, job
from tests.world import World, new_world

SEED, OWNER = 11, "dag/run/task/-1"
TRANSIENT = {"StoreUnavailable", "TargetUnavailable", "CommitConflict", "LeaseLost", "MachineUnavailable"}
MOMENTS = {
    "postgres": ("landing:publish.before", "silver:publish.after", "model:manifest.after", "load:publish.commit"),
    "s3": ("landing:stage.copied", "silver:publish.before", "model:publish.before", "load:stage.rows"),
}
CONSUMERS = {
    "landing": "ecommerce.transactions.bronze",
    "silver": "ecommerce.transactions.silver",
    "model": "ecommerce.fact_transactions.gold",
    "load": "ecommerce.fact_transactions@warehouse",
}


@pytest.mark.parametrize(("service", "how"), [("postgres", signal.SIGKILL), ("s3", signal.SIGTERM)])
def test_a_service_that_dies_during_hops_loses_and_doubles_nothing(
    stack: Mapping[str, str], tmp_path: Path, forks: Workers, service: str, how: signal.Signals
) -> None:
    """The worker is frozen at a point, the service dies and comes back, and the worker goes on."""
    folder = folder_of(stack)
    with new_world(stack, tmp_path / "calm", "ecommerce") as calm:
        land(calm)
        calm.flow()
        expected = gather(calm)
    with new_world(stack, tmp_path / "struck", "ecommerce") as struck:
        land(struck)
        forks.run({"do": "look", "domain": "ecommerce"}, struck.env)
        for moment in MOMENTS[service]:
            kind = moment.split(":")[0]
            hop = CONSUMERS[kind]
            worker = forks.start(job(hop), struck.env, [{"at": moment, "do": "stop"}])
            assert worker.frozen(), str(worker.wait())
            restarts = strike(folder, service, how)
            while_down = forks.run(job("ecommerce.users.silver"), struck.env) if kind == "silver" else None
            assert while_down is None or while_down.error in {"", *TRANSIENT}, str(while_down)
            await_return(folder, service, restarts)
            worker.signal(signal.SIGCONT)
            outcome = worker.wait()
            assert outcome.error in {"", *TRANSIENT}, str(outcome)
            struck.flow(KINDS[kind].stage, owner=OWNER)
        struck.flow(owner=OWNER)
        assert judge(expected, gather(struck), broken_promises(struck)).said == []


def land(world: World) -> None:
    for key, content in files(SEED, "services", 12):
        world.land(key, content)
