"""Incidents: what a person must look at; one open per kind, consumer and batch."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from common.ledger.tables import incident

PARKED, SUPERSEDED, STOPPED, LEDGER_AHEAD, FAILED = "parked", "superseded", "stopped", "ledger_ahead", "failed"
UNFORESEEN = "unforeseen"  # an error that nobody has classified
STALE = "stale"  # rows were withdrawn, and those that they had replaced are not kept
RELEASED, REFUSED = "released", "refused"  # how a person ends a parked batch


def open_incident(connection: Connection, kind: str, consumer: str, detail: str, batch: str = "") -> None:
    """Open an incident; one that is open already is left as it is."""
    connection.execute(
        insert(incident)
        .values(kind=kind, consumer=consumer, batch=batch, detail=detail)
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


def unannounced(connection: Connection, consumer: str) -> Sequence[Row[Any]]:
    """List the incidents of a consumer that nobody was told of."""
    query = select(incident).where(incident.c.consumer == consumer, ~incident.c.notified)
    return connection.execute(query.order_by(incident.c.id)).all()


def mark_announced(connection: Connection, ids: Sequence[int]) -> None:
    """Remember that somebody was told."""
    connection.execute(update(incident).where(incident.c.id.in_(ids)).values(notified=True))


def announced_before(connection: Connection, dag_id: str, run_id: str, task: str = "") -> bool:
    """Remember that a failure is being announced, and tell whether it was before.

    `task` names a task and its try; without it the run as a whole is meant, which counts as announced when any of
    its tasks is.
    """
    same = (incident.c.kind == FAILED) & (incident.c.consumer == dag_id)
    about = f"{run_id}/{task}"
    known = incident.c.batch == about if task else incident.c.batch.startswith(about, autoescape=True)
    if connection.execute(select(incident.c.id).where(same, known)).first():
        return True
    connection.execute(
        insert(incident).values(
            kind=FAILED, consumer=dag_id, batch=about, detail="announced", notified=True, closed_at=func.now()
        )
    )
    return False
