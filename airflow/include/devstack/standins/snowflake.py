"""A Snowflake that really executes: fakesnow, over TLS as its clients want it, with files of the object store.

It has libraries of its own beside the platform's (requirements-snowflake.lock): it needs an older sqlglot.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

LIBRARIES = Path(os.environ.get("SNOWFLAKE_STANDIN_LIBRARIES") or Path(sys.prefix) / "snowflake")
INTERNAL_ERROR = "000603"
# After how many seconds without a request the transaction of a session is taken back; Snowflake waits for four hours.
PATIENCE = float(os.environ.get("SNOWFLAKE_STANDIN_PATIENCE") or 4 * 3600)
Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Callable[[], Awaitable[Message]], Send], Awaitable[None]]


def failing_at_once(app: App) -> App:
    """Give what fakesnow did not foresee as Snowflake's internal error: clients repeat HTTP 500 for minutes."""

    async def wrapped(scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
        failed: list[bool] = []

        async def translated(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 500:
                failed.append(True)
                return
            if failed and message["type"] == "http.response.body":
                await _refuse(send, message.get("body", b""))
                return
            await send(message)

        await app(scope, receive, translated)

    return wrapped


async def _refuse(send: Send, body: bytes) -> None:
    try:
        text = json.loads(body)["message"]
    except (ValueError, KeyError, TypeError):
        text = "internal error"
    answer = {"data": {"errorCode": INTERNAL_ERROR, "sqlState": "XX000"}, "code": INTERNAL_ERROR}
    content = json.dumps({**answer, "message": text, "success": False}).encode()
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def ending_what_was_left(app: App, sessions: MutableMapping[str, Any]) -> App:
    """Take back the transactions of sessions whose clients have died: they would hold up others for ever."""
    last: dict[str, float] = {}  # when each session was answered; infinite while it is at work

    async def wrapped(scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
        headers = dict(scope.get("headers") or ())
        token = headers.get(b"authorization", b"").decode().removeprefix('Snowflake Token="')[:-1]
        for left in [name for name, at in last.items() if at < time.monotonic() - PATIENCE]:
            del last[left]
            if left in sessions:
                with suppress(Exception):  # it has no transaction
                    sessions[left]._duck_conn.execute("ROLLBACK")
        last[token] = float("inf")
        try:
            await app(scope, receive, send)
        finally:
            last[token] = time.monotonic()

    return wrapped


def _keep_nulls(arrow: Any) -> None:
    """Mend fakesnow 0.12.1, which gives a missing moment out as 1970."""
    import pyarrow as pa
    import pyarrow.compute as pc

    given = arrow.timestamp_to_sf_struct

    def mended(moments: Any) -> Any:
        whole = moments.combine_chunks() if isinstance(moments, pa.ChunkedArray) else moments
        values = given(pc.fill_null(whole, 0))
        return pa.StructArray.from_arrays(values.flatten(), fields=list(values.type), mask=pc.is_null(whole))

    arrow.timestamp_to_sf_struct = mended


def serve(folder: Path, host: str, port: int) -> None:
    """Serve until told to end; databases are files of the folder."""
    sys.path.insert(0, str(LIBRARIES))
    try:
        server: Any = importlib.import_module("fakesnow.server")
    except ImportError as error:
        sys.exit(f"{error}: the Snowflake stand-in's libraries are not in {LIBRARIES}. Run `make snowflake`.")
    import uvicorn

    from devstack.certificates import CERTIFICATE, certify
    from devstack.standins.objects import ObjectStore

    certify(folder, "localhost", host)
    data = folder / "databases"
    data.mkdir(exist_ok=True)
    _keep_nulls(importlib.import_module("fakesnow.arrow"))
    server.shared_fs = server.FakeSnow(db_path=data)
    server.shared_fs.duck_conn.register_filesystem(ObjectStore())
    app, certificate = failing_at_once(ending_what_was_left(server.app, server.sessions)), folder / CERTIFICATE
    # Clients keep connections open, and TLS would wait half a minute for each to say goodbye.
    uvicorn.run(app, host=host, port=port, ssl_certfile=certificate, log_level="warning", timeout_graceful_shutdown=1)


def main() -> None:
    """Serve the state folder that is named; or, where host and port are named too, a folder of its own."""
    if len(sys.argv) > 2:
        serve(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
        return
    from devstack.folder import read_json, state_folder

    folder = state_folder(Path(sys.argv[1]))
    if plan := read_json(folder.plan):
        serve(folder.path / "snowflake", "127.0.0.1", plan["ports"]["snowflake"])


if __name__ == "__main__":
    main()
