"""What a channel is: it sends one message once, or says why it could not."""

from typing import Protocol

from common.core.errors import WatershedError
from common.notify.message import Message


class Undelivered(WatershedError):
    """A message did not arrive, as far as the channel says.

    `retry_after` is how many seconds the channel asks to be left alone; `lasting` says that somebody must act before it
    can succeed (a refused token, an unknown recipient). `unknown` says that there was no answer: it may have arrived.
    """

    def __init__(
        self, why: str, *, retry_after: float | None = None, lasting: bool = False, unknown: bool = False
    ) -> None:
        super().__init__(why)
        self.retry_after, self.lasting, self.unknown = retry_after, lasting, unknown


class Channel(Protocol):
    """A way to people. `to` is the recipient in the channel's own terms."""

    def send(self, message: Message, to: str, *, again: bool, patience: float) -> None:
        """Send a message within `patience` seconds; raises Undelivered and nothing else.

        With `again` this delivery may have arrived before: it is looked for first where the channel can tell.
        """
        ...
