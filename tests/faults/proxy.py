"""A proxy in front of the object store that answers badly now and then, by a seeded plan."""

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

KINDS = ("500", "503", "slow", "cut", "lost", "refuse", "403")
REASONS = {
    "500": ("500 Internal Server Error", "InternalError"),
    "503": ("503 Slow Down", "SlowDown"),
    "403": ("403 Forbidden", "AccessDenied"),
}
SLOW = 0.3
CHUNK = 1 << 16
HOST = "127.0.0.1"
# Which fault, if any, a request meets: method and path in, a kind or nothing out.
Chooser = Callable[[str, str], str | None]


def seeded(seed: int, kinds: tuple[str, ...], share: float) -> Chooser:
    """Choose a fault for a share of the requests, the same for the same seed and order."""
    chance = random.Random(seed)

    def choose(_method: str, _path: str) -> str | None:
        return chance.choice(kinds) if chance.random() < share else None

    return choose


@dataclass
class Request:
    """One request as it came, whole."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    def encoded(self) -> bytes:
        """Give it anew; one request a connection."""
        kept = [(k, v) for k, v in self.headers if k.lower() not in ("connection", "expect", "transfer-encoding")]
        if any(k.lower() == "transfer-encoding" for k, _ in self.headers):
            kept = [
                *[(k, v) for k, v in kept if k.lower() != "content-length"],
                ("Content-Length", str(len(self.body))),
            ]
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{k}: {v}" for k, v in kept), "Connection: close", "", ""]
        return "\r\n".join(lines).encode("latin-1") + self.body


@dataclass
class Proxy:
    """Forwards to the store; what it chose is counted."""

    upstream: str
    choose: Chooser = lambda _method, _path: None
    port: int = 0
    made: Counter[str] = field(default_factory=Counter)
    _serving: set[Any] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection, one request; held here, because the event loop itself holds tasks but weakly."""
        task = asyncio.current_task()
        self._serving.add(task)
        try:
            await self._serve(reader, writer)
        finally:
            self._serving.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, OSError):
            request = await _read(reader, writer)
            fault = self.choose(request.method, request.path)
            if fault:
                self.made[fault] += 1
            await self._answer(request, fault, writer)
        await _close(writer)

    async def _answer(self, request: Request, fault: str | None, writer: asyncio.StreamWriter) -> None:
        if fault == "refuse":
            return
        if fault in REASONS:
            writer.write(_refusal(request, *REASONS[fault]))
            await writer.drain()
            return
        if fault == "slow":
            await asyncio.sleep(SLOW)
        answer = await self._forward(request)
        if fault == "lost":  # the store did it, and nobody learns of it
            return
        writer.write(answer[: len(answer) * 2 // 3] if fault == "cut" else answer)
        await writer.drain()

    async def _forward(self, request: Request) -> bytes:
        address = urlsplit(self.upstream)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            writer.write(request.encoded())
            await writer.drain()
            answer = await reader.read()
        finally:
            await _close(writer)
        head, _, body = answer.partition(b"\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        return b"\r\n".join([*lines, b"Connection: close", b"", b""]) + body


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError, OSError):
        await writer.wait_closed()


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = [(k.strip(), v.strip()) for k, _, v in (line.partition(":") for line in lines)]
    known = {k.lower(): v for k, v in headers}
    if known.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
    if "chunked" in known.get("transfer-encoding", ""):
        return Request(method, path, headers, await _chunks(reader))
    return Request(method, path, headers, await reader.readexactly(int(known.get("content-length", 0))))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readline()
    while (await reader.readline()).strip():
        continue
    return body


def _refusal(request: Request, status: str, code: str) -> bytes:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>on purpose</Message></Error>".encode()
    body = b"" if request.method == "HEAD" else body
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


@contextmanager
def proxy(upstream: str) -> Iterator[Proxy]:
    """Keep a proxy for the length of a block, in a thread of this process; without a chooser it only forwards."""
    made, loop, ready = Proxy(upstream), asyncio.new_event_loop(), threading.Event()
    listening: list[Any] = []

    async def listen() -> None:
        listening.append(asyncio.current_task())
        server = await asyncio.start_server(made.serve, HOST, 0, limit=CHUNK * 16)
        made.port = server.sockets[0].getsockname()[1]
        ready.set()
        try:
            await asyncio.Event().wait()
        finally:
            server.close()

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(listen())
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left))

    thread = threading.Thread(target=run, name="proxy", daemon=True)
    thread.start()
    ready.wait()
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(listening[0].cancel)
        thread.join()
        loop.close()
