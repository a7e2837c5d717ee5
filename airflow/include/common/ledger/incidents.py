"""Incidents: what a person must look at; one open per kind, consumer and batch.

Those with one cause that are open at a time are an episode, known by the first of them: people are told of it once.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from common.ledger.tables import incident

# What a hop finds.
PARKED, SUPERSEDED, STOPPED, LEDGER_AHEAD = "parked", "superseded", "stopped", "ledger_ahead"
UNFORESEEN = "unforeseen"  # an error that nobody has classified
STALE = "stale"  # rows were withdrawn, and those that they had replaced are not kept
HELD = "held"  # rows of a delivery wait for earlier ones that are refused
DRIFT = "drift"  # a warehouse's table is not what its load asks for
# What Airflow reports: of a task, `dag.task`, or of a DAG.
FAILED, OVERDUE = "failed", "overdue"
# What the watch finds: things that did not happen.
LATE, SILENT, WAITING, INCOMPLETE = "late", "silent", "waiting", "incomplete"
UNSWEPT, UNDRAINED = "unswept", "undrained"
MISSING = "missing"  # the table of a day is not there by when it is due
RELEASED, REFUSED = "released", "refused"  # how a person ends a parked batch
RESOLVED = "resolved"  # how a person ends another incident
# It fails for another reason now; another incident tells of it; it was a notice, and is told.
CHANGED, ELSEWHERE, TOLD = "changed", "elsewhere", "told"


class Incident(NamedTuple):
    """What an open incident is known by, in any ledger."""

    kind: str
    consumer: str
    batch: str = ""


def open_incident(
    connection: Connection,
    kind: str,
    consumer: str,
    detail: str,
    batch: str = "",
    facts: Mapping[str, str] | None = None,
) -> None:
    """Open an incident; one that is open already is left as it is."""
    connection.execute(
        insert(incident)
        .values(kind=kind, consumer=consumer, batch=batch, detail=detail, facts=dict(facts or {}))
        .on_conflict_do_nothing(index_elements=["kind", "consumer", "batch"], index_where=text("closed_at IS NULL"))
    )


def close_incidents(
    connection: Connection, kind: str, consumer: str, batches: Sequence[str] | None = ("",), resolution: str = ""
) -> int:
    """Close the open incidents of a kind for these batches of a consumer, or for all; return how many there were."""
    which = (incident.c.kind == kind) & (incident.c.consumer == consumer) & incident.c.closed_at.is_(None)
    if batches is not None:
        which &= incident.c.batch.in_(batches)
    ended = update(incident).where(which).values(closed_at=func.clock_timestamp(), resolution=resolution)
    return connection.execute(ended).rowcount


def change_incident(connection: Connection, which: Incident, **values: Any) -> None:
    """Change an open incident; one that is over stays as it is."""
    same = (incident.c.kind == which.kind) & (incident.c.consumer == which.consumer) & (incident.c.batch == which.batch)
    connection.execute(update(incident).where(same, incident.c.closed_at.is_(None)).values(**values))


def resolutions(connection: Connection, consumer: str, batches: Sequence[str]) -> dict[str, str]:
    """Return how people ended the parked ones of these batches: `released` or `refused`, the last word counts."""
    rows = connection.execute(
        select(incident.c.batch, incident.c.resolution)
        .where(
            incident.c.kind == PARKED,
            incident.c.consumer == consumer,
            incident.c.batch.in_(batches),
            incident.c.resolution.in_((RELEASED, REFUSED)),
        )
        .order_by(incident.c.id)
    )
    return {row.batch: row.resolution for row in rows}


def open_of(connection: Connection, kinds: Sequence[str], beginning: str = "") -> Sequence[Row[Any]]:
    """List the open incidents of some kinds, of consumers whose name begins so."""
    which = incident.c.kind.in_(kinds) & incident.c.closed_at.is_(None)
    named = incident.c.consumer.startswith(beginning, autoescape=True)
    return connection.execute(select(incident).where(which, named).order_by(incident.c.id)).all()


def told_elsewhere(connection: Connection, detail: str, beginning: str) -> bool:
    """Return whether an open incident has this detail, or one that begins so: a failure that it tells of is none."""
    same = incident.c.detail == detail
    if beginning:
        same |= incident.c.detail.startswith(beginning, autoescape=True)
    query = select(incident.c.id).where(same, incident.c.closed_at.is_(None), incident.c.kind != FAILED)
    return connection.execute(query.limit(1)).first() is not None


def task_reported(connection: Connection, dag_id: str, run_id: str) -> bool:
    """Return whether a task of a DAG has reported the failure of this run, or one of its failures is open."""
    of_tasks = (incident.c.kind == FAILED) & incident.c.consumer.startswith(f"{dag_id}.", autoescape=True)
    query = select(incident.c.id).where(
        of_tasks, incident.c.closed_at.is_(None) | (incident.c.facts["Run"].astext == run_id)
    )
    return connection.execute(query.limit(1)).first() is not None


def close_told(connection: Connection, ids: Sequence[int]) -> None:
    """Close notices that somebody is told of."""
    ended = {"closed_at": func.clock_timestamp(), "resolution": TOLD}
    connection.execute(update(incident).where(incident.c.id.in_(ids)).values(**ended))


def remember_failure(connection: Connection, name: str, detail: str, facts: Mapping[str, str]) -> None:
    """Remember a failure that another incident tells of, for the callback of its run."""
    values = {"kind": FAILED, "consumer": name, "detail": detail, "facts": dict(facts)}
    closed = {"resolution": ELSEWHERE, "closed_at": func.clock_timestamp()}
    connection.execute(insert(incident).values(**values, **closed))
