"""Say something to somebody: what DAGs use that are nobody's incident."""

import time
from dataclasses import replace
from uuid import UUID, uuid4

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_before_delay, wait_random_exponential

from common.core.errors import WatershedError
from common.core.settings import settings
from common.ledger.database import transaction
from common.ledger.outbox import Recipient, queue_message
from common.notify.channel import Undelivered
from common.notify.channels import channel_named
from common.notify.message import Message
from common.notify.outbox import tell
from common.observe.log import logger

log = logger(__name__)
ONE_TRY = 10.0  # seconds
BACKOFF = wait_random_exponential(multiplier=0.5, max=30)


def say(message: Message, channel: str, to: str) -> None:
    """Tell somebody something: by the outbox where there is a ledger, else now; never raises."""
    whole = message if message.delivery else replace(message, delivery=str(uuid4()))
    try:
        settings()
        with transaction() as connection:
            queue_message(connection, whole.json, Recipient(channel, to), UUID(whole.delivery))
    except WatershedError:  # a DAG without a ledger, or an outage of it
        send_directly(whole, channel, to)
    except Exception:
        log.exception("not queued, so sent now", title=whole.title)
        send_directly(whole, channel, to)
    else:
        tell()


def send_directly(message: Message, channel: str, to: str, patience: float = 60.0) -> bool:
    """Send a message now, with retries for at most `patience` seconds; return whether it arrived. Never raises."""
    try:
        send_now(message, channel, to, patience)
    except Exception as failure:  # noqa: BLE001 - a message changes nobody's outcome
        log.error("not delivered", channel=channel, title=message.title, why=str(failure))  # noqa: TRY400 - no trace
        return False
    return True


def send_now(message: Message, channel: str, to: str, patience: float = 60.0, *, again: bool = False) -> None:
    """Send a message, with retries for at most `patience` seconds.

    Raises the last Undelivered, and ConfigError for a channel that is unknown. A channel that asks to be left alone is,
    where that leaves time; with `again` the message may have arrived before.
    """
    by, ends = channel_named(channel), time.monotonic() + patience
    whole = message if message.delivery else replace(message, delivery=str(uuid4()))
    retrying = Retrying(stop=stop_before_delay(patience), wait=_wait, retry=retry_if_exception(_may_pass), reraise=True)
    for attempt in retrying:
        with attempt:
            repeated = again or attempt.retry_state.attempt_number > 1
            by.send(whole, to, again=repeated, patience=min(ONE_TRY, max(ends - time.monotonic(), 0.1)))


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, Undelivered) and not error.lasting


def _wait(state: RetryCallState) -> float:
    """Return how long to wait: what backoff says, with jitter, and no less than the channel asks for."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, Undelivered) else None
    return max(BACKOFF(state), asked or 0.0)
