"""A Slack that keeps what it is sent: the Web API methods that the Slack provider and slack_sdk call."""

import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from common.core.clock import now
from devstack.standins.messages.blocks import complaints
from devstack.standins.messages.faults import Fault, Kind
from devstack.standins.messages.mailbox import parsed
from devstack.standins.messages.service import Account, Service
from devstack.standins.messages.slack_page import articles

Arguments = Mapping[str, Any]
WHO = {"team": "Watershed", "team_id": "T0WATERSHED", "user": "watershed", "user_id": "U0WATERSHED"}
BOT = "B0WATERSHED"
ID = re.compile(r"[CDG][A-Z0-9]{8,}")
FILE = re.compile(r"F0[0-9A-F]{12}")
LONGEST_TEXT = 40_000
PAGE = 100  # messages of a channel's history in one answer
OF_A_MESSAGE = ("type", "ts", "bot_id", "text", "blocks", "attachments", "thread_ts", "metadata")


class Refused(Exception):
    """Slack's way to say no: HTTP 200 with a word for the reason, and what is wrong where."""

    def __init__(self, word: str, errors: list[str] | None = None) -> None:
        super().__init__(word)
        self.answer: dict[str, Any] = {"ok": False, "error": word}
        if errors:
            self.answer["errors"] = errors
            self.answer["response_metadata"] = {"messages": [f"[ERROR] {error}" for error in errors]}


def channel_id(channel: str) -> str:
    """Return a channel's id; the API takes names and ids alike."""
    return channel if ID.fullmatch(channel) else "C0" + re.sub(r"[^A-Z0-9]", "", channel.upper()).zfill(8)


def api_test(_account: Account, arguments: Arguments) -> dict[str, Any]:
    """Say that the API answers."""
    return {"args": dict(arguments)}


def auth_test(account: Account, _arguments: Arguments) -> dict[str, Any]:
    """Say whose token it is."""
    return {**WHO, "bot_id": BOT, "url": f"{account.address}/"}


def post_message(account: Account, arguments: Arguments) -> dict[str, Any]:
    """Keep a message for its channel."""
    channel = str(arguments.get("channel") or "")
    if not channel:
        raise Refused("channel_not_found")
    time = now()
    message = {
        "type": "message",
        "ts": f"{time.timestamp():.6f}",
        "bot_id": BOT,
        "thread_ts": arguments.get("thread_ts"),
        **_content(arguments),
    }
    account.box.keep({"channel": channel, "received": time.isoformat(), **message})
    return {"channel": channel_id(channel), "ts": message["ts"], "message": message}


def _content(arguments: Arguments) -> dict[str, Any]:
    blocks, attachments, metadata = (_parsed(arguments.get(name)) for name in ("blocks", "attachments", "metadata"))
    text = str(arguments.get("text") or "")
    if not (text or blocks or attachments):
        raise Refused("no_text")
    if len(text) > LONGEST_TEXT:
        raise Refused("msg_too_long")
    if blocks and (errors := complaints(blocks)):
        raise Refused("invalid_blocks", errors)
    if metadata and not _is_metadata(metadata):
        raise Refused("invalid_metadata_format")
    return {"text": text, "blocks": blocks, "attachments": attachments, "metadata": metadata}


def _is_metadata(found: Any) -> bool:
    return (
        isinstance(found, dict)
        and isinstance(found.get("event_type"), str)
        and isinstance(found.get("event_payload"), dict)
    )


def history(account: Account, arguments: Arguments) -> dict[str, Any]:
    """List the messages of a channel, which only its id names, the newest first."""
    channel = str(arguments.get("channel") or "")
    found = [message for message in account.box.messages() if channel_id(str(message["channel"])) == channel]
    if not ID.fullmatch(channel):
        raise Refused("channel_not_found")
    oldest, latest = float(arguments.get("oldest") or 0), float(arguments.get("latest") or "inf")
    with_metadata = str(arguments.get("include_all_metadata", "")).lower() in ("true", "1")
    wanted = [message for message in reversed(found) if oldest < float(message.get("ts") or 0) < latest]
    start, limit = int(arguments.get("cursor") or 0), int(arguments.get("limit") or PAGE)
    end = start + limit
    return {
        "messages": [
            {name: message.get(name) for name in OF_A_MESSAGE if with_metadata or name != "metadata"}
            for message in wanted[start:end]
        ],
        "has_more": len(wanted) > end,
        "response_metadata": {"next_cursor": str(end) if len(wanted) > end else ""},
    }


