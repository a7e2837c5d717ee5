"""What each kind of incident is called, how bad it is, and what to do about it."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from common.ledger import incidents
from common.notify.message import Severity

# What differs between two failures for one reason: quoted values, ids, moments, numbers.
QUOTED, HEX = re.compile(r"(?<!\w)'(?:[^']|'')*'(?!\w)|\"[^\"]*\"|`[^`]*`"), re.compile(r"\b[0-9a-fA-F-]{8,}\b")
NUMBER, BLANKS = re.compile(r"\d+(?:[.,:]\d+)*"), re.compile(r"\s+")
TELLING = 500  # characters of a text that make its cause


@dataclass(frozen=True)
class Kind:
    """A kind of incident. One that `spreads` is one incident wherever it has one reason, else one a consumer.

    A `notice` is told and is over: nobody has to do anything.
    """

    title: str
    severity: Severity
    advice: str
    spreads: bool = False
    notice: bool = False


KINDS = {
    incidents.PARKED: Kind(
        "Parked",
        Severity.ERROR,
        "`watershed parked show {batch}`, then release or refuse it; its neighbours have arrived.",
    ),
    incidents.SUPERSEDED: Kind(
        "Superseded", Severity.INFO, "Nothing: the newer version of the file is a batch of its own.", notice=True
    ),
    incidents.STOPPED: Kind(
        "Stopped",
        Severity.CRITICAL,
        "Mend the model, its contract or the warehouse; the next run goes on from there, nothing was published.",
    ),
    incidents.LEDGER_AHEAD: Kind(
        "Ledger ahead of its target",
        Severity.CRITICAL,
        "Restore the target, or see 'The ledger is lost, or old' in docs/operations.md.",
    ),
    incidents.UNFORESEEN: Kind(
        "Unforeseen error", Severity.ERROR, "Read the task's log; five tries look for the batch at fault by themselves."
    ),
    incidents.STALE: Kind(
        "Stale", Severity.WARNING, "`watershed status {consumer}` names the backfill that finds the rows."
    ),
    incidents.HELD: Kind(
        "Held",
        Severity.WARNING,
        "`watershed quarantine ls --state open` names what is refused: mend it, discard it, or `quarantine waive` it.",
    ),
    incidents.DRIFT: Kind(
        "Drift",
        Severity.ERROR,
        "`watershed contract diff DATASET` says what the table lacks and what each load of it does about that.",
    ),
    incidents.FAILED: Kind(
        "Failed", Severity.ERROR, "Read the log and mend the cause; a hop is done again by the next run.", spreads=True
    ),
    incidents.OVERDUE: Kind(
        "Overdue", Severity.WARNING, "Look at the run in Airflow: it is still at work, or waits for a free slot."
    ),
    incidents.LATE: Kind("Late", Severity.ERROR, "`watershed status {consumer}` says what holds it up."),
    incidents.SILENT: Kind("Silent source", Severity.WARNING, "Ask whoever delivers {consumer} where the files are."),
    incidents.MISSING: Kind(
        "Missing day",
        Severity.ERROR,
        "Ask whoever makes the tables of {consumer}; {batch} is fetched as its own day whenever it comes. "
        "`watershed backfill waive` says that it never will.",
    ),
    incidents.WAITING: Kind(
        "Waiting", Severity.ERROR, "`watershed status {consumer}` says why, and what to do next.", spreads=True
    ),
    incidents.INCOMPLETE: Kind(
        "Incomplete partition", Severity.WARNING, "Land what is missing, or `watershed backfill waive` it."
    ),
    incidents.UNSWEPT: Kind(
        "No sweep", Severity.CRITICAL, "Look in Airflow whether DAG {consumer} is paused, and whether it fails."
    ),
    incidents.UNDRAINED: Kind(
        "Queue not drained", Severity.ERROR, "Look whether triggerer and landing DAG are at work; the sweep lists raw."
    ),
}


def kind_of(word: str) -> Kind:
    """Return what is known of a kind; one of a newer version is an error."""
    return KINDS.get(word) or Kind(word.replace("_", " ").capitalize(), Severity.ERROR, "`watershed status`.")


def cause_of(incident: Any) -> str:
    """Return what is broken and why, in words that two incidents for one reason have in common."""
    kind = kind_of(incident.kind)
    where = "" if kind.spreads else f" of {incident.consumer}"
    text = incident.detail[:TELLING]
    for what, stands_for in ((QUOTED, "..."), (HEX, "#"), (NUMBER, "#"), (BLANKS, " ")):
        text = what.sub(stands_for, text)
    return f"{incident.kind}{where}: {text.strip()}"


def key_of(episode: int, opened_at: Any) -> str:
    """Return what all messages of an episode are known by, in channels too; a rebuilt ledger counts anew."""
    return hashlib.sha256(f"{episode} {opened_at.isoformat()}".encode()).hexdigest()[:32]


def subject(those: Sequence[Any]) -> str:
    """Name what some incidents of one cause are about, in a title."""
    kind, names = kind_of(those[0].kind), list(dict.fromkeys(row.consumer for row in those))
    if len(those) == 1:
        return f"{kind.title}: {names[0]}"
    if len(names) == 1:
        return f"{kind.title}: {names[0]} ({len(those):,} times)"
    return f"{kind.title}: {names[0]} and {len(names) - 1:,} more"
