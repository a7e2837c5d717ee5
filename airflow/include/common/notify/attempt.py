"""One try to send a message: it ends when its time is up, and fails in one way only."""

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from common.core.errors import ConfigError
from common.notify.channel import Undelivered
from common.notify.redaction import redacted

Send = Callable[[], Any]


def attempt(prepare: Callable[[], Send], patience: float) -> None:
    """Prepare a try, then run it for at most `patience` seconds; raises Undelivered and nothing else.

    Preparing does not count: it loads libraries and asks Airflow for a Connection, of which no channel is guilty.
    """
    prepared: list[Send] = []
    failure = _failure(lambda: prepared.append(prepare())) or _failure_within(prepared[0], patience)
    if failure:
        raise failure


def _failure_within(send: Send, patience: float) -> Undelivered | None:
    """Return why a try failed, if it did, or that it took too long.

    It runs in a thread of its own: looking up names, and servers that answer byte by byte, take as long as they like,
    which no time-out of a library bounds. A thread that is late is left to itself.
    """
    outcome: list[Undelivered | None] = []
    context = copy_context()
    thread = threading.Thread(target=lambda: outcome.append(_failure(lambda: context.run(send))), daemon=True)
    thread.start()
    thread.join(max(patience, 0.0))
    if outcome:
        return outcome[0]
    return Undelivered(f"no answer within {patience:g} seconds; it may have arrived", unknown=True)


def _failure(step: Send) -> Undelivered | None:
    """Return why a step failed, if it did, without what it was raised from: errors of clients quote addresses."""
    try:
        step()
    except Undelivered as failure:
        return failure.with_traceback(None)
    except Exception as error:  # noqa: BLE001 - a channel fails in one way only
        cut_off = isinstance(error, (TimeoutError, ConnectionResetError, BrokenPipeError))
        return Undelivered(
            redacted(f"{type(error).__name__}: {error}"), lasting=isinstance(error, ConfigError), unknown=cut_off
        )
    return None
