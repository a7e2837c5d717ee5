"""Say something to one recipient."""

from common.notify.channel import Undelivered
from common.notify.channels import CHANNELS
from common.notify.message import Message


def send_directly(message: Message, channel: str, to: str, patience: float = 60.0) -> bool:
    """Send a message without an outbox; return whether it arrived."""
    try:
        CHANNELS[channel].send(message, to, again=False, patience=patience)
    except Undelivered:
        return False
    return True
