"""The outbox: of each episode of incidents, and of each report, who is to be told of what, and whether they were.

A row is due, then leased while it is sent, then ended as `sent`, `unneeded`, `unknown` or `given up`. Its id is the
delivery's, the same at each try. A lease that nobody ended says that the message may have arrived.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, and_, bindparam, case, exists, func, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from common.ledger.incidents import CHANGED, TOLD
from common.ledger.tables import incident, mute, outbox

SENT, UNNEEDED, GIVEN_UP = "sent", "unneeded", "given up"
UNKNOWN = "unknown"  # over before anybody knew whether it had arrived
OPENED, STILL_OPEN, RESOLVED, REPORT = "opened", "still open", "resolved", "report"
LEASE = timedelta(seconds=60)  # far longer than one try takes
TELLING_LOCK = 0x57A7E2544
WAITED_FOR = "3s"
MOST = 10_000  # incidents looked at in one transaction


@dataclass(frozen=True)
class Recipient:
    """Who is told by which channel, and who where that fails (`channel:recipient`)."""

    channel: str
    recipient: str
    fallback: str = ""


def hold(connection: Connection) -> None:
    """Let one process at a time find out what is to be told, until the transaction ends.

    A process that is frozen meanwhile holds up no hop for longer than it gives to messages.
    """
    connection.execute(text(f"SET LOCAL lock_timeout = '{WAITED_FOR}'"))
    connection.execute(select(func.pg_advisory_xact_lock(TELLING_LOCK)))


def is_muted() -> Any:
    """Say of an incident that nobody is to hear of it now."""
    about = func.starts_with(incident.c.consumer, mute.c.consumer) & or_(
        mute.c.kind == "", mute.c.kind == incident.c.kind
    )
    return exists().where(mute.c.until > func.clock_timestamp(), about)


def unseen(connection: Connection) -> Sequence[Row[Any]]:
    """List the open incidents that belong to no episode yet and are not muted, the oldest first."""
    query = select(incident).where(incident.c.episode.is_(None), incident.c.closed_at.is_(None), ~is_muted())
    return connection.execute(query.order_by(incident.c.id).limit(MOST)).all()


def open_episodes(connection: Connection, causes: Collection[str]) -> dict[str, int]:
    """Return the open episode of each cause that has one."""
    open_ones = incident.c.closed_at.is_(None) & incident.c.episode.is_not(None) & incident.c.cause.in_(causes)
    query = select(incident.c.cause, func.min(incident.c.episode)).where(open_ones).group_by(incident.c.cause)
    return {cause: episode for cause, episode in connection.execute(query)}


def join(connection: Connection, found: Sequence[tuple[int, str, int]]) -> None:
    """Let incidents join episodes: (incident, cause, episode)."""
    if found:
        changed = (
            update(incident)
            .where(incident.c.id == bindparam("of"))
            .values(cause=bindparam("why"), episode=bindparam("to"))
        )
        connection.execute(changed, [{"of": of, "why": why, "to": to} for of, why, to in found])


def queue(connection: Connection, episode: int, event: str, to: Iterable[Recipient], nth: int = 0) -> None:
    """Queue an event of an episode for some recipients; one that was queued for one of them is not again."""
    rows = [{"episode": episode, "event": event, "nth": nth, "settled": event == RESOLVED, **asdict(one)} for one in to]
    if rows:
        connection.execute(insert(outbox).on_conflict_do_nothing(), rows)


def queue_message(connection: Connection, message: Mapping[str, Any], to: Recipient, delivery: UUID) -> None:
    """Queue a message that is about no incident, once for each delivery."""
    row = {"id": delivery, "event": REPORT, "message": dict(message), "settled": True, **asdict(to)}
    connection.execute(insert(outbox).values(**row).on_conflict_do_nothing())


def ended(connection: Connection) -> Sequence[Row[Any]]:
    """List whose episodes are over, and whether they are to be told so: those who may have been told that they began.

    Nobody is told the end of what merely changed, or was a notice.
    """
    member = incident.c.episode == outbox.c.episode
    still = exists().where(member, incident.c.closed_at.is_(None) | is_muted())
    real = exists().where(member, incident.c.resolution.not_in((CHANGED, TOLD)))
    maybe = (outbox.c.outcome == GIVEN_UP) & outbox.c.lease_until.is_not(None)
    seen = func.bool_or(outbox.c.outcome.in_((SENT, UNKNOWN)) | maybe)
    columns = (outbox.c.episode, outbox.c.channel, outbox.c.recipient)
    query = select(*columns, func.max(outbox.c.fallback).label("fallback"), (seen & real).label("told"))
    unsettled = query.where(~outbox.c.settled, ~still).group_by(*columns)
    return connection.execute(unsettled.having(func.bool_and(outbox.c.ended_at.is_not(None)))).all()


def settle(connection: Connection, row: Row[Any]) -> None:
    """Look no more at what a recipient was told of an episode."""
    which = (outbox.c.episode == row.episode) & (outbox.c.channel == row.channel)
    which &= (outbox.c.recipient == row.recipient) & ~outbox.c.settled
    connection.execute(update(outbox).where(which).values(settled=True))


def due_again(connection: Connection, after: timedelta) -> Sequence[Row[Any]]:
    """List whom to tell again of an episode that is open, since long, and acknowledged by nobody.

    A recipient that was given up is tried again then.
    """
    last = (
        select(
            outbox.c.episode,
            outbox.c.channel,
            outbox.c.recipient,
            func.max(outbox.c.fallback).label("fallback"),
            func.max(outbox.c.nth).label("nth"),
        )
        .where(~outbox.c.settled)
        .group_by(outbox.c.episode, outbox.c.channel, outbox.c.recipient)
        .having(
            func.bool_and(outbox.c.ended_at.is_not(None)), func.max(outbox.c.ended_at) < func.clock_timestamp() - after
        )
        .subquery()
    )
    nobody = incident.c.closed_at.is_(None) & incident.c.acknowledged.is_(None) & ~is_muted()
    return connection.execute(select(last).where(exists().where(incident.c.episode == last.c.episode, nobody))).all()


def say_again(connection: Connection, episode: int | None) -> None:
    """Queue for whoever was told of an episode that it goes on, and how it is now."""
    columns = (outbox.c.episode, outbox.c.channel, outbox.c.recipient)
    last = select(*columns, func.max(outbox.c.fallback).label("fallback"), func.max(outbox.c.nth).label("nth"))
    seen = last.where(outbox.c.episode == episode, ~outbox.c.settled).group_by(*columns)
    for row in connection.execute(seen.having(func.bool_and(outbox.c.ended_at.is_not(None)))).all():
        queue(connection, row.episode, STILL_OPEN, [Recipient(row.channel, row.recipient, row.fallback)], row.nth + 1)


def members(connection: Connection, episode: int, *, still_open: bool) -> Sequence[Row[Any]]:
    """List the incidents of an episode, the oldest first: those that are open, or all."""
    query = select(incident).where(incident.c.episode == episode).order_by(incident.c.id)
    return connection.execute(query.where(incident.c.closed_at.is_(None)) if still_open else query).all()


def _silent() -> Any:
    """Say of a row that nobody is to hear of its episode now: what is open of it is muted, or answered for."""
    member = incident.c.episode == outbox.c.episode
    still = member & incident.c.closed_at.is_(None)
    answered = (outbox.c.event == STILL_OPEN) & incident.c.acknowledged.is_not(None)
    audible = exists().where(still, ~is_muted(), ~answered)
    return case(
        (outbox.c.event == RESOLVED, exists().where(member, is_muted())), else_=exists().where(still) & ~audible
    )


def lease(connection: Connection, without: Collection[tuple[str, str]]) -> Row[Any] | None:
    """Lease the next row that is due, but for those of some channels and recipients; None where there is none."""
    now = func.clock_timestamp()
    free = or_(outbox.c.lease_until.is_(None), outbox.c.lease_until < now)
    query = select(outbox).where(outbox.c.ended_at.is_(None), outbox.c.due_at <= now, free, ~_silent())
    if without:
        query = query.where(tuple_(outbox.c.channel, outbox.c.recipient).not_in(without))
    found = connection.execute(query.order_by(outbox.c.due_at).limit(1).with_for_update(skip_locked=True)).first()
    if found is not None:
        taken = {"lease_until": now + LEASE, "tries": found.tries + 1}
        connection.execute(update(outbox).where(outbox.c.id == found.id).values(**taken))
    return found


def end(connection: Connection, delivery: UUID, outcome: str, error: str = "", *, unknown: bool = False) -> None:
    """End a row, unless it has ended; one that is given up keeps a lease where it may have arrived all the same."""
    which = and_(outbox.c.id == delivery, outbox.c.ended_at.is_(None))
    lease = func.clock_timestamp() if unknown else None
    values = {"ended_at": func.clock_timestamp(), "lease_until": lease, "outcome": outcome, "error": error}
    connection.execute(update(outbox).where(which).values(**values))


def postpone(connection: Connection, leased: Row[Any], seconds: float, error: str, *, unknown: bool) -> None:
    """Let a row be due later, and keep why and whether it may have arrived, unless another has leased it since."""
    mine = and_(outbox.c.id == leased.id, outbox.c.tries == leased.tries + 1, outbox.c.ended_at.is_(None))
    later = func.clock_timestamp() + timedelta(seconds=seconds)
    values = {"due_at": later, "lease_until": later if unknown else None, "error": error}
    connection.execute(update(outbox).where(mine).values(**values))


def is_older(connection: Connection, leased: Row[Any], than: timedelta) -> bool:
    """Return whether a row was queued so long ago, by the ledger's clock."""
    return bool(connection.scalar(select(func.clock_timestamp() - leased.queued_at > than)))


def undelivered(connection: Connection, beginning: str = "") -> Sequence[Row[Any]]:
    """List the rows that were tried and have not arrived, of consumers whose name begins so, the oldest first."""
    query = (
        select(outbox, incident.c.consumer)
        .outerjoin(incident, incident.c.id == outbox.c.episode)
        .where(outbox.c.error != "", outbox.c.outcome.in_(("", GIVEN_UP)))
        .order_by(outbox.c.queued_at)
    )
    if beginning:
        query = query.where(incident.c.consumer.startswith(beginning, autoescape=True))
    return connection.execute(query).all()
