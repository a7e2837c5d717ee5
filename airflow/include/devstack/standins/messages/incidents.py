"""The incidents that PagerDuty makes of events, and what they look like."""

import json
from collections.abc import Sequence
from typing import Any

from devstack.standins.messages.mailbox import Record
from devstack.standins.messages.pages import article, link, table, text, time

CHANGE = "change"  # an event that is no incident, and wakes nobody
COLOURS = {"triggered": "attention", "acknowledged": "warning", "resolved": "good"}


def incidents(events: Sequence[Record]) -> list[dict[str, Any]]:
    """Return the incidents, oldest first: one open at a time for each key."""
    found: list[dict[str, Any]] = []
    open_ones: dict[str, dict[str, Any]] = {}
    for event in events:
        key, action = event["dedup_key"], event["event_action"]
        incident = open_ones.get(key)
        if incident is None:
            if action != "trigger":
                continue  # accepted, and of no effect
            incident = open_ones[key] = {"dedup_key": key, "state": "triggered", "events": []}
            found.append(incident)
        incident["events"].append(event)
        if action == "acknowledge":
            incident["state"] = "acknowledged"
        if action == "resolve":
            incident["state"] = "resolved"
            del open_ones[key]
    return found


def articles(events: Sequence[Record]) -> list[str]:
    """Write changes, then each incident as its last trigger describes it, with its state and what happened to it."""
    changes = [_change(event) for event in events if event["event_action"] == CHANGE]
    return [*changes, *(_article(incident) for incident in incidents(events))]


def _change(event: Record) -> str:
    payload = event["payload"]
    rows = [("Source", payload.get("source") or ""), *_details(payload.get("custom_details"))]
    return article(event, CHANGE, f"<h3>{text(payload['summary'])}</h3>{table(rows)}{_links(event)}")


def _article(incident: dict[str, Any]) -> str:
    last = next(event for event in reversed(incident["events"]) if event["event_action"] == "trigger")
    payload = last["payload"]
    head = f"<h3>{text(payload['summary'])}</h3>"
    rows = [("Severity", payload["severity"]), ("Source", payload["source"]), ("Key", incident["dedup_key"])]
    body = head + table([*rows, *_details(payload.get("custom_details"))]) + _links(last)
    happened = "".join(f"<li>{text(event['event_action'])} · {time(event)}" for event in incident["events"])
    return article(last, incident["state"], f"{body}<ul>{happened}</ul>", COLOURS[incident["state"]])


def _links(event: Record) -> str:
    found = event.get("links") or []
    return " ".join(link(one["href"], text(one.get("text") or one["href"]), "button") for one in found)


def _details(details: Any) -> list[tuple[str, str]]:
    if not isinstance(details, dict):
        return [("Details", str(details))] if details else []
    return [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in details.items()]
