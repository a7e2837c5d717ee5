"""What people must have been told, in plain Python: a second and simpler account of incidents, episodes and messages.

It knows nothing of leases and rows. It knows who is to be told of what, when something went wrong on the way, and looks
at each message that a channel shows.
"""

from collections import defaultdict
from collections.abc import Container
from dataclasses import dataclass, field
from threading import RLock

from common.ledger.incidents import FAILED, PARKED, STOPPED, SUPERSEDED
from common.notify.message import Message, State

Recipient = tuple[str, str]
SLACK, MAIL, DUTY, ONE = ("slack", "#all"), ("mail", "duty@example.org"), ("pagerduty", "duty"), ("teams", "one")
ROUTES = """
routes:
  - {to: "slack:#all", fallback: "mail:duty@example.org"}
  - {to: "pagerduty:duty", at_least: critical}
  - {to: "teams:one", domain: one}
"""
KINDS = (PARKED, STOPPED, SUPERSEDED, FAILED)
DAY, WEEK, MARGIN = 24 * 60, 7 * 24 * 60, 10  # minutes
RESTS = 95  # longer than a channel is left alone after a failure, and a lease lasts
FALLS_BACK_AFTER = 3  # failures
Told = tuple[Recipient, int]  # whom, of which episode


@dataclass
class Case:
    """An incident."""

    n: int
    kind: str
    consumer: str
    reason: str
    open: bool = True
    acknowledged: bool = False
    ended: bool = False  # by what its recipients are told of
    episode: int | None = None

    @property
    def cause(self) -> tuple[str, str, str]:
        return (self.kind, "" if self.kind == FAILED else self.consumer, self.reason)

    @property
    def recipients(self) -> set[Recipient]:
        concerned = {SLACK: True, DUTY: self.kind == STOPPED, ONE: self.consumer.startswith("one.")}
        return {to for to, holds in concerned.items() if holds}


