"""Deliver a message: with retries, and without ever raising into the task that it is about."""

from tenacity import Retrying, stop_after_attempt, wait_random_exponential

from common.core.settings import settings
from common.notify.message import Message
from common.notify.slack import post
from common.observe.log import logger

log = logger(__name__)
TRIES = 4


def deliver(message: Message) -> bool:
    """Send a message to the channel of the settings; return whether it arrived.

    A dead channel is logged and changes nobody's outcome.
    """
    retrying = Retrying(stop=stop_after_attempt(TRIES), wait=wait_random_exponential(max=5), reraise=True)
    try:
        for attempt in retrying:
            with attempt:
                post(message, settings().slack_conn, settings().slack_channel)
    except Exception:
        log.exception("alert not delivered", title=message.title)
        return False
    return True
