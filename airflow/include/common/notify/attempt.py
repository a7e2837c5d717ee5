"""One try to send a message: it ends when its time is up, and fails in one way only."""

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from common.notify.channel import Undelivered
from common.notify.redaction import redacted


def attempt(send: Callable[[], Any], patience: float) -> None:
    """Run one try for at most `patience` seconds; raises Undelivered and nothing else.

    It runs in a thread of its own, because names are looked up, and servers answer byte by byte, for as long as they
    like: no time-out of a library bounds that. A thread that is late is left to itself.
    """
    outcome: list[Undelivered | None] = []
    context = copy_context()
    thread = threading.Thread(target=lambda: outcome.append(_failure(lambda: context.run(send))), daemon=True)
    thread.start()
    thread.join(max(patience, 0.0))
    if not outcome:
        raise Undelivered(f"no answer within {patience:g} seconds; it may have arrived")
    if failure := outcome[0]:
        raise failure


def _failure(send: Callable[[], Any]) -> Undelivered | None:
    """Return why a try failed; what it was raised from is left behind, since errors of clients quote addresses."""
    try:
        send()
    except Undelivered as failure:
        return failure.with_traceback(None)
    except Exception as error:  # noqa: BLE001 - a channel fails in one way only
        return Undelivered(redacted(f"{type(error).__name__}: {error}"), lasting=_is_configuration(error))
    return None


def _is_configuration(error: Exception) -> bool:
    """Return whether an error says that a Connection is missing or lacks something."""
    return type(error).__name__ in ("AirflowNotFoundException", "ConfigError")
