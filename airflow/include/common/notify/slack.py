"""Slack, by a bot token (`chat:write`) in an Airflow Connection; `to` is a channel, as #name or id."""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from math import ceil
from typing import Any

from common.core.connections import required
from common.core.settings import channels
from common.notify.attempt import attempt
from common.notify.channel import Undelivered
from common.notify.forms import SLACK
from common.notify.message import Message
from common.notify.post import seconds
from common.notify.render import rendered

EVENT = "watershed_alert"
LOOKED_AT = 200  # newest messages of a channel, of which one may be the delivery that is looked for
BUSY = ("ratelimited", "rate_limited")
BROKEN = ("internal_error", "fatal_error", "service_unavailable", "request_timeout")  # some of it may have been done
Call = Callable[..., Any]


class Slack:
    """Posts to channels that the bot is in."""

    def send(self, message: Message, to: str, *, again: bool, patience: float) -> None:
        """Post a message once; raises Undelivered.

        A delivery that may have arrived is looked for in the channel's history where the token may read it
        (`channels:history`, and `channels:read` where `to` is a name).
        """
        attempt(partial(_prepare, message, to, again=again, patience=patience), patience)


def _prepare(message: Message, to: str, *, again: bool, patience: float) -> Callable[[], None]:
    from airflow.providers.slack.hooks.slack import SlackHook

    conn = channels().slack_conn
    with required(conn):
        call = SlackHook(slack_conn_id=conn, timeout=ceil(patience), retry_handlers=[]).client.api_call
    metadata = {"event_type": EVENT, "event_payload": {"delivery": message.delivery}}
    body = {"unfurl_links": False, "unfurl_media": False, **rendered(SLACK, message)}
    looked_for = message.delivery if again else ""
    return partial(_send, call, {**body, "channel": to, "metadata": metadata}, looked_for)


def _send(call: Call, body: dict[str, Any], looked_for: str) -> None:
    from slack_sdk.errors import SlackApiError

    if looked_for and _has_arrived(call, looked_for, body["channel"]):
        return
    try:
        call("chat.postMessage", json=body)
    except SlackApiError as refusal:
        raise _undelivered(refusal.response) from None


def _undelivered(response: Any) -> Undelivered:
    """Say why Slack did not take a message, from its answer."""
    word = str(response.get("error") or response.status_code)
    headers = {name.lower(): value for name, value in response.headers.items()}
    broken = word in BROKEN or response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
    transient = broken or word in BUSY or response.status_code != HTTPStatus.OK
    wait = seconds(headers.get("retry-after"), headers.get("date"))
    return Undelivered(f"Slack says {word}", retry_after=wait, lasting=not transient, unknown=broken)


def _has_arrived(call: Call, delivery: str, to: str) -> bool:
    """Return whether a delivery is among a channel's newest messages; no, where the token may not look."""
    from slack_sdk.errors import SlackApiError

    try:
        asked = {"channel": _channel_id(call, to), "limit": LOOKED_AT, "include_all_metadata": True}
        newest = call("conversations.history", params=asked)["messages"]
    except (SlackApiError, LookupError):
        return False
    payloads = [(message.get("metadata") or {}).get("event_payload") or {} for message in newest]
    return any(payload.get("delivery") == delivery for payload in payloads)


def _channel_id(call: Call, to: str) -> str:
    """Return the id of a channel, which history wants; raises LookupError where the bot sees none of the name."""
    if not to.startswith("#"):
        return to
    cursor = ""
    while True:
        asked = {"limit": 1000, "exclude_archived": True, "cursor": cursor}
        page = call("conversations.list", params={**asked, "types": "public_channel,private_channel"})
        for channel in page["channels"]:
            if f"#{channel['name']}" == to:
                return str(channel["id"])
        cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
        if not cursor:
            raise LookupError(to)
