"""An object store, a disk and a clock that misbehave: nothing is parked, lost or doubled."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from common.core.nouns import Consumer
from common.pipelines.kinds import KINDS, consumers, stages
from tests.faults.evidence import Evidence, broken_promises, gather, judge
from tests.faults.proxy import Chooser, Proxy, proxy, seeded
from tests.faults.traffic import files
from tests.faults.workers import Outcome, Workers, job
from tests.world import World, new_world

SEED, FILES = 7, 14
TRANSIENT = {"StoreUnavailable", "TargetUnavailable", "CommitConflict", "LeaseLost", "MachineUnavailable"}


@pytest.fixture(scope="module")
def undisturbed(stack: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """How the same files end in a world where nothing goes wrong."""
    with new_world(stack, tmp_path_factory.mktemp("calm"), "ecommerce") as calm:
        land(calm)
        calm.flow()
        assert broken_promises(calm) == []
        return gather(calm)


def land(world: World) -> None:
    for key, content in files(SEED, "store", FILES):
        world.land(key, content)


def through(world: World, at: Proxy) -> dict[str, str]:
    """The environment of a world whose store is reached by way of a proxy."""
    return {**world.env, "AWS_ENDPOINT_URL": at.url}


def everything(domain: str) -> Iterator[tuple[dict[str, Any], Consumer | None]]:
    yield {"do": "look", "domain": domain}, None
    for consumer in consumers(domain):
        yield job(consumer.name), consumer


def parked(world: World) -> list[Any]:
    return world.rows("SELECT kind, consumer, detail FROM incident WHERE kind IN ('parked', 'stopped')", "ledger")


def disturbed(world: World, forks: Workers, env: Mapping[str, str], **more: Any) -> list[Outcome]:
    """Do every hop once in a worker with this environment; whatever it raises must be one that a retry may help."""
    outcomes = [forks.run(what, env, **more) for what, _ in everything(world.domain)]
    assert parked(world) == []
    return outcomes


def recovered(world: World, expected: Evidence) -> None:
    world.flow(owner="dag/run/task/-1")
    assert judge(expected, gather(world), broken_promises(world)).said == []


@pytest.mark.parametrize("kinds", [("500", "503", "slow"), ("cut", "refuse"), ("lost",)], ids=str)
def test_bad_answers_of_the_store_lose_and_double_nothing(
    world: World, forks: Workers, undisturbed: Evidence, kinds: tuple[str, ...]
) -> None:
    land(world)
    with proxy(world.env["AWS_ENDPOINT_URL"]) as between:
        between.choose = seeded(SEED, kinds, 0.06)
        outcomes = disturbed(world, forks, through(world, between))
        assert set(between.made) == set(kinds)
    assert {o.error for o in outcomes} <= TRANSIENT | {""}, [str(o) for o in outcomes if o.error not in TRANSIENT]
    recovered(world, undisturbed)


def only(methods: str, part: str, kind: str) -> Chooser:
    return lambda method, path: kind if method in methods and part in path else None


@pytest.mark.parametrize(
    "choose",
    [
        only("PUT", "/manifests/", "lost"),
        only("PUT", "_delta_log/", "lost"),
        only("PUT", "/bronze/", "lost"),
        only("DELETE", "/raw/", "lost"),
        only("PUT POST", "/quarantine/", "lost"),
    ],
    ids=["manifest", "delta-commit", "bronze-copy", "deletion", "quarantine"],
)
def test_answers_that_never_arrive_though_the_store_did_it(
    world: World, forks: Workers, undisturbed: Evidence, choose: Callable[[str, str], str | None]
) -> None:
    """The worst of all answers: none, each time, and it was done."""
    land(world)
    with proxy(world.env["AWS_ENDPOINT_URL"]) as between:
        seen: dict[str, int] = {}

        def first_of_each(method: str, path: str) -> str | None:
            fault = choose(method, path)
            if fault:
                seen[path] = seen.get(path, 0) + 1
            return fault if fault and seen[path] <= 1 else None

        between.choose = first_of_each
        disturbed(world, forks, through(world, between))
        assert between.made["lost"] > 0
    recovered(world, undisturbed)


def test_refused_credentials_park_nothing(world: World, forks: Workers, undisturbed: Evidence) -> None:
    land(world)
    with proxy(world.env["AWS_ENDPOINT_URL"]) as between:
        between.choose = lambda _method, path: "403" if "/raw/" not in path else None
        outcomes = [
            forks.run(what, through(world, between)) for _ in range(6) for what, _ in list(everything("ecommerce"))[:3]
        ]
    assert any(outcome.error for outcome in outcomes)
    assert parked(world) == []
    recovered(world, undisturbed)


@pytest.mark.parametrize("point", ["landing:stage.copied", "silver:stage.part", "model:stage.after", "load:stage.rows"])
def test_a_full_disk_parks_nothing(world: World, forks: Workers, undisturbed: Evidence, point: str) -> None:
    land(world)
    stage = KINDS[point.split(":")[0]].stage
    forks.run({"do": "look", "domain": "ecommerce"}, world.env)
    for before in stages()[: stages().index(stage)]:
        world.flow(before)
    name = "fact_transactions" if stage in ("gold", "load") else "transactions"
    hop = f"ecommerce.{name}@warehouse" if stage == "load" else f"ecommerce.{name}.{stage}"
    for _ in range(7):  # more often than deaths are forgiven
        outcome = forks.run(job(hop), world.env, [{"at": point, "do": "disk", "nth": 0}])
        assert outcome.error == "MachineUnavailable", str(outcome)
    assert parked(world) == []
    recovered(world, undisturbed)


@contextmanager
def tiny_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True)
    if made.returncode:
        pytest.skip(f"a file system of 64 KB cannot be mounted here: {made.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="only root may mount a tiny disk")
def test_a_disk_that_is_really_full_parks_nothing(world: World, forks: Workers, tmp_path: Path) -> None:
    lines = b"".join(b"%05d,19970101,1,%d.00\n" % (n, n % 900) for n in range(20_000))
    world.land("transactions/big.csv", b"customer_id,date,number_of_cds,dollar_value\n" + lines)
    forks.run({"do": "look", "domain": "ecommerce"}, world.env)
    landing, refining, *_ = (job(consumers("ecommerce", s)[1].name) for s in ("bronze", "silver"))
    with tiny_disk(tmp_path / "tiny") as tiny:
        for what in (landing, refining):
            for _ in range(6):
                outcome = forks.run(what, {**world.env, "TMPDIR": str(tiny)})
                assert outcome.error in TRANSIENT, str(outcome)
            assert parked(world) == []
            assert forks.run(what, world.env).code == 0
    world.flow()
    assert world.rows("SELECT count(*) FROM ecommerce.fact_transactions") == [(20_000,)]
    assert broken_promises(world) == []


@pytest.mark.parametrize("shift", [86_400, -86_400])
def test_a_clock_that_jumps_by_a_day_changes_nothing(
    world: World, forks: Workers, undisturbed: Evidence, shift: int
) -> None:
    """Leases are on the database's clock: a worker that believes it is another day neither steals nor loses one."""
    land(world)
    world.flow("bronze")
    hop = consumers("ecommerce", "silver")[1].name
    frozen = forks.start(job(hop, "at-work"), world.env, [{"at": "silver:publish.before", "do": "stop"}])
    assert frozen.frozen()
    assert forks.run(job(hop, "jumps"), world.env, clock=shift).result["leased_by"] == "at-work"
    frozen.kill()
    outcomes = disturbed(world, forks, world.env, clock=shift)
    assert {outcome.code for outcome in outcomes} == {0}
    assert forks.run(job(hop, "at-work"), world.env, clock=shift).result["hops"] == [1]
    recovered(world, undisturbed)
