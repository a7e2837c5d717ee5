"""Any interleaving of landing, work, crashes, retries, duplicates, replays and re-drives ends as a simple model says.

The model knows nothing of hops. It knows the deliveries and their order: of distinct files every good row of the
keyless dataset is there once, of a keyed one the latest row of each key, by its version, its place among the
deliveries, or both; and every bad row is accounted for by one refusal that is open or discarded.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from common.core.errors import ConfigError, WatershedError
from common.core.nouns import Dataset
from common.ledger.database import transaction
from common.ledger.refusals import Filter
from common.observe.verbs import listening
from common.pipelines.kinds import KINDS, stages
from common.repair.decide import backfill_whole, discard, redrive, replay
from common.upkeep.verify import verify
from tests.contracts import INCREMENTAL, write_contract
from tests.faults.plan import VARIABLE, act, points
from tests.histories import Version, intervals
from tests.world import World, by, new_world

N = int(os.environ.get("INTERLEAVINGS", "6"))


@dataclass(frozen=True)
class Kept:
    """What a dataset keeps of its rows; without `latest` there is no key."""

    latest: tuple[str, ...] = ()
    history: bool = False
    deletes: bool = False
    replaces: bool = False

    @property
    def words(self) -> dict[str, str]:
        """Write it as custom properties of a contract."""
        words = {
            "latest": f"[{', '.join(self.latest)}]" if self.latest else "",
            "history": "true" if self.history else "",
            "deleted": "{column: op, values: [D]}" if self.deletes else "",
            "delivery": "replace" if self.replaces else "",
        }
        return {word: value for word, value in words.items() if value}


KEPT = {
    "plain": Kept(),
    "replacing": Kept(replaces=True),
    "keyed": Kept(("revision",)),
    "arriving": Kept(("arrival",)),
    "both": Kept(("revision", "arrival"), deletes=True),
    "versions": Kept(("revision",), history=True),
    "snapshots": Kept(("arrival",), history=True, deletes=True),
}
NAMES = tuple(KEPT)
HISTORY = "{to: warehouse, strategy: scd2, table: lab.snapshots_history}"
Row = tuple[str, int, str, str]
rows = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(0, 3),
        st.sampled_from(["1", "2", "bad"]),
        st.sampled_from(["", "", "D"]),
    ),
    min_size=1,
    max_size=5,
)
# What there is when the test runs: a test may have added a kind of hop.
moments = st.deferred(
    lambda: st.sampled_from([point for point in points() if not point.startswith(("model:", "outbox:"))])
)
silver_moments = st.deferred(lambda: st.sampled_from([point for point in points() if point.startswith("silver:")]))
any_stage = st.deferred(lambda: st.sampled_from(stages()))


def make_domain(folder: Path) -> Path:
    domain = folder / "domains" / "lab"
    for name, kept in KEPT.items():
        columns = (
            f"name: k, logicalType: string, required: true, primaryKey: {str(bool(kept.latest)).lower()}",
            "name: revision, logicalType: integer, required: true",
            "name: v, logicalType: integer, required: true",
            "name: op, logicalType: string",
        )
        load = f"[{INCREMENTAL}, {HISTORY}]" if name == "snapshots" else f"[{INCREMENTAL}]"
        write_contract(domain, name, columns, {**kept.words, "load": load})
    return domain.parent


class Machine(RuleBasedStateMachine):
    """One world, and beside it what should be in it."""

    stack: Mapping[str, str]
    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.held = ExitStack()
        self.rows_of: dict[tuple[str, str], tuple[Row, ...]] = {}  # by key and ETag
        self.deliveries: Counter[str] = Counter()

    @initialize()
    def begin(self) -> None:
        self.world: World = self.held.enter_context(new_world(self.stack, self.folder, "lab", make_domain(self.folder)))

    @rule(name=st.sampled_from(NAMES), content=rows)
    def land(self, name: str, content: list[Row]) -> None:
        """Land a file, maybe one of known content under another key."""
        self._deliver(name, f"{name}/{sum(self.deliveries.values())}.csv", content)

    def _deliver(self, name: str, key: str, content: list[Row]) -> None:
        text = "k,revision,v,op\n" + "".join(f"{','.join(map(str, row))}\n" for row in content)
        etag = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        self.rows_of[key, etag] = tuple(content)
        self.deliveries[name] += 1
        self.world.land(key, text.encode())

    @precondition(lambda self: self.rows_of)
    @rule(choice=st.integers(0, 100), name=st.sampled_from(NAMES))
    def return_to(self, choice: int, name: str) -> None:
        """Land a file again that came before, as a source does which takes back what it has said."""
        earlier = [rows for (key, _), rows in self.rows_of.items() if key.startswith(f"{name}/")]
        if earlier:
            self.land(name, list(earlier[choice % len(earlier)]))  # type: ignore[no-untyped-call]

    @precondition(lambda self: self.deliveries["replacing"])
    @rule(choice=st.integers(0, 100), content=rows)
    def overwrite(self, choice: int, content: list[Row]) -> None:
        """Land other content under a key that was taken before."""
        known = sorted({key for key, _ in self.rows_of if key.startswith("replacing/")})
        key = known[choice % len(known)]
        self.world.flow("bronze")  # what is overwritten before it is read was never delivered
        if not any(tuple(content) == rows for (other, _), rows in self.rows_of.items() if other == key):
            self._deliver("replacing", key, content)

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

    @precondition(lambda self: self.rows_of)
    @rule(choice=st.integers(0, 100), name=st.sampled_from(NAMES))
    def replay(self, choice: int, name: str) -> None:
        known = self.world.rows(
            f"SELECT id FROM batch WHERE asset = 'lab.{name}.bronze' AND NOT place ? 'of' ORDER BY number", "ledger"
        )
        if known:
            with suppress(ConfigError):  # it says that the file's records are still on their way
                replay(known[choice % len(known)][0], "", by("any time"))

    @precondition(lambda self: self.rows_of)
    @rule(name=st.sampled_from(NAMES), point=st.one_of(st.none(), silver_moments))
    def replay_whole(self, name: str, point: str | None) -> None:
        """Ask for all deliveries of a dataset again; maybe the hop that reads them dies."""
        with suppress(ConfigError):  # it says that records are still on their way
            backfill_whole(Dataset("lab", name), by("any time"))
        if point:
            self.crash(point, 1)  # type: ignore[no-untyped-call]

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

    def _arrivals(self, name: str) -> list[tuple[str, int, tuple[Row, ...]]]:
        """Return keys, times and contents of the deliveries of a dataset, in their order."""
        found = self.world.rows(
            "SELECT place->>'key', place->>'etag', (place->>'arrival')::bigint FROM batch "
            f"WHERE asset = 'lab.{name}.raw' AND NOT place ? 'of' ORDER BY 3",
            "ledger",
        )
        named = [(key.removeprefix("lab/"), etag, arrival) for key, etag, arrival in found]
        return [(key, arrival, self.rows_of[key, etag]) for key, etag, arrival in named]

    def _compare_intervals(self) -> None:
        """Compare the intervals of the snapshots, each of which is valid from its arrival."""
        kept = {
            (row[0], arrival): Version((row[0],), arrival, (), row[1:], gone=row[3] == "D")
            for _, arrival, content in self._arrivals("snapshots")
            for row in content
            if not is_bad(row, KEPT["snapshots"])
        }
        expected = Counter(found.row for found in intervals(kept.values(), lambda values: values))
        micros = "(extract(epoch FROM valid_from) * 1000000)::bigint, (extract(epoch FROM valid_to) * 1000000)::bigint"
        rows = self.world.rows(f"SELECT k, revision, v, op, {micros}, is_current FROM lab.snapshots_history")
        assert Counter((*written(row[:4]), *row[4:]) for row in rows) == expected

    def _compare(self) -> None:
        refused = 0
        for name, kept in KEPT.items():
            deliveries = [(key, content) for key, _, content in self._arrivals(name)]
            assert len(deliveries) == self.deliveries[name]
            expected = Expected.of(kept, deliveries)
            refused += expected.refused
            found = self.world.silver(name).select("k", "revision", "v", "op").rows()
            assert Counter(map(written, found)) == expected.silver, name
            loaded = self.world.rows(f"SELECT k, revision, v, op FROM lab.{name}")
            assert Counter(map(written, loaded)) == expected.current, name
        self._compare_intervals()
        counted = self.world.rows("SELECT coalesce(sum(count), 0) FROM refusal WHERE state <> 'redriven'", "ledger")
        assert counted == [(refused,)]
        assert list(verify()) == []
        assert self.world.rows("SELECT count(*) FROM incident", "ledger") == [(0,)]
        assert self.world.keys("raw/") == []


def written(found: Any) -> Row:
    """Return a row of a table as a file would have it; a marker may have a bad number, which nobody judges."""
    k, revision, v, op = found
    return (k, revision, "bad" if v is None else str(v), op or "")


def is_bad(row: Row, kept: Kept) -> bool:
    """Return whether a row is to be refused: a delete marker is judged by key and version alone."""
    return row[2] == "bad" and not (kept.deletes and row[3] == "D")


@dataclass(frozen=True)
class Expected:
    """What must be there: rows of silver, the current ones of them, and how many bad ones are accounted for."""

    silver: Counter[Row]
    current: Counter[Row]
    refused: int

    @classmethod
    def of(cls, kept: Kept, deliveries: list[tuple[str, tuple[Row, ...]]]) -> "Expected":
        """Fold the deliveries of a dataset, which are in their order, row by row."""
        contents = [content for _, content in deliveries]
        bad = sum(is_bad(row, kept) for content in contents for row in content)
        if kept.replaces:
            contents = list(dict(deliveries).values())
        elif "arrival" not in kept.latest:
            contents = list(dict.fromkeys(contents))
            bad = sum(is_bad(row, kept) for content in contents for row in content)
        good = [(n, row) for n, content in enumerate(contents) for row in content if not is_bad(row, kept)]
        if not kept.latest:
            every = Counter(row for _, row in good)
            return cls(every, every, bad)
        if "arrival" not in kept.latest:
            good.sort(key=lambda item: (item[1][2], item[1][3] or "\0"))  # content decides
        if "revision" in kept.latest:
            good.sort(key=lambda item: item[1][1])
        version = (lambda n, row: row[1]) if "revision" in kept.latest else (lambda n, row: n)
        silver = {(row[0], version(n, row) if kept.history else None): row for n, row in good}
        current = {key: row for (key, _), row in silver.items()}
        if kept.history:
            current = {key: row for (key, _), row in sorted(silver.items(), key=lambda item: item[0])}
        gone = {key for key, row in current.items() if kept.deletes and row[3] == "D"}
        return cls(Counter(silver.values()), Counter(row for key, row in current.items() if key not in gone), bad)


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
