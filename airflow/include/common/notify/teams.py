"""Microsoft Teams, by the address of a Workflow; `to` is the id of the Airflow Connection whose password that is.

The address is the secret: whoever has it can post. Teams tells nobody what was posted, so a repeat shows twice.
"""

from collections.abc import Callable
from functools import partial

from common.notify.attempt import attempt
from common.notify.connection import door
from common.notify.forms import TEAMS
from common.notify.message import Message
from common.notify.post import post
from common.notify.render import rendered


class Teams:
    """Posts an Adaptive Card to a Workflow that was made of "When a Teams webhook request is received"."""

    def send(self, message: Message, to: str, *, again: bool, patience: float) -> None:  # noqa: ARG002 - of the protocol
        """Post a message once; raises Undelivered."""
        attempt(partial(_prepare, message, to, patience), patience)


def _prepare(message: Message, to: str, patience: float) -> Callable[[], None]:
    address = door(to, "", "the whole address of the Workflow").secret
    return partial(post, address, rendered(TEAMS, message), patience=patience)