def list_channels(account: Account, _arguments: Arguments) -> dict[str, Any]:
    """List the channels that messages were sent to."""
    names = sorted({str(message["channel"]).lstrip("#") for message in account.box.messages()})
    return {
        "channels": [{"id": channel_id(name), "name": name, "is_member": True} for name in names],
        "response_metadata": {"next_cursor": ""},
    }


def upload_url(account: Account, arguments: Arguments) -> dict[str, Any]:
    """Return the address that a file's bytes go to."""
    if not arguments.get("filename") or not arguments.get("length"):
        raise Refused("invalid_arguments")
    file = "F0" + secrets.token_hex(6).upper()
    return {"upload_url": f"{account.address}/upload/{file}", "file_id": file}


def complete_upload(account: Account, arguments: Arguments) -> dict[str, Any]:
    """Share uploaded files with a channel."""
    files = _parsed(arguments.get("files")) or []
    if not all(FILE.fullmatch(file["id"]) and _file(account, file["id"]).exists() for file in files):
        raise Refused("file_not_found")
    if channel := arguments.get("channel_id") or arguments.get("channels"):
        time = now()
        text = arguments.get("initial_comment") or ""
        stamp = {"received": time.isoformat(), "ts": f"{time.timestamp():.6f}"}
        account.box.keep({"channel": channel, "text": text, "files": files, **stamp})
    return {"files": files}


METHODS: dict[str, Callable[[Account, Arguments], dict[str, Any]]] = {
    "api.test": api_test,
    "auth.test": auth_test,
    "chat.postMessage": post_message,
    "conversations.history": history,
    "conversations.list": list_channels,
    "files.getUploadURLExternal": upload_url,
    "files.completeUploadExternal": complete_upload,
}


def _file(account: Account, name: str) -> Path:
    return account.box.folder / name


def _parsed(value: Any) -> Any:
    """Read what forms carry as JSON text and JSON bodies carry as it is."""
    return parsed(value) if isinstance(value, str) and value else value


async def _arguments(request: Request) -> dict[str, Any]:
    arguments: dict[str, Any] = dict(request.query_params)
    if "json" not in request.headers.get("content-type", ""):
        return {**arguments, **await request.form()}
    try:
        return {**arguments, **parsed(await request.body() or "{}")}  # slack_sdk sends no body for none
    except (ValueError, TypeError) as error:
        raise Refused("invalid_json") from error


def _call(account: Account, method: str, arguments: Arguments) -> dict[str, Any]:
    if method not in METHODS:
        raise Refused("unknown_method")
    return METHODS[method](account, arguments)


def _authorize(request: Request, arguments: Arguments, account: Account) -> None:
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    given = bearer or str(arguments.get("token", ""))
    if not given:
        raise Refused("not_authed")
    if not account.admits(given):
        raise Refused("invalid_auth")


def routes(account: Account) -> APIRouter:
    """Serve the API to whoever has the token."""
    api = APIRouter()

    @api.api_route("/api/{method}", methods=["GET", "POST"])
    async def call(method: str, request: Request) -> dict[str, Any]:
        try:
            arguments = await _arguments(request)
            _authorize(request, arguments, account)
            return {"ok": True, **_call(account, method, arguments)}
        except Refused as refusal:
            return refusal.answer
        except (AttributeError, TypeError, ValueError):  # arguments that are not what they should be
            return Refused("invalid_arguments").answer

    @api.post("/upload/{file}")
    async def upload(file: str, request: Request) -> Response:
        if not FILE.fullmatch(file):
            return PlainTextResponse("no such upload", status_code=404)
        content = await request.body()
        _file(account, file).write_bytes(content)
        return PlainTextResponse(f"OK - {len(content)}")

    return api


def _busy(fault: Fault) -> Response:
    headers = {"Retry-After": str(fault.retry_after)}
    return JSONResponse({"ok": False, "error": "ratelimited"}, 429, headers)


def _broken(_fault: Fault) -> Response:
    return JSONResponse({"ok": False, "error": "internal_error"}, 500)


def _refused(_fault: Fault) -> Response:
    return JSONResponse(Refused("invalid_auth").answer)


SERVICE = Service(
    name="slack",
    title="Slack",
    articles=articles,
    routes=routes,
    paths=("/api/", "/upload/"),
    delivery="chat.postMessage",
    failures={Kind.BUSY: _busy, Kind.BROKEN: _broken, Kind.REFUSED: _refused},
)
