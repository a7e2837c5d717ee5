"""The PagerDuty stand-in makes incidents of events."""

from typing import Any

import httpx
import pytest

from devstack.standins.messages.incidents import articles

KEY = 32 * "r"
PAYLOAD = {"summary": "It failed", "source": "shop", "severity": "error"}


def event(action: str = "trigger", key: str | None = "a", **more: Any) -> dict[str, Any]:
    payload = {"payload": PAYLOAD} if action == "trigger" else {}
    return {"routing_key": KEY, "event_action": action, "dedup_key": key, **payload, **more}


def enqueue(http: httpx.Client, sent: Any) -> httpx.Response:
    return http.post("/v2/enqueue", json=sent)


def states(http: httpx.Client) -> list[tuple[str, str, int]]:
    found = http.get("/pagerduty/incidents").json()
    return [(incident["dedup_key"], incident["state"], len(incident["events"])) for incident in found]


def test_events_of_one_key_are_one_incident_until_it_is_resolved(http: httpx.Client) -> None:
    answer = enqueue(http, event())
    assert answer.status_code == 202
    assert answer.json() == {"status": "success", "message": "Event processed", "dedup_key": "a"}
    enqueue(http, event())
    enqueue(http, event(key="b"))
    assert states(http) == [("a", "triggered", 2), ("b", "triggered", 1)]
    enqueue(http, event("acknowledge"))
    assert states(http)[0] == ("a", "acknowledged", 3)
    enqueue(http, event("resolve"))
    enqueue(http, event("resolve"))  # of no effect
    enqueue(http, event())
    assert states(http) == [("a", "resolved", 4), ("b", "triggered", 1), ("a", "triggered", 1)]
    assert KEY not in http.get("/messages").text


def test_a_trigger_without_a_key_is_given_one(http: httpx.Client) -> None:
    keys = {enqueue(http, event(key=None)).json()["dedup_key"] for _ in range(2)}
    assert len(keys) == len(states(http)) == 2


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ([], "Event object is not a JSON object"),
        (event(routing_key="short"), "Length of 'routing_key' is incorrect (should be 32 characters)"),
        (event(routing_key=None), "'routing_key' is missing or blank"),
        (event(event_action=None), "'event_action' is missing or blank"),
        (
            event("shout"),
            "'event_action' is invalid (must be one of the following: 'trigger', 'acknowledge', 'resolve')",
        ),
        (event("resolve", key=None), "'dedup_key' is missing or blank"),
        (event(key=256 * "k"), "'dedup_key' is too long (maximum is 255 characters)"),
        (event(payload=None), "'payload' is missing or blank"),
        (event(payload=PAYLOAD | {"summary": ""}), "'payload.summary' is missing or blank"),
        (
            event(payload=PAYLOAD | {"summary": 1025 * "x"}),
            "'payload.summary' is too long (maximum is 1024 characters)",
        ),
        (
            event(payload=PAYLOAD | {"severity": "bad"}),
            "'payload.severity' is invalid (must be one of the following: 'critical', 'error', 'warning', 'info')",
        ),
        (event(links=[{"text": "log"}]), "'links[0].href' is missing or blank"),
    ],
)
def test_what_is_no_event_is_refused_and_named(http: httpx.Client, sent: Any, error: str) -> None:
    answer = enqueue(http, sent)
    assert answer.status_code == 400
    assert answer.json() == {"status": "invalid event", "message": "Event object is invalid", "errors": [error]}
    assert http.get("/messages").json() == []


def test_a_wrong_key_and_a_body_that_is_too_large_are_refused(http: httpx.Client) -> None:
    answer = enqueue(http, event(routing_key=32 * "w"))
    assert (answer.status_code, answer.text) == (400, "Invalid routing key")
    large = PAYLOAD | {"custom_details": 600_000 * "x"}
    assert enqueue(http, event(payload=large)).status_code == 413
    assert http.post("/v2/enqueue", content=b"{").status_code == 400


def test_the_page_shows_incidents_with_what_happened_to_them_as_text() -> None:
    nasty = "<script>x</script>"
    payload = {"summary": nasty, "source": nasty, "severity": "error", "custom_details": {nasty: [nasty]}}
    links = [{"href": "https://x/log", "text": nasty}, {"href": "javascript:x"}]
    first = event(key=nasty, payload=payload, links=links, received="now")
    (html,) = articles([first, event("resolve", key=nasty, received="then")])
    assert "<script" not in html
    assert 'href="javascript' not in html
    assert 'href="https://x/log"' in html
    assert "resolved" in html
    assert "<li>resolve · then" in html


def test_a_change_is_kept_and_is_no_incident(http: httpx.Client) -> None:
    change = {"routing_key": KEY, "payload": {"summary": "<b>1,000 rows</b>", "source": "watershed"}}
    assert http.post("/v2/change/enqueue", json=change).status_code == 202
    refused = http.post("/v2/change/enqueue", json={**change, "payload": {}})
    assert (refused.status_code, refused.json()["errors"]) == (400, ["'payload.summary' is missing or blank"])
    assert states(http) == []
    assert "&lt;b&gt;1,000 rows" in http.get("/pagerduty").text
