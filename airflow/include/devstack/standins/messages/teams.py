"""MS Teams as a Workflows address: who knows its signature posts Adaptive Cards."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from devstack.standins.messages.cards import articles
from devstack.standins.messages.faults import Fault, Kind
from devstack.standins.messages.mailbox import parsed
from devstack.standins.messages.service import Account, Service

LARGEST = 28 * 1024  # bytes of a message, learn.microsoft.com/microsoftteams/limits-specifications-teams
CARD = "application/vnd.microsoft.card.adaptive"
INVOKE = "/triggers/manual/paths/invoke"


def _error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)


def _busy(fault: Fault) -> Response:
    message = f"Rate limit is exceeded. Try again in {fault.retry_after} seconds."
    return _error(429, "WorkflowTriggerThrottled", message, {"Retry-After": str(fault.retry_after)})


def _broken(_fault: Fault) -> Response:
    return _error(500, "InternalServerError", "Encountered internal server error.")


def _refused(_fault: Fault | None = None) -> Response:
    message = "The request must be authenticated only by Shared Access scheme."
    return _error(401, "DirectApiAuthorizationRequired", message)


def _cards(body: bytes) -> list[dict[str, Any]]:
    """Return the cards of a message; none where it is no message of Adaptive Cards alone."""
    try:
        message = parsed(body)
        attachments = message["attachments"] if message["type"] == "message" else []
        cards = [attachment["content"] for attachment in attachments if attachment["contentType"] == CARD]
    except (ValueError, KeyError, TypeError):
        return []
    whole = len(cards) == len(attachments) and all(_is_card(card) for card in cards)
    return cards if whole else []


def _is_card(card: Any) -> bool:
    return isinstance(card, dict) and card.get("type") == "AdaptiveCard" and isinstance(card.get("body"), list)


def routes(account: Account) -> APIRouter:
    """Serve one address; the name of the flow in it is where its messages go."""
    api = APIRouter()

    @api.post("/workflows/{name}" + INVOKE)
    async def invoke(name: str, request: Request, sig: str = "") -> Response:
        if not account.admits(sig):
            return _refused()
        body = await request.body()
        if len(body) > LARGEST:
            return _error(413, "RequestEntityTooLarge", f"The request is larger than {LARGEST} bytes.")
        cards = _cards(body)
        if not cards:
            message = "The input body for trigger 'manual' of type 'Request' did not match its schema definition."
            return _error(400, "TriggerInputSchemaMismatch", message)
        account.box.keep({"flow": name, "cards": cards})
        return Response(status_code=202)

    return api


SERVICE = Service(
    name="teams",
    title="MS Teams",
    articles=articles,
    routes=routes,
    paths=("/workflows/",),
    failures={Kind.BUSY: _busy, Kind.BROKEN: _broken, Kind.REFUSED: _refused},
)
