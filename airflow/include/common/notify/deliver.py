"""Deliver a message: with retries, and without ever raising into the task that it is about."""

from common.core.settings import channels
from common.notify.message import Message
from common.notify.say import send_directly

PATIENCE = 15.0  # seconds


def deliver(message: Message) -> bool:
    """Send a message to the channel of the settings; return whether it arrived.

    A dead channel is logged and changes nobody's outcome.
    """
    return send_directly(message, "slack", channels().slack_channel, PATIENCE)
