"""The channels by their words."""

from common.core.settings import channel_settings
from common.notify.channel import Channel, Undelivered
from common.notify.message import Message
from common.notify.slack import post


class _Slack:
    def send(self, message: Message, to: str, *, again: bool, patience: float) -> None:
        try:
            post(message, channel_settings().slack_conn, to)
        except Exception as error:
            raise Undelivered(f"{type(error).__name__}: {error}") from error


CHANNELS: dict[str, Channel] = {"slack": _Slack()}
