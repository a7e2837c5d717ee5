"""Any interleaving of incidents, dead senders, failing channels and passing time ends as a simple account says.

Nothing is lost, each message is shown once, and a repeat that nobody could avoid carries the same delivery id.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from sqlalchemy import text

from common.ledger.database import transaction
from common.ledger.incidents import CHANGED, FAILED, PARKED, close_incidents, open_incident
from common.notify import outbox
from common.notify.channel import Undelivered
from common.notify.message import Message, State
from common.notify.outbox import tell
from common.notify.routes import FILE, FOLDER
from common.observe.verbs import Moment, listening
from tests.faults.people import KINDS, ROUTES, SLACK, Case, People
from tests.world import World

N = int(os.environ.get("INTERLEAVINGS", "40"))
CONSUMERS, REASONS = ("one.users.silver", "one.events.silver", "two.users.silver"), "xxxy"
CHANNELS, FAULTS = ("slack", "mail", "pagerduty", "teams"), ("dead", "refused", "busy", "unsure", "")
POINTS = ("outbox:send.before", "outbox:send.after", "outbox:record.after")
PASSING = (2, 130, 1500, 11_600)  # minutes
consumers = st.sampled_from(CONSUMERS)
REFUSALS: dict[str, dict[str, Any]] = {
    "dead": {},
    "refused": {"lasting": True},
    "busy": {"retry_after": 600.0},
    "unsure": {"unknown": True},
}


class Killed(BaseException):
    """The end of a sender."""


class Door:
    """A channel that shows people what it is sent, and fails as it is told."""

    def __init__(self, word: str, people: People) -> None:
        self.word, self.people, self.fault = word, people, ""

    def send(self, message: Message, to: str, *, again: bool, patience: float) -> None:
        """Show a message, or fail, or both."""
        if self.fault in ("", "unsure"):
            self.people.show((self.word, to), message, again=again)
        if self.fault:
            how = REFUSALS[self.fault]
            unsure, lasting = bool(how.get("unknown")), bool(how.get("lasting"))
            self.people.fail((self.word, to), message, lasting=lasting, unsure=unsure)
            raise Undelivered(self.fault, **how)


class Machine(RuleBasedStateMachine):
    """One ledger, and beside it what people should know."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        with transaction() as connection:
            connection.execute(text("TRUNCATE outbox, incident, mute, audit_log CASCADE"))
        self.people = People()
        self.doors = {word: Door(word, self.people) for word in CHANNELS}
        self.decisions = 0

    @rule(kind=st.sampled_from(KINDS), consumer=consumers, reason=st.sampled_from(REASONS), count=st.integers(1, 3))
    def open(self, kind: str, consumer: str, reason: str, count: int) -> None:
        """Open incidents for one reason; a failing task has one."""
        if kind == FAILED:
            if self._open(kind, consumer):
                return
            count = 1
        for _ in range(count):
            n = len(self.people.cases) + 1
            with transaction() as connection:
                batch = "" if kind == FAILED else str(n)
                open_incident(connection, kind, consumer, f"{reason} {n}", batch, {"DAG": "a_dag", "Run": str(n)})
            self.people.cases.append(Case(n, kind, consumer, reason))

    def _open(self, *of: str) -> list[Case]:
        return [case for case in self.people.cases if case.open and set(of) <= {case.kind, case.consumer}]

    @precondition(lambda self: self._open())
    @rule(data=st.data(), everyone=st.booleans())
    def close(self, data: st.DataObject, everyone: bool) -> None:
        """End an incident, or all for its reason."""
        chosen = data.draw(st.sampled_from(self._open()))
        for case in [c for c in self._open() if c is chosen or (everyone and c.cause == chosen.cause)]:
            batch = "" if case.kind == FAILED else str(case.n)
            with transaction() as connection:
                assert close_incidents(connection, case.kind, case.consumer, [batch]) == 1
            case.open, case.ended = False, True

    @rule(consumer=consumers, reason=st.sampled_from(REASONS))
    def fail_otherwise(self, consumer: str, reason: str) -> None:
        """Let a task fail, for another reason than before if it failed before."""
        for case in self._open(FAILED, consumer):
            if case.reason == reason:
                return
            with transaction() as connection:
                close_incidents(connection, FAILED, consumer, None, CHANGED)
            case.open = False
        self.open(FAILED, consumer, reason, 1)  # type: ignore[no-untyped-call]

    @rule(beginning=st.sampled_from(("", "one.", "two.users")), kind=st.sampled_from(("", "", *KINDS)))
    def mute(self, beginning: str, kind: str) -> None:
        """Let nobody hear of some incidents for four hours."""
        self._decide(
            "INSERT INTO mute (decision, consumer, kind, until) "
            f"VALUES (:n, '{beginning}', '{kind}', clock_timestamp() + interval '4 hours')"
        )
        self.people.mutes.append((beginning, kind, self.people.at + 240))

    @rule(consumer=consumers)
    def acknowledge(self, consumer: str) -> None:
        """Let somebody answer for what is open."""
        self._decide(f"UPDATE incident SET acknowledged = :n WHERE consumer = '{consumer}' AND closed_at IS NULL")
        for case in self._open(consumer):
            case.acknowledged = True

    def _decide(self, effect: str) -> None:
        self.decisions += 1
        entry = (
            "INSERT INTO audit_log (n, at, who, what, detail, previous, hash) VALUES (:n, now(), '', '', '{}', '', '')"
        )
        with transaction() as connection:
            for statement in (entry, effect):
                connection.execute(text(statement), {"n": self.decisions})

    @rule(words=st.sampled_from((CHANNELS, *((word,) for word in CHANNELS))), fault=st.sampled_from(FAULTS))
    def change_channels(self, words: tuple[str, ...], fault: str) -> None:
        """Let some channels fail, or be well again."""
        for word in words:
            self.doors[word].fault = fault

    @rule(minutes=st.sampled_from(PASSING))
    def pass_by(self, minutes: int) -> None:
        """Let time pass: all moments were so much earlier."""
        moments = {"outbox": ("queued_at", "due_at", "lease_until", "ended_at"), "mute": ("until",)}
        with transaction() as connection:
            for table, columns in moments.items():
                changes = ", ".join(f"{name} = {name} - interval '{minutes} minutes'" for name in columns)
                connection.execute(text(f"UPDATE {table} SET {changes}"))
        self.people.at += minutes

    @rule(senders=st.sampled_from((1, 1, 2)))
    def tell(self, senders: int) -> None:
        """Let senders do their work at once."""
        self.people.find_out()
        with self._channels():
            threads = [threading.Thread(target=tell, args=(60,)) for _ in range(senders)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self._compare()

    @rule(point=st.sampled_from(POINTS), nth=st.integers(1, 2))
    def die(self, point: str, nth: int) -> None:
        """Let a sender die at a moment, if it comes to it."""
        passed = 0

        def act(moment: Moment) -> None:
            nonlocal passed
            passed += moment.name == point
            if moment.name == point and passed == nth:
                raise Killed

        self.people.find_out()
        with self._channels(), listening(act):
            try:
                tell(60)
            except Killed:
                self._mourn()
                return
        self._compare()

    def _mourn(self) -> None:
        """Take note of what the dead sender had at hand."""
        self.people.death = self.people.at
        left = self.world.rows(
            "SELECT channel, recipient, outbox.id::text, facts->>'Run' FROM outbox JOIN incident ON incident.id = "
            "outbox.episode WHERE lease_until > clock_timestamp() AND ended_at IS NULL",
            "ledger",
        )
        for channel, recipient, delivery, n in left:
            self.people.doubt(((channel, recipient), int(n)), delivery)

    @contextmanager
    def _channels(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(outbox, "CHANNELS", self.doors)
            yield

    def _compare(self) -> None:
        with self._channels():  # what one look ends, as what needs no message any more, lets the next one tell the end
            tell(60)
        dead = {word for word, door in self.doors.items() if door.fault}
        assert self.people.faults + self.people.overdue(dead) == []

    def teardown(self) -> None:
        for door in self.doors.values():
            door.fault = ""
        for minutes in (240, 130, 1500):
            self.pass_by(minutes)  # type: ignore[no-untyped-call]
            self.tell(1)  # type: ignore[no-untyped-call]
        left = self.world.rows(
            "SELECT event, channel, tries FROM outbox WHERE ended_at IS NULL AND event <> 'still open'", "ledger"
        )
        assert left == []


@pytest.fixture
def machine(world: World, monkeypatch: pytest.MonkeyPatch) -> type[Machine]:
    folder = world.folder / FOLDER
    folder.mkdir()
    (folder / FILE).write_text(ROUTES, encoding="utf-8")
    monkeypatch.setattr("common.notify.routes.routes_file", lambda: folder / FILE)
    Machine.world = world
    return Machine


def test_whoever_may_have_been_told_is_told_the_end_though_given_up(machine: type[Machine]) -> None:
    """Found by the test below: shown, without an answer, for a week."""
    state: Any = machine()
    state.open(kind=PARKED, consumer="two.users.silver", reason="x", count=1)
    state.change_channels(words=("slack",), fault="unsure")
    state.tell(senders=1)
    state.pass_by(minutes=11_600)
    state.tell(senders=1)
    assert state.world.rows("SELECT outcome FROM outbox WHERE channel = 'slack'", "ledger") == [("given up",)]
    (case,) = state.people.cases
    with transaction() as connection:
        assert close_incidents(connection, PARKED, case.consumer, ["1"]) == 1
    case.open, case.ended = False, True
    state.change_channels(words=("slack",), fault="")
    state.pass_by(minutes=130)
    state.tell(senders=1)
    assert [seen for seen, _, _ in state.people.seen[(SLACK, 1)]][-1] is State.RESOLVED


def test_any_interleaving_tells_everybody_once(machine: type[Machine]) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=N,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
