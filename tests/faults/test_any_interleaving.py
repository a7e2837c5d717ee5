"""Any interleaving of landing, work, crashes, retries, duplicates, replays and re-drives ends as a simple model says.

The model knows nothing of hops. It knows the deliveries and their order: of distinct files every good row of the
keyless dataset is there once, of a keyed one the latest row of each key, by its version, its place among the
deliveries, or both; and every bad row is accounted for by one refusal that is open or discarded.
"""

import json
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from common.core.errors import ConfigError, WatershedError
from common.ledger.database import transaction
from common.ledger.refusals import Filter
from common.observe.verbs import listening
from common.pipelines.kinds import KINDS, stages
from common.repair.decide import discard, redrive, replay
from common.upkeep.verify import verify
from tests.faults.plan import VARIABLE, act, points
from tests.world import World, by, new_world

N = int(os.environ.get("INTERLEAVINGS", "6"))
CONTRACT = """
apiVersion: v3.0.2
kind: DataContract
id: urn:test:{name}
name: {name}
version: 1.0.0
status: active
domain: lab
schema:
  - name: {name}
    properties:
      - {{name: k, logicalType: string, required: true, primaryKey: {keyed}}}
      - {{name: revision, logicalType: integer, required: true}}
      - {{name: v, logicalType: integer, required: true}}
customProperties:
{latest}  - {{property: load, value: [{{to: warehouse, strategy: incremental}}]}}
"""
# Which row of a key is the latest: by name of the dataset, nothing where there is no key.
LATEST = {"plain": "", "keyed": "revision", "arriving": "arrival", "both": "[revision, arrival]"}
NAMES = tuple(LATEST)
Row = tuple[str, int, str]
rows = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.sampled_from(["1", "2", "bad"])), min_size=1, max_size=5
)
# What there is when the test runs: a test may have added a kind of hop.
moments = st.deferred(lambda: st.sampled_from([point for point in points() if not point.startswith("model:")]))
any_stage = st.deferred(lambda: st.sampled_from(stages()))


def make_domain(folder: Path) -> Path:
    contracts = folder / "domains" / "lab" / "contracts"
    contracts.mkdir(parents=True, exist_ok=True)
    for name, order in LATEST.items():
        latest = f"  - {{property: latest, value: {order}}}\n" if order else ""
        (contracts / f"{name}.yaml").write_text(
            CONTRACT.format(name=name, keyed=str(bool(order)).lower(), latest=latest)
        )
    return folder / "domains"


