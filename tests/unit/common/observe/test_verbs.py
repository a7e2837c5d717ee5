"""The plan of faults on purpose: inert without one, exact with one."""

import errno
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from common.core.errors import ConfigError, DataError
from common.core.nouns import Batch
from common.core.places import Unnamed
from common.observe.verbs import Moment, listening, passed, verb
from tests.faults.plan import VARIABLE, act, points


@pytest.fixture(autouse=True)
def listened() -> Iterator[None]:
    with listening(act):
        yield


def plan(monkeypatch: pytest.MonkeyPatch, *faults: dict[str, object]) -> None:
    monkeypatch.setenv(VARIABLE, json.dumps(faults))


def test_nothing_happens_without_a_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    for point in points():
        passed(*point.split(":"))


def test_a_fault_happens_at_its_point_and_passing_only(monkeypatch: pytest.MonkeyPatch) -> None:
    plan(monkeypatch, {"at": "silver:stage.part", "do": "disk", "nth": 2})
    passed("silver", "stage.parts")
    passed("silver", "stage.part")
    with pytest.raises(OSError, match="fault on purpose") as raised:
        passed("silver", "stage.part")
    assert raised.value.errno == errno.ENOSPC
    passed("silver", "stage.part")


def test_a_fault_may_wait_for_one_batch_and_come_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    plan(monkeypatch, {"at": "landing:stage.after", "do": "data", "nth": 0, "when": "poison"})
    passed("landing", "stage.after", [Batch("1", "a", place=Unnamed({"key": "good.csv"}))])
    for _ in range(2):
        with pytest.raises(DataError):
            passed("landing", "stage.after", [Batch("2", "a", place=Unnamed({"key": "x/poison.csv"}))])


def test_a_step_that_fails_does_not_reach_the_point_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    plan(monkeypatch, {"at": "load:audit.after", "do": "data", "nth": 0})
    seen: list[Moment] = []
    with listening(seen.append), pytest.raises(KeyError), verb("load", "audit"):
        raise KeyError
    assert [moment.name for moment in seen] == ["load:audit.before", "load:audit.failed"]
    with pytest.raises(DataError), verb("load", "audit"):
        pass


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"at": "silver:lunch", "do": "kill"}]', r"no point 'silver:lunch'\. Known: ingest:claim\.before"),
        ('[{"at": "silver:stage.after", "do": "sing"}]', r"no action 'sing'\. Known: kill"),
        ("{", "not a JSON list of faults"),
    ],
)
def test_a_plan_that_means_nothing_is_refused(monkeypatch: pytest.MonkeyPatch, text: str, said: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(ConfigError, match=said):
        passed("silver", "stage.after")


def test_production_reads_no_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    plan(monkeypatch, {"at": "silver:stage.part", "do": "disk", "nth": 0})
    program = 'from common.observe.verbs import passed; passed("silver", "stage.part")'
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
