"""PagerDuty, by its Events API v2; `to` is the id of the Airflow Connection whose password is a routing key."""

from collections.abc import Callable
from functools import partial
from typing import Any

from common.core.clock import now
from common.core.ids import short_hash
from common.notify.attempt import attempt
from common.notify.connection import door
from common.notify.forms import PAGERDUTY
from common.notify.message import Message, State
from common.notify.post import post
from common.notify.render import rendered

SERVER = "https://events.pagerduty.com"
LONGEST_KEY = 255


class PagerDuty:
    """Opens an alert and resolves it again; a report becomes a change event, which wakes nobody."""

    def send(self, message: Message, to: str, *, again: bool, patience: float) -> None:  # noqa: ARG002 - of the protocol
        """Send an event once; raises Undelivered. A repeat changes nothing: PagerDuty knows it by its key."""
        attempt(partial(_prepare, message, to, patience), patience)


def _prepare(message: Message, to: str, patience: float) -> Callable[[], None]:
    found = door(to, SERVER, "the routing key of a service")
    event = {**rendered(PAGERDUTY, message), "routing_key": found.secret}
    if message.state is State.REPORT:
        return partial(post, f"{found.address}/v2/change/enqueue", _change(event), patience=patience)
    action = "resolve" if message.state is State.RESOLVED else "trigger"
    event |= {"event_action": action, "dedup_key": _dedup_key(message)}
    return partial(post, f"{found.address}/v2/enqueue", event, patience=patience)


def _change(event: dict[str, Any]) -> dict[str, Any]:
    """Return what a change event has of an alert's."""
    payload = {name: event["payload"][name] for name in ("summary", "source", "custom_details")}
    return {
        "routing_key": event["routing_key"],
        "payload": {**payload, "timestamp": now().isoformat()},
        "links": event.get("links", []),
    }


def _dedup_key(message: Message) -> str:
    key = message.key or message.delivery
    return key if len(key) <= LONGEST_KEY else f"{key[:200]}-{short_hash(key)}"