class Machine(RuleBasedStateMachine):
    """One world, and beside it what should be in it."""

    stack: Mapping[str, str]
    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.held = ExitStack()
        self.rows_of: dict[str, tuple[Row, ...]] = {}  # by the file's key
        self.landed = 0

    @initialize()
    def begin(self) -> None:
        self.world: World = self.held.enter_context(new_world(self.stack, self.folder, "lab", make_domain(self.folder)))

    @rule(name=st.sampled_from(NAMES), content=rows)
    def land(self, name: str, content: list[Row]) -> None:
        """Land a file, maybe one of known content under another key."""
        self.landed += 1
        text = "k,revision,v\n" + "".join(f"{k},{n},{v}\n" for k, n, v in content)
        self.rows_of[f"{name}/{self.landed}.csv"] = tuple(content)
        self.world.land(f"{name}/{self.landed}.csv", text.encode())

    @precondition(lambda self: self.landed > 0)
    @rule(choice=st.integers(0, 100), name=st.sampled_from(NAMES))
    def return_to(self, choice: int, name: str) -> None:
        """Land a file again that came before, as a source does which takes back what it has said."""
        earlier = [rows for key, rows in self.rows_of.items() if key.startswith(f"{name}/")]
        if earlier:
            self.land(name, list(earlier[choice % len(earlier)]))  # type: ignore[no-untyped-call]

    @rule(stage=any_stage)
    def work(self, stage: str) -> None:
        self.world.flow(stage)

    @rule(point=moments, nth=st.integers(1, 2))
    def crash(self, point: str, nth: int) -> None:
        """Die at a point of a hop, if it is passed; the retry of the same task takes over at once."""
        stage = KINDS[point.partition(":")[0]].stage
        with pytest.MonkeyPatch.context() as patch, listening(act):
            patch.setenv(VARIABLE, json.dumps([{"at": point, "do": "exit", "nth": nth}]))
            try:
                self.world.flow(stage)
            except (SystemExit, WatershedError):
                return

    @precondition(lambda self: self.landed > 0)
    @rule(choice=st.integers(0, 100), name=st.sampled_from(NAMES))
    def replay(self, choice: int, name: str) -> None:
        known = self.world.rows(
            f"SELECT id FROM batch WHERE asset = 'lab.{name}.bronze' AND NOT place ? 'of' ORDER BY number", "ledger"
        )
        if known:
            with suppress(ConfigError):  # it says that the file's records are still on their way
                replay(known[choice % len(known)][0], "", by("any time"))

    @rule(choice=st.integers(0, 100), ending=st.sampled_from(["redrive", "redrive", "discard"]))
    def decide(self, choice: int, ending: str) -> None:
        opened = self.world.rows("SELECT id FROM refusal WHERE state = 'open' ORDER BY id", "ledger")
        if opened:
            chosen = Filter(ids=(opened[choice % len(opened)][0],))
            (redrive if ending == "redrive" else discard)(chosen, by("any time"))

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        with self.held:
            self._settle()
            self._compare()

    def _settle(self) -> None:
        with transaction() as connection:
            connection.exec_driver_sql("UPDATE hop SET lease_until = now() WHERE state = 'open'")
        for _ in range(3):
            self.world.flow()

    def _deliveries(self, name: str) -> list[tuple[Row, ...]]:
        """Return the content of the deliveries of a dataset, in their order."""
        asked = "SELECT place->>'key' FROM batch WHERE asset = 'lab.{}.raw' AND NOT place ? 'of' ORDER BY {}"
        keys = self.world.rows(asked.format(name, "(place->>'arrival')::bigint"), "ledger")
        return [self.rows_of[key.removeprefix("lab/")] for (key,) in keys]

    def _expected(self, name: str) -> tuple[Counter[Row], int]:
        """Return the rows that must be there, and how many bad ones must be accounted for."""
        deliveries = self._deliveries(name)
        assert len(deliveries) == sum(key.startswith(f"{name}/") for key in self.rows_of)
        if "arrival" not in LATEST[name]:
            deliveries = list(dict.fromkeys(deliveries))
        ordered = [row for content in deliveries for row in content]
        good = [row for row in ordered if row[2] != "bad"]
        bad = len(ordered) - len(good)
        match LATEST[name]:
            case "":
                return Counter(good), bad
            case "revision":
                good.sort(key=lambda row: (row[1], row[2]))
            case "[revision, arrival]":
                good.sort(key=lambda row: row[1])  # keeps the order of deliveries
        return Counter({row[0]: row for row in good}.values()), bad

    def _compare(self) -> None:
        refused = 0
        for name in NAMES:
            expected, bad = self._expected(name)
            refused += bad
            found: list[Any] = self.world.silver(name).select("k", "revision", "v").rows()
            assert Counter((k, n, str(v)) for k, n, v in found) == expected, name
            loaded = self.world.rows(f"SELECT k, revision, v FROM lab.{name}")
            assert Counter((k, n, str(v)) for k, n, v in loaded) == expected, name
        counted = self.world.rows("SELECT coalesce(sum(count), 0) FROM refusal WHERE state <> 'redriven'", "ledger")
        assert counted == [(refused,)]
        assert list(verify()) == []
        assert self.world.rows("SELECT count(*) FROM incident", "ledger") == [(0,)]
        assert self.world.keys("raw/") == []


def run(machine: type[Machine], stack: Mapping[str, str], folder: Path, examples: int) -> None:
    """Let a machine go through some interleavings."""
    machine.stack, machine.folder = stack, folder
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=14,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


def test_any_interleaving_ends_as_the_model_says(stack: Mapping[str, str], tmp_path: Path) -> None:
    run(Machine, stack, tmp_path, N)
