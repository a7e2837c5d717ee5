"""Faults on purpose: a plan in the environment says at which moment of which kind of hop to die or to fail.

The plan is a JSON list in FAULT_PLAN, which only what listens here reads:
`[{"at": "silver:publish.before", "do": "kill", "nth": 1, "when": "part of a batch's place"}]`.
"""

import errno
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import polars as pl

from common.core.errors import ConfigError, DataError
from common.observe.verbs import Moment
from common.pipelines.kinds import KINDS

VARIABLE = "FAULT_PLAN"
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
OF_MESSAGES = ("outbox:send.before", "outbox:send.after", "outbox:record.after")


def inside(kind: str) -> tuple[str, ...]:
    """Return the moments of a kind's own."""
    return KINDS[kind].inside


def points() -> list[str]:
    """Return every moment at which a plan may let a hop fail, or whoever tells people of it."""
    return [*(f"{kind}:{step}" for kind in KINDS for step in (*STEPS, *inside(kind))), *OF_MESSAGES]


def points_of_the_shop() -> list[str]:
    """Return the moments that the shop's hops pass: it fetches nothing, and delivers nothing."""
    return [point for point in points() if not point.startswith(("ingest:", "deliver:"))]


def points_of_telecoms() -> list[str]:
    """Return the moments of those kinds by which telecoms differs: it fetches from sources and loads a Snowflake."""
    return [point for point in points() if point.partition(":")[0] in ("ingest", "load", "transform")]


@dataclass(frozen=True)
class Fault:
    """One fault: at the nth passing of a point (0: at each), where a batch's place holds `when`."""

    at: str
    do: str
    nth: int = 1
    when: str = ""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.at not in points():
            raise ConfigError(f"{VARIABLE}: no point '{self.at}'. Known: {', '.join(points())}.")
        if self.do not in ACTIONS:
            raise ConfigError(f"{VARIABLE}: no action '{self.do}'. Known: {', '.join(ACTIONS)}.")


def act(moment: Moment) -> None:
    """Do what the plan in the environment says for a moment; nothing without one."""
    for fault in _read(os.environ.get(VARIABLE, "[]")):
        if fault.at == moment.name and (not fault.when or any(fault.when in str(b.place) for b in moment.batches)):
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


class PanicException(BaseException):
    """What a library in Rust raises where it gives up: each has a class of its own, of this name."""


ACTIONS: dict[str, Callable[[Fault], Any]] = {
    "kill": _signal(signal.SIGKILL),
    "stop": _signal(signal.SIGSTOP),
    "sleep": lambda fault: time.sleep(fault.seconds),
    "raise": _raise(lambda why: OSError(errno.EIO, why)),
    "disk": _raise(lambda why: OSError(errno.ENOSPC, why)),
    "exit": _raise(SystemExit),  # a death that leaves the test alive
    "error": _raise(RuntimeError),  # one that nobody classified
    "data": _raise(DataError),
    "engine": _raise(pl.exceptions.ShapeError),
    "panic": _raise(PanicException),
}
