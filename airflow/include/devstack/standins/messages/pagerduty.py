"""PagerDuty's Events API v2: events of one key are one incident, until it is resolved."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from devstack.standins.messages.faults import Fault, Kind
from devstack.standins.messages.incidents import CHANGE, articles, incidents
from devstack.standins.messages.mailbox import parsed
from devstack.standins.messages.service import Account, Service

LARGEST = 512 * 1024  # bytes of an event
KEY_LENGTH, LONGEST_KEY, LONGEST_SUMMARY = 32, 255, 1024
ACTIONS = ("trigger", "acknowledge", "resolve")
SEVERITIES = ("critical", "error", "warning", "info")
KEPT = ("event_action", "dedup_key", "payload", "links", "images", "client", "client_url")


def complaints(event: Any) -> list[str]:
    """List what is wrong with an event, in PagerDuty's words."""
    if not isinstance(event, dict):
        return ["Event object is not a JSON object"]
    return [*_envelope(event), *(_payload(event.get("payload")) if event.get("event_action") == "trigger" else ())]


def _envelope(event: dict[str, Any]) -> Iterator[str]:
    yield from _routing(event)
    yield from _action(event)
    if len(str(event.get("dedup_key") or "")) > LONGEST_KEY:
        yield f"'dedup_key' is too long (maximum is {LONGEST_KEY} characters)"
    yield from _links(event)


def _routing(event: dict[str, Any]) -> Iterator[str]:
    key = event.get("routing_key")
    if not key:
        yield "'routing_key' is missing or blank"
    elif len(str(key)) != KEY_LENGTH:
        yield f"Length of 'routing_key' is incorrect (should be {KEY_LENGTH} characters)"


def _links(event: dict[str, Any]) -> Iterator[str]:
    for number, link in enumerate(event.get("links") or []):
        if not (isinstance(link, dict) and link.get("href")):
            yield f"'links[{number}].href' is missing or blank"


def _action(event: dict[str, Any]) -> Iterator[str]:
    if not event.get("event_action"):
        yield "'event_action' is missing or blank"
    elif event["event_action"] not in ACTIONS:
        yield f"'event_action' is invalid (must be one of the following: {_listed(ACTIONS)})"
    elif event["event_action"] != "trigger" and not event.get("dedup_key"):
        yield "'dedup_key' is missing or blank"


def _payload(payload: Any) -> Iterator[str]:
    if not isinstance(payload, dict):
        yield "'payload' is missing or blank"
        return
    for name in ("summary", "source", "severity"):
        if not payload.get(name):
            yield f"'payload.{name}' is missing or blank"
    if len(str(payload.get("summary") or "")) > LONGEST_SUMMARY:
        yield f"'payload.summary' is too long (maximum is {LONGEST_SUMMARY} characters)"
    if payload.get("severity") and payload["severity"] not in SEVERITIES:
        yield f"'payload.severity' is invalid (must be one of the following: {_listed(SEVERITIES)})"


def _listed(words: Sequence[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _invalid(errors: list[str]) -> Response:
    return JSONResponse({"status": "invalid event", "message": "Event object is invalid", "errors": errors}, 400)


def change_complaints(event: Any) -> list[str]:
    """List what is wrong with a change event, which has neither action nor key nor severity."""
    if not isinstance(event, dict):
        return ["Event object is not a JSON object"]
    payload = event.get("payload")
    missing = not (isinstance(payload, dict) and payload.get("summary"))
    return [*_routing(event), *_links(event), *(["'payload.summary' is missing or blank"] if missing else [])]


def _answer(account: Account, body: bytes, judge: Callable[[Any], list[str]]) -> Response:
    if len(body) > LARGEST:
        return PlainTextResponse("Request Entity Too Large", 413)
    try:
        event = parsed(body)
    except ValueError:
        return _invalid(["Event object is not a JSON object"])
    if errors := judge(event):
        return _invalid(errors)
    if not account.admits(str(event["routing_key"])):
        return _refused()
    if judge is change_complaints:
        account.box.keep(
            {"event_action": CHANGE, "dedup_key": "", "payload": event["payload"], "links": event.get("links")}
        )
        return JSONResponse({"status": "success", "message": "Change event processed"}, 202)
    key = str(event.get("dedup_key") or secrets.token_hex(16))
    account.box.keep({name: event[name] for name in KEPT if name in event} | {"dedup_key": key})
    return JSONResponse({"status": "success", "message": "Event processed", "dedup_key": key}, 202)


def routes(account: Account) -> APIRouter:
    """Serve events to whoever has the routing key; `/pagerduty/incidents` says what came of them."""
    api = APIRouter()

    @api.post("/v2/enqueue")
    async def enqueue(request: Request) -> Response:
        return _answer(account, await request.body(), complaints)

    @api.post("/v2/change/enqueue")
    async def change(request: Request) -> Response:
        return _answer(account, await request.body(), change_complaints)

    @api.get("/pagerduty/incidents")
    def listed() -> list[dict[str, Any]]:
        return incidents(account.box.messages())

    return api


def _busy(fault: Fault) -> Response:
    message = "Requests for this service are arriving too quickly.  Please retry later."
    headers = {"Retry-After": str(fault.retry_after)}
    return JSONResponse({"status": "throttle exceeded", "message": message, "errors": []}, 429, headers)


def _broken(_fault: Fault) -> Response:
    return JSONResponse({"status": "error", "message": "Internal Server Error"}, 500)


def _refused(_fault: Fault | None = None) -> Response:
    return PlainTextResponse("Invalid routing key", 400)


SERVICE = Service(
    name="pagerduty",
    title="PagerDuty",
    articles=articles,
    routes=routes,
    paths=("/v2/",),
    failures={Kind.BUSY: _busy, Kind.BROKEN: _broken, Kind.REFUSED: _refused},
)
