"""Telegram, by a bot's token in an Airflow Connection; `to` is the id of a chat, or @name of a public channel.

A bot cannot read what it has posted, so a repeat shows twice.
"""

from collections.abc import Callable
from functools import partial

from common.core.settings import channels
from common.notify.attempt import attempt
from common.notify.connection import door
from common.notify.forms import TELEGRAM_HTML
from common.notify.message import Message
from common.notify.post import post
from common.notify.render import rendered

SERVER = "https://api.telegram.org"


class Telegram:
    """Sends to chats that the bot is in."""

    def send(self, message: Message, to: str, *, again: bool, patience: float) -> None:  # noqa: ARG002 - of the protocol
        """Send a message once; raises Undelivered."""
        attempt(partial(_prepare, message, to, patience), patience)


def _prepare(message: Message, to: str, patience: float) -> Callable[[], None]:
    found = door(channels().telegram_conn, SERVER, "the bot's token")
    text = rendered(TELEGRAM_HTML, message)
    body = {"chat_id": to, "text": text, "parse_mode": "HTML", "link_preview_options": {"is_disabled": True}}
    return partial(post, f"{found.address}/bot{found.secret}/sendMessage", body, patience=patience)
