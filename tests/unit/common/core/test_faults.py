"""The plan of faults on purpose: inert without one, exact with one."""

import errno
import json

import pytest

from common.core.errors import ConfigError, DataError
from common.core.faults import POINTS, VARIABLE, breakable, fault_point
from common.core.nouns import Batch
from common.core.places import Unnamed


def plan(monkeypatch: pytest.MonkeyPatch, *faults: dict[str, object]) -> None:
    monkeypatch.setenv(VARIABLE, json.dumps(faults))


def test_nothing_happens_without_a_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    for point in POINTS:
        fault_point(*point.split(":"))


def test_a_fault_happens_at_its_point_and_passing_only(monkeypatch: pytest.MonkeyPatch) -> None:
    plan(monkeypatch, {"at": "silver:stage.part", "do": "disk", "nth": 2})
    fault_point("silver", "stage.parts")
    fault_point("silver", "stage.part")
    with pytest.raises(OSError, match="fault on purpose") as raised:
        fault_point("silver", "stage.part")
    assert raised.value.errno == errno.ENOSPC
    fault_point("silver", "stage.part")


def test_a_fault_may_wait_for_one_batch_and_come_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    plan(monkeypatch, {"at": "landing:stage.after", "do": "data", "nth": 0, "when": "poison"})
    fault_point("landing", "stage.after", [Batch("1", "a", place=Unnamed({"key": "good.csv"}))])
    for _ in range(2):
        with pytest.raises(DataError):
            fault_point("landing", "stage.after", [Batch("2", "a", place=Unnamed({"key": "x/poison.csv"}))])


def test_a_step_that_fails_does_not_reach_the_point_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    plan(monkeypatch, {"at": "load:audit.after", "do": "data", "nth": 0})
    with pytest.raises(KeyError), breakable("load", "audit"):
        raise KeyError
    with pytest.raises(DataError), breakable("load", "audit"):
        pass


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"at": "silver:lunch", "do": "kill"}]', r"no point 'silver:lunch'\. Known: landing:claim\.before"),
        ('[{"at": "silver:stage.after", "do": "sing"}]', r"no action 'sing'\. Known: kill"),
        ("{", "not a JSON list of faults"),
    ],
)
def test_a_plan_that_means_nothing_is_refused(monkeypatch: pytest.MonkeyPatch, text: str, said: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(ConfigError, match=said):
        fault_point("silver", "stage.after")
