"""Servers that channels send to: each keeps what it is sent and answers as it is told."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from common.core.caches import forget

HOST = "127.0.0.1"


@dataclass
class Answer:
    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    after: float = 0.0  # seconds


@dataclass
class Web:
    """An HTTP server: requests as (path, body); answers by path, 200 without one."""

    address: str
    requests: list[tuple[str, Any]] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)  # nobody waits for an answer any more

    def bodies(self, path: str) -> list[Any]:
        return [body for asked, body in self.requests if asked == path]


class _Handler(BaseHTTPRequestHandler):
    web: ClassVar[Web]

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        place = urlsplit(self.path)
        form = {name: values[0] for name, values in parse_qs(place.query or content).items()}
        is_json = "json" in self.headers.get("Content-Type", "")
        self.web.requests.append((place.path, json.loads(content) if content and is_json else form))
        answer = self.web.answers.get(place.path, Answer())
        self.web.over.wait(answer.after)
        body = json.dumps(answer.body).encode()
        self.send_response_only(answer.status)
        for name, value in {
            "Date": self.date_time_string(),
            **answer.headers,
            "Content-Length": str(len(body)),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST  # as clients make of a redirected POST

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def web() -> Iterator[Web]:
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer((HOST, 0), handler)
    handler.web = Web(f"http://{HOST}:{server.server_address[1]}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield handler.web  # type: ignore[attr-defined]
    handler.web.over.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a user's own templates."""
    monkeypatch.setenv("WATERSHED_DOMAINS_DIR", str(tmp_path))
    folder = tmp_path / "notifications"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    yield
    forget()
