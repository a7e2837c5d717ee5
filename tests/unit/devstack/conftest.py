"""The stand-ins of message services: called in this process, and as a server where the connection matters."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.types import ASGIApp

from devstack.keys import Keys
from devstack.standins.messages.server import SERVICES, Setup, create_app
from tests.standins import messages

KEYS = Keys(slack="xoxb-right", mail="right", teams="right", telegram="7:right", pagerduty=32 * "r", veeva="right")


class InProcess(httpx.BaseTransport):
    """An application, called without a server."""

    def __init__(self, app: ASGIApp) -> None:
        self._transport = httpx.ASGITransport(app)  # type: ignore[arg-type]

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def call() -> httpx.Response:
            asked = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
            answer = await self._transport.handle_async_request(asked)
            return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())

        return asyncio.run(call())


@pytest.fixture
def http(tmp_path: Path) -> Iterator[httpx.Client]:
    """All services at one address; mail is taken by a server only."""
    tokens = {service.name: getattr(KEYS, service.name) for service in SERVICES}
    app = create_app(Setup(tmp_path, "http://standins", "127.0.0.1", 0, 0, tokens))
    with httpx.Client(transport=InProcess(app), base_url="http://standins", trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    with messages(tmp_path_factory.mktemp("standins"), KEYS) as setup:
        yield setup


@pytest.fixture
def server(served: Setup) -> Iterator[httpx.Client]:
    """The same, listening, and without faults."""
    with httpx.Client(base_url=served.address, trust_env=False) as client:
        client.delete("/faults")
        yield client
