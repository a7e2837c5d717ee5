"""Tell people of incidents, once each: find out what is to be told, and send what is due.

Nothing here raises into the work that it is about, and no channel waits for another.
"""

import random
import time
from datetime import timedelta
from typing import Any
from uuid import uuid5

from sqlalchemy import Connection, Row

from common.core.errors import WatershedError
from common.ledger import outbox
from common.ledger.database import transaction
from common.ledger.incidents import close_told
from common.notify.about import about, message_of
from common.notify.channel import Undelivered
from common.notify.channels import CHANNELS
from common.notify.kinds import cause_of, kind_of
from common.notify.message import Message
from common.notify.routes import Routes, recipient_of, safe_routes
from common.observe.log import logger
from common.observe.verbs import passed

log = logger(__name__)
BRIEFLY = 3.0  # seconds that a task gives to messages once its own work is stored
ONE_TRY = 10.0
FIRST_WAIT, LONGEST_WAIT = 15.0, 3600.0
OBEYED = 24 * 3600.0  # the longest wait that a channel may ask for
FALL_BACK_AFTER = 3  # tries
GIVE_UP_AFTER = timedelta(days=7)


def tell(patience: float = BRIEFLY) -> int:
    """Find out what is to be told and send what is due, for so many seconds; return how many messages arrived.

    Never raises: what is not told now is told by whoever comes next, at the latest the watch.
    """
    try:
        find_out()
        return send_due(patience)
    except WatershedError as error:
        log.warning("messages wait in the outbox", error=str(error))
    except Exception:
        log.exception("messages wait in the outbox")
    return 0


def find_out() -> None:
    """Queue what the ledger has to tell: incidents that nobody was told of, that are over, or that go on."""
    rules = safe_routes()
    with transaction() as connection:
        outbox.hold(connection)
        _begun(connection, rules)
        for row in outbox.ended(connection):
            outbox.queue(connection, row.episode, outbox.RESOLVED, [_to(row)] if row.told else [])
            outbox.settle(connection, row)
        for row in outbox.due_again(connection, rules.repeat_after):
            outbox.queue(connection, row.episode, outbox.STILL_OPEN, [_to(row)], row.nth + 1)


def _to(row: Row[Any]) -> outbox.Recipient:
    return outbox.Recipient(row.channel, row.recipient, row.fallback)


def _begun(connection: Connection, rules: Routes) -> None:
    """Gather new incidents into episodes, and queue these for whom they concern."""
    found = [(row, cause_of(row)) for row in outbox.unseen(connection)]
    if not found:
        return
    episodes = outbox.open_episodes(connection, {cause for _, cause in found})
    joined, recipients = [], dict[tuple[int, outbox.Recipient], None]()
    for row, cause in found:
        episode = episodes.setdefault(cause, row.id)
        joined.append((row.id, cause, episode))
        recipients |= dict.fromkeys((episode, to) for to in rules.of(about(row, rules)))
    outbox.join(connection, joined)
    for episode, to in recipients:
        outbox.queue(connection, episode, outbox.OPENED, [to])
    close_told(connection, [row.id for row, _ in found if kind_of(row.kind).notice])


def send_due(patience: float) -> int:
    """Send what is due until nothing is or the seconds are over; return how many messages arrived.

    A recipient that could not be reached is left alone until the next time.
    """
    deadline, failed, arrived = time.monotonic() + patience, set[tuple[str, str]](), 0
    while (left := deadline - time.monotonic()) > 0:
        row, message = _next(failed)
        if row is None:
            break
        if message is None:
            continue
        try:
            _send(row, message, min(ONE_TRY, max(left, 1.0)))
        except Undelivered as error:
            failed.add((row.channel, row.recipient))
            _postpone(row, error)
        else:
            arrived += 1
            with transaction() as connection:
                outbox.end(connection, row.id, outbox.SENT)
            passed("outbox", "record.after")
    return arrived


def _next(failed: set[tuple[str, str]]) -> tuple[Row[Any] | None, Message | None]:
    """Lease the next row, with its message; without one where it needs none any more, or none can be made."""
    rules = safe_routes()
    with transaction() as connection:
        outbox.hold(connection)
        row = outbox.lease(connection, failed)
        if row is None:
            return None, None
        try:
            message = message_of(connection, row, rules)
        except (KeyError, TypeError, ValueError) as error:  # of another version, maybe: the others do not wait for it
            _later(connection, row, Undelivered(f"no message can be made: {error}"))
            return row, None
        if message is None:
            outbox.end(connection, row.id, outbox.UNKNOWN if row.lease_until else outbox.UNNEEDED)
        return row, message


def _send(row: Row[Any], message: Message, patience: float) -> None:
    """Send a message; raises Undelivered and nothing else."""
    if row.channel not in CHANNELS:
        raise Undelivered(f"this version knows no channel '{row.channel}'", lasting=True)
    passed("outbox", "send.before")
    try:
        CHANNELS[row.channel].send(message.bounded, row.recipient, again=row.tries > 0, patience=patience)
    except Undelivered:
        raise
    except Exception as error:
        log.exception("a fault of ours")
        raise Undelivered(f"a fault of ours: {type(error).__name__}", unknown=True) from error
    passed("outbox", "send.after")


def _postpone(row: Row[Any], error: Undelivered) -> None:
    with transaction() as connection:
        if row.fallback and (error.lasting or row.tries + 1 >= FALL_BACK_AFTER):
            _fall_back(connection, row)
        _later(connection, row, error)


def _later(connection: Connection, row: Row[Any], error: Undelivered) -> None:
    """Let a row be due later, or give it up."""
    who = {"channel": row.channel, "recipient": row.recipient}
    log.warning("message not delivered", **who, tries=row.tries + 1, error=str(error))
    wait = error.retry_after
    if wait is None:
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(row.tries, 10)) * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
    unknown = error.unknown or row.lease_until is not None
    if outbox.is_older(connection, row, GIVE_UP_AFTER):
        outbox.end(connection, row.id, outbox.GIVEN_UP, str(error), unknown=unknown)
    else:
        outbox.postpone(connection, row, min(wait, OBEYED), str(error), unknown=unknown)


def _fall_back(connection: Connection, row: Row[Any]) -> None:
    to = [outbox.Recipient(*recipient_of(row.fallback))]
    if row.episode is None:
        outbox.queue_message(connection, row.message, to[0], uuid5(row.id, row.fallback))
    else:
        outbox.queue(connection, row.episode, row.event, to, row.nth)