@dataclass
class People:
    """Everything that happened, and what each recipient saw of it."""

    at: float = 0.0  # minutes
    cases: list[Case] = field(default_factory=list)
    mutes: list[tuple[str, str, float]] = field(default_factory=list)  # consumers, kind, until
    to: dict[int, set[Recipient]] = field(default_factory=lambda: defaultdict(set))
    since: dict[tuple[Told, State], float] = field(default_factory=dict)  # the first failure
    seen: dict[Told, list[tuple[State, str, float]]] = field(default_factory=lambda: defaultdict(list))
    failures: dict[Told, float] = field(default_factory=dict)  # the last
    tries: dict[str, int] = field(default_factory=lambda: defaultdict(int))  # of a delivery
    given_up: set[tuple[Told, State]] = field(default_factory=set)
    unsure: set[str] = field(default_factory=set)  # deliveries that nobody knows to have arrived
    maybe: set[Told] = field(default_factory=set)  # a sender died, or there was no answer
    keys: dict[str, int] = field(default_factory=dict)
    death: float = -WEEK
    faults: list[str] = field(default_factory=list)
    lock: RLock = field(default_factory=RLock)

    def is_muted(self, case: Case) -> bool:
        """Return whether nobody is to be told of a case now."""
        return any(
            case.consumer.startswith(beginning) and kind in ("", case.kind) and until > self.at
            for beginning, kind, until in self.mutes
        )

    def members(self, episode: int) -> list[Case]:
        """List the cases of an episode."""
        return [case for case in self.cases if case.episode == episode]

    def find_out(self) -> None:
        """Gather what nobody was told of."""
        for case in self.cases:
            if case.open and case.episode is None and not self.is_muted(case):
                known = [c.episode for c in self.cases if c.open and c.episode is not None and c.cause == case.cause]
                case.episode = min(known, default=case.n)  # type: ignore[type-var]
                self.to[case.episode] |= case.recipients
        for case in self.cases:
            if case.kind == SUPERSEDED and case.episode is not None:
                case.open = False

    def matters(self, episode: int, *, again: bool = False) -> bool:
        """Return whether an episode is something to be told, or told again."""
        those = self.members(episode)
        if those[0].kind == SUPERSEDED:
            return not again
        return any(c.open and not self.is_muted(c) and not (again and c.acknowledged) for c in those)

    def is_over(self, episode: int) -> bool:
        """Return whether people are to be told that an episode is over."""
        those = self.members(episode)
        return not any(c.open or self.is_muted(c) for c in those) and any(c.ended for c in those)

    def show(self, to: Recipient, message: Message, *, again: bool) -> None:
        """Look at a message that somebody is shown."""
        with self.lock:
            told = (to, self._episode(message))
            for fault in self._wrong(told, message, again=again):
                self.faults.append(f"{fault}: {message.state} {message.title} {message.facts} to {to}")
            self.unsure.discard(message.delivery)
            self.seen[told].append((message.state, message.delivery, self.at))

    def fail(self, to: Recipient, message: Message, *, lasting: bool, unsure: bool) -> None:
        """Take note that a channel did not say that a message arrived."""
        with self.lock:
            told = (to, self._episode(message))
            self.failures[told] = self.at
            first = self.since.setdefault((told, message.state), self.at)
            if self.at - first > WEEK - DAY:
                self.given_up.add((told, message.state))
            self.tries[message.delivery] += 1
            if to == SLACK and (lasting or self.tries[message.delivery] >= FALLS_BACK_AFTER):
                self.to[told[1]].add(MAIL)
            if unsure:
                self.doubt(told, message.delivery)

    def doubt(self, told: Told, delivery: str) -> None:
        """Take note that nobody knows whether a delivery arrived."""
        self.unsure.add(delivery)
        self.maybe.add(told)

    def _episode(self, message: Message) -> int:
        case = next(case for case in self.cases if str(case.n) == dict(message.facts)["Run"])
        assert case.episode is not None
        if self.keys.setdefault(message.key, case.episode) != case.episode:
            self.faults.append(f"one key for two episodes: {message}")
        return case.episode

    def _wrong(self, told: Told, message: Message, *, again: bool) -> list[str]:
        state, before = message.state, self.seen[told]
        known = message.delivery in {delivery for _, delivery, _ in before}
        once = not known and state is not State.STILL_OPEN
        found = {
            "a repeat that was not needed": known and not (again and message.delivery in self.unsure),
            "told twice, as another delivery": once and state in {earlier for earlier, _, _ in before},
            "told to somebody else": told[0] not in self.to[told[1]] and not self._fell_back(told, self.failures),
        }
        if state is State.RESOLVED:
            opened = (
                before
                or told in self.maybe
                or self._fell_back(told, self.maybe.union(one for one, shown in self.seen.items() if shown))
            )
            found["resolved while one is open or muted"] = not self.is_over(told[1])
            found["resolved and never opened"] = not opened
        else:
            again = state is State.STILL_OPEN and not known
            found["over, muted or answered for before it was told"] = not self.matters(told[1], again=again)
            found["told again too early"] = again and bool(before) and self.at - before[-1][2] < DAY - MARGIN
        return [fault for fault, holds in found.items() if holds]

    @staticmethod
    def _fell_back(told: Told, those: Container[Told]) -> bool:
        return told[0] == MAIL and (SLACK, told[1]) in those

    def overdue(self, dead: set[str]) -> list[str]:
        """List what somebody should know by now, after an undisturbed look of the outbox; `dead` channels fail."""
        return [
            f"{to} does not know of {episode}: {fault}"
            for episode in {case.episode for case in self.cases if case.episode is not None}
            for to in self.to[episode]
            if to[0] not in dead and (fault := self._lacks((to, episode)))
        ]

    def _lacks(self, told: Told) -> str:
        episode, before = told[1], self.seen[told]
        trouble = max(self.death, self.failures.get(told, -WEEK))
        gave_up = any(one == told for one, _ in self.given_up)
        if self.at - trouble < (DAY + MARGIN if gave_up else RESTS):
            return ""
        # What was given up is told again as what is still open, and not where somebody answers for it meanwhile.
        if self.matters(episode, again=gave_up) and not before:
            return "it is open"
        if self.is_over(episode) and before and (told, State.RESOLVED) not in self.given_up:
            return "" if before[-1][0] is State.RESOLVED else "it is over"
        waits = before and self.at - before[-1][2] > DAY + MARGIN
        return "it is still open" if waits and self.matters(episode, again=True) else ""
