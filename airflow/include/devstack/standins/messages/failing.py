"""Failing on purpose: what stands between the callers of the stand-ins and their answers."""

import asyncio
from collections.abc import Sequence
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from devstack.standins.messages.faults import Fault, Faults, Kind
from devstack.standins.messages.service import Service

CONNECTION = "connection"


class Severable(H11Protocol):
    """HTTP that hands its connection to the application, so that a fault can close it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Put the connection where every request of it finds it."""
        self.app_state = {**self.app_state, CONNECTION: transport}
        super().connection_made(transport)


class Failing:
    """An application whose services fail as they were told to."""

    def __init__(self, app: ASGIApp, services: Sequence[Service], faults: Faults) -> None:
        self._app, self._services, self._faults = app, services, faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or fail at it."""
        service = self._service(scope)
        fault = self._fault(service, scope["path"]) if service else None
        if service is None or fault is None:
            await self._app(scope, receive, send)
        elif fault.after:
            await self._fail_after(fault, service, (scope, receive, send))
        elif fault.fault is not Kind.SLOW:
            await _fail(fault, service, (scope, receive, send))
        else:
            await asyncio.sleep(fault.seconds)
            if not _connection(scope).is_closing():
                await self._app(scope, receive, send)

    def _service(self, scope: Scope) -> Service | None:
        if scope["type"] != "http":
            return None
        return next((one for one in self._services if one.paths and scope["path"].startswith(one.paths)), None)

    def _fault(self, service: Service, path: str) -> Fault | None:
        return self._faults.take(service.name, lambda fault: not fault.after or path.endswith(service.delivery))

    async def _fail_after(self, fault: Fault, service: Service, call: tuple[Scope, Receive, Send]) -> None:
        answer: list[Message] = []

        async def hold(message: Message) -> None:
            answer.append(message)

        await self._app(call[0], call[1], hold)
        if fault.fault is not Kind.SLOW:
            await _fail(fault, service, call)
            return
        await asyncio.sleep(fault.seconds)
        for message in answer:
            await call[2](message)


async def _fail(fault: Fault, service: Service, call: tuple[Scope, Receive, Send]) -> None:
    if fault.fault is not Kind.GONE:
        await service.failures[fault.fault](fault)(*call)
        return
    _connection(call[0]).abort()
    await asyncio.sleep(0)  # the server learns of it, and expects no answer any more


def _connection(scope: Scope) -> Any:
    return scope["state"][CONNECTION]
