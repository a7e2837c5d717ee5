"""Telegram's Bot API, as far as a bot that sends messages needs it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from common.core.clock import now
from devstack.standins.messages.faults import Fault, Kind
from devstack.standins.messages.mailbox import Record, parsed
from devstack.standins.messages.pages import article
from devstack.standins.messages.service import Account, Service
from devstack.standins.messages.telegram_html import Parsed, Unparseable, parse

Arguments = Mapping[str, Any]
LONGEST = 4096  # characters, once entities are parsed
BOT = {"is_bot": True, "first_name": "Watershed", "username": "watershed_bot"}


class Refused(Exception):
    """A request that Telegram says no to."""

    def __init__(self, status: int, description: str, parameters: Mapping[str, int] | None = None) -> None:
        super().__init__(description)
        self.status, self.parameters = status, parameters

    @property
    def answer(self) -> Response:
        """The answer to it."""
        body = {"ok": False, "error_code": self.status, "description": str(self)}
        more = {"parameters": self.parameters} if self.parameters else {}
        headers = {"Retry-After": str(self.parameters["retry_after"])} if self.parameters else {}
        return JSONResponse({**body, **more}, self.status, headers)


def send_message(account: Account, arguments: Arguments) -> dict[str, Any]:
    """Keep a message for its chat."""
    chat = str(arguments.get("chat_id") or "").strip()
    if not chat:
        raise Refused(400, "Bad Request: chat_id is empty")
    if not _is_chat(chat):
        raise Refused(400, "Bad Request: chat not found")
    words = _parsed(str(arguments.get("text") or ""), str(arguments.get("parse_mode") or ""))
    if not words.text.strip():
        raise Refused(400, "Bad Request: message text is empty")
    if len(words.text) > LONGEST:
        raise Refused(400, "Bad Request: message is too long")
    number, time = account.box.count + 1, now()
    message = {"message_id": number, "text": words.text}
    account.box.keep({"received": time.isoformat(), "chat_id": chat, **message, "html": words.html})
    return {**message, "from": get_me(account), "chat": _chat(chat), "date": int(time.timestamp())}


def get_me(account: Account, _arguments: Arguments | None = None) -> dict[str, Any]:
    """Return whose token it is."""
    return {"id": int(account.token.partition(":")[0]), **BOT}


METHODS: dict[str, Callable[[Account, Arguments], dict[str, Any]]] = {"sendmessage": send_message, "getme": get_me}


def _is_chat(chat: str) -> bool:
    """Return whether this is a chat's number, or a channel's @name."""
    return chat.removeprefix("-").isascii() and (chat.removeprefix("-").isdigit() or chat.startswith("@"))


def _chat(chat: str) -> dict[str, Any]:
    if chat.startswith("@"):
        return {"id": -1000000000000, "type": "channel", "username": chat[1:], "title": chat[1:]}
    return {"id": int(chat), "type": "supergroup" if chat.startswith("-") else "private"}


def _parsed(text: str, mode: str) -> Parsed:
    if not mode:
        return parse(text.replace("&", "&amp;").replace("<", "&lt;"))
    if mode.upper() != "HTML":
        raise Refused(400, "Bad Request: unsupported parse_mode")
    try:
        return parse(text)
    except Unparseable as error:
        raise Refused(400, f"Bad Request: can't parse entities: {error}") from error


async def _arguments(request: Request) -> dict[str, Any]:
    query = dict(request.query_params)
    if "json" not in request.headers.get("content-type", ""):
        return {**query, **await request.form()}
    try:
        return {**query, **parsed(await request.body())}
    except (ValueError, TypeError) as error:
        raise Refused(400, "Bad Request: can't parse JSON object") from error


def _authorize(account: Account, token: str) -> None:
    if not account.admits(token):
        raise Refused(401, "Unauthorized")


def _call(account: Account, method: str, arguments: Arguments) -> dict[str, Any]:
    if method.lower() not in METHODS:
        raise Refused(404, "Not Found")
    return METHODS[method.lower()](account, arguments)


def routes(account: Account) -> APIRouter:
    """Serve the methods of one bot."""
    api = APIRouter()

    @api.api_route("/bot{token}/{method}", methods=["GET", "POST"])
    async def call(token: str, method: str, request: Request) -> Response:
        try:
            _authorize(account, token)
            arguments = await _arguments(request)
            return JSONResponse({"ok": True, "result": _call(account, method, arguments)})
        except Refused as refusal:
            return refusal.answer

    return api


def _busy(fault: Fault) -> Response:
    words = f"Too Many Requests: retry after {fault.retry_after}"
    return Refused(429, words, {"retry_after": fault.retry_after}).answer


def _broken(_fault: Fault) -> Response:
    return Refused(500, "Internal Server Error").answer


def _refused(_fault: Fault) -> Response:
    return Refused(401, "Unauthorized").answer


def articles(messages: Sequence[Record]) -> list[str]:
    """Write messages with what Telegram makes of their markup."""
    return [article(message, message["chat_id"], f'<div class="text">{message["html"]}</div>') for message in messages]


SERVICE = Service(
    name="telegram",
    title="Telegram",
    articles=articles,
    routes=routes,
    paths=("/bot",),
    delivery="/sendMessage",
    failures={Kind.BUSY: _busy, Kind.BROKEN: _broken, Kind.REFUSED: _refused},
)
