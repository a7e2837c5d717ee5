"""Faults on purpose, for tests: a plan in the environment says at which point of which kind of hop to die or to fail.

Inert without WATERSHED_FAULT_PLAN, a JSON list of faults:
`[{"at": "silver:publish.before", "do": "kill", "nth": 1, "when": "part of a batch's place"}]`.
"""

import errno
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from common.core.errors import ConfigError, DataError
from common.core.nouns import Batch

VARIABLE = "WATERSHED_FAULT_PLAN"
KINDS = ("landing", "silver", "model", "load")
# The grammar's steps, which every kind of hop goes through; "during" is inside the ledger's transaction.
STEPS = (
    "claim.before",
    "claim.during",
    "claim.after",
    "stage.before",
    "stage.after",
    "audit.before",
    "audit.after",
    "manifest.before",
    "manifest.after",
    "publish.before",
    "publish.after",
    "record.before",
    "record.during",
    "record.after",
    "settle.before",
    "settle.after",
    "narrow.before",
    "narrow.after",
    "release.before",
    "release.after",
    "ring.before",
    "ring.after",
    "rung.before",
    "rung.after",
)
# What lies inside a step of one kind.
INSIDE = (
    "landing:look.before",
    "landing:look.after",
    "landing:look.deleted",
    "landing:stage.copied",
    "landing:settle.deleted",
    "silver:stage.part",
    "silver:stage.parts",
    "load:stage.rows",
    "load:publish.token",
    "load:publish.commit",
)
POINTS = (*(f"{kind}:{step}" for kind in KINDS for step in STEPS), *INSIDE)


@dataclass(frozen=True)
class Fault:
    """One fault: at the nth passing of a point (0: at each), where a batch's place holds `when`."""

    at: str
    do: str
    nth: int = 1
    when: str = ""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.at not in POINTS:
            raise ConfigError(f"{VARIABLE}: no point '{self.at}'. Known: {', '.join(POINTS)}.")
        if self.do not in ACTIONS:
            raise ConfigError(f"{VARIABLE}: no action '{self.do}'. Known: {', '.join(ACTIONS)}.")


def fault_point(kind: str, step: str, batches: Iterable[Batch] = ()) -> None:
    """Do what the plan says for this point; nothing without a plan."""
    if plan := os.environ.get(VARIABLE):
        _pass(plan, f"{kind}:{step}", batches)


@contextmanager
def breakable(kind: str, step: str) -> Iterator[None]:
    """Put a point before and one after a step that succeeds."""
    fault_point(kind, f"{step}.before")
    yield
    fault_point(kind, f"{step}.after")


def _pass(plan: str, point: str, batches: Iterable[Batch]) -> None:
    for fault in _read(plan):
        if fault.at == point and (not fault.when or any(fault.when in str(batch.place) for batch in batches)):
            _passed[fault] += 1
            if fault.nth in (0, _passed[fault]):
                ACTIONS[fault.do](fault)


@cache
def _read(plan: str) -> tuple[Fault, ...]:
    try:
        return tuple(Fault(**item) for item in json.loads(plan))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{VARIABLE} is not a JSON list of faults: {error}.") from error


_passed: Counter[Fault] = Counter()


def _signal(number: signal.Signals) -> Callable[[Fault], None]:
    return lambda _: os.kill(os.getpid(), number)


def _raise(make: Callable[[str], BaseException]) -> Callable[[Fault], Any]:
    def act(fault: Fault) -> None:
        raise make(f"fault on purpose at {fault.at}")

    return act


ACTIONS: dict[str, Callable[[Fault], Any]] = {
    "kill": _signal(signal.SIGKILL),
    "stop": _signal(signal.SIGSTOP),
    "sleep": lambda fault: time.sleep(fault.seconds),
    "raise": _raise(lambda why: OSError(errno.EIO, why)),
    "disk": _raise(lambda why: OSError(errno.ENOSPC, why)),
    "exit": _raise(SystemExit),  # a death that leaves the test alive
    "error": _raise(RuntimeError),  # one that nobody classified
    "data": _raise(DataError),
}
