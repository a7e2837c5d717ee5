"""A Slack that keeps what it is sent: the Web API methods that the Slack provider and slack_sdk call."""

import json
import re
import secrets
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from common.core.clock import now
from devstack.folder import state_folder
from devstack.keys import keys_of
from devstack.plan import read_plan
from devstack.ports import HOST
from devstack.standins.slack_page import page

Arguments = Mapping[str, Any]
WHO = {"team": "Watershed", "team_id": "T0WATERSHED", "user": "watershed", "user_id": "U0WATERSHED"}
BOT = "B0WATERSHED"
ID = re.compile(r"[CDG][A-Z0-9]{8,}")
FILE = re.compile(r"F0[0-9A-F]{12}")


class Refused(Exception):
    """Slack's way to say no: HTTP 200 with a word for the reason."""


class Mailbox:
    """Messages and files in a folder; they outlive the process."""

    def __init__(self, folder: Path, address: str) -> None:
        self.address = address
        self.files = folder / "files"
        self.files.mkdir(parents=True, exist_ok=True)
        self._messages = folder / "messages.jsonl"
        self._lock = threading.Lock()

    def keep(self, message: dict[str, Any]) -> None:
        """Append a message."""
        with self._lock, self._messages.open("a", encoding="utf-8") as file:
            file.write(json.dumps(message) + "\n")

    def messages(self) -> list[dict[str, Any]]:
        """Read every message, oldest first."""
        if not self._messages.exists():
            return []
        with self._messages.open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]


def channel_id(channel: str) -> str:
    """Return a channel's id; the API takes names and ids alike."""
    return channel if ID.fullmatch(channel) else "C0" + re.sub(r"[^A-Z0-9]", "", channel.upper()).zfill(8)


def api_test(_box: Mailbox, arguments: Arguments) -> dict[str, Any]:
    """Say that the API answers."""
    return {"args": dict(arguments)}


def auth_test(box: Mailbox, _arguments: Arguments) -> dict[str, Any]:
    """Say whose token it is."""
    return {**WHO, "bot_id": BOT, "url": f"{box.address}/"}


def post_message(box: Mailbox, arguments: Arguments) -> dict[str, Any]:
    """Keep a message for its channel."""
    channel = str(arguments.get("channel") or "")
    if not channel:
        raise Refused("channel_not_found")
    blocks, attachments = (_parsed(arguments.get(name)) for name in ("blocks", "attachments"))
    text = str(arguments.get("text") or "")
    if not (text or blocks or attachments):
        raise Refused("no_text")
    time = now()
    message = {
        "type": "message",
        "ts": f"{time.timestamp():.6f}",
        "bot_id": BOT,
        "text": text,
        "blocks": blocks,
        "attachments": attachments,
        "thread_ts": arguments.get("thread_ts"),
    }
    box.keep({"channel": channel, "received": time.isoformat(), **message})
    return {"channel": channel_id(channel), "ts": message["ts"], "message": message}


def list_channels(box: Mailbox, _arguments: Arguments) -> dict[str, Any]:
    """List the channels that messages were sent to."""
    names = sorted({str(message["channel"]).lstrip("#") for message in box.messages()})
    return {
        "channels": [{"id": channel_id(name), "name": name, "is_member": True} for name in names],
        "response_metadata": {"next_cursor": ""},
    }


def upload_url(box: Mailbox, arguments: Arguments) -> dict[str, Any]:
    """Return the address that a file's bytes go to."""
    if not arguments.get("filename") or not arguments.get("length"):
        raise Refused("invalid_arguments")
    file = "F0" + secrets.token_hex(6).upper()
    return {"upload_url": f"{box.address}/upload/{file}", "file_id": file}


def complete_upload(box: Mailbox, arguments: Arguments) -> dict[str, Any]:
    """Share uploaded files with a channel."""
    files = _parsed(arguments.get("files")) or []
    if not all(FILE.fullmatch(file["id"]) and (box.files / file["id"]).exists() for file in files):
        raise Refused("file_not_found")
    if channel := arguments.get("channel_id") or arguments.get("channels"):
        text = arguments.get("initial_comment") or ""
        box.keep({"channel": channel, "received": now().isoformat(), "text": text, "files": files})
    return {"files": files}


METHODS: dict[str, Callable[[Mailbox, Arguments], dict[str, Any]]] = {
    "api.test": api_test,
    "auth.test": auth_test,
    "chat.postMessage": post_message,
    "conversations.list": list_channels,
    "files.getUploadURLExternal": upload_url,
    "files.completeUploadExternal": complete_upload,
}


def _parsed(value: Any) -> Any:
    """Read what forms carry as JSON text and JSON bodies carry as it is."""
    return json.loads(value) if isinstance(value, str) and value else value


async def _arguments(request: Request) -> dict[str, Any]:
    arguments: dict[str, Any] = dict(request.query_params)
    if "json" not in request.headers.get("content-type", ""):
        return {**arguments, **await request.form()}
    try:
        return {**arguments, **json.loads(await request.body() or "{}")}  # slack_sdk sends no body for none
    except (ValueError, TypeError) as error:
        raise Refused("invalid_json") from error


def _call(box: Mailbox, method: str, arguments: Arguments) -> dict[str, Any]:
    if method not in METHODS:
        raise Refused("unknown_method")
    return METHODS[method](box, arguments)


def _authorize(request: Request, arguments: Arguments, token: str) -> None:
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    given = bearer or str(arguments.get("token", ""))
    if not given:
        raise Refused("not_authed")
    if not secrets.compare_digest(given, token):
        raise Refused("invalid_auth")


def create_app(box: Mailbox, token: str) -> FastAPI:
    """Build the application that serves the mailbox to whoever has the token."""
    app = FastAPI(title="Slack stand-in")

    @app.api_route("/api/{method}", methods=["GET", "POST"])
    async def call(method: str, request: Request) -> dict[str, Any]:
        try:
            arguments = await _arguments(request)
            _authorize(request, arguments, token)
            return {"ok": True, **_call(box, method, arguments)}
        except Refused as refusal:
            return {"ok": False, "error": str(refusal)}

    @app.post("/upload/{file}")
    async def upload(file: str, request: Request) -> Response:
        if not FILE.fullmatch(file):
            return PlainTextResponse("no such upload", status_code=404)
        content = await request.body()
        (box.files / file).write_bytes(content)
        return PlainTextResponse(f"OK - {len(content)}")

    app.get("/health")(lambda: {"ok": True})
    app.get("/messages")(box.messages)
    app.get("/", response_class=HTMLResponse)(lambda: page(box.messages()))
    return app


def main() -> None:
    """Serve the state folder named by the first argument."""
    folder = state_folder(Path(sys.argv[1]))
    plan = read_plan(folder)
    if plan:
        box = Mailbox(folder.path / "slack", plan.address("slack"))
        app = create_app(box, keys_of(folder).slack)
        uvicorn.run(app, host=HOST, port=plan.ports["slack"], log_level="warning")


if __name__ == "__main__":
    main()
