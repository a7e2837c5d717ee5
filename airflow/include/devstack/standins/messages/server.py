"""The stand-ins of message services, Google Sheets and Veeva Vault: one application, and the process that serves it."""

import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from starlette.types import ASGIApp

from devstack.folder import state_folder
from devstack.keys import keys_of
from devstack.plan import read_plan
from devstack.ports import HOST
from devstack.standins.messages import google, mail, pagerduty, pages, slack, teams, telegram, veeva
from devstack.standins.messages.failing import Failing, Severable
from devstack.standins.messages.faults import Faults, ServiceName
from devstack.standins.messages.mailbox import Mailbox
from devstack.standins.messages.service import Account, Service

SERVICES = (
    slack.SERVICE,
    mail.SERVICE,
    teams.SERVICE,
    telegram.SERVICE,
    pagerduty.SERVICE,
    google.SERVICE,
    veeva.SERVICE,
)
PATIENCE = 1  # seconds that calls have to end when the process does


@dataclass(frozen=True)
class Setup:
    """Where the stand-ins keep messages and listen, and the secret of each."""

    folder: Path
    address: str
    host: str
    port: int
    smtp_port: int
    tokens: Mapping[str, str]


def create_app(setup: Setup) -> ASGIApp:
    """Build the application; while it runs, mail is taken too."""
    accounts, faults = {service.name: _account(setup, service.name) for service in SERVICES}, Faults()

    @asynccontextmanager
    async def with_mail(_app: FastAPI) -> AsyncIterator[None]:
        async with mail.listening(accounts["mail"], faults, setup.host, setup.smtp_port):
            yield

    app = FastAPI(title="Stand-ins of message services", lifespan=with_mail)
    for service in SERVICES:
        if service.routes:
            app.include_router(service.routes(accounts[service.name]))
        app.get(f"/{service.name}", response_class=HTMLResponse)(_page_of(service, accounts[service.name].box))
    _add_faults(app, faults)

    @app.get("/messages")
    def messages(service: ServiceName | None = None) -> list[dict[str, Any]]:
        wanted = [service] if service else list(accounts)
        found = (message for name in wanted for message in accounts[name].box.messages())
        return sorted(found, key=lambda message: str(message["received"]))

    @app.get("/", response_class=HTMLResponse)
    def index() -> str:
        return pages.index([(service, accounts[service.name].box.count) for service in SERVICES])

    app.get("/health")(lambda: {"ok": True})
    return Failing(app, SERVICES, faults)


def _account(setup: Setup, name: str) -> Account:
    return Account(Mailbox(setup.folder, name), setup.tokens[name], setup.address)


def _page_of(service: Service, box: Mailbox) -> Any:
    return lambda: pages.page(service, SERVICES, box.messages())


def _add_faults(app: FastAPI, faults: Faults) -> None:
    """Let tests and people say how calls are to fail."""
    app.post("/faults", status_code=201)(faults.add)
    app.get("/faults")(faults.pending)
    app.delete("/faults", status_code=204)(faults.remove)


def serve(setup: Setup) -> uvicorn.Server:
    """Return the server of the stand-ins, which `run` starts."""
    return uvicorn.Server(
        uvicorn.Config(
            create_app(setup),
            host=setup.host,
            port=setup.port,
            http=Severable,
            loop="asyncio",
            log_level="warning",
            timeout_graceful_shutdown=PATIENCE,
        )
    )


def of_stack(state: Path) -> Setup:
    """Read the setup of an embedded stack from its state folder."""
    folder = state_folder(state)
    plan, keys = read_plan(folder), keys_of(folder)
    if plan is None:
        raise SystemExit(f"No stack was planned in {folder.path}.")
    tokens = {service.name: getattr(keys, service.name) for service in SERVICES}
    address, ports = plan.address("standins"), plan.ports
    return Setup(folder.path / "standins", address, HOST, ports["standins"], ports["smtp"], tokens)


def of_environment(env: Mapping[str, str]) -> Setup:
    """Read the setup of a container: STANDINS_FOLDER, _URL, _HOST, _PORT, _SMTP_PORT and a token for each service."""
    found = {name.removeprefix("STANDINS_"): value for name, value in env.items() if name.startswith("STANDINS_")}
    tokens = {service.name: found[f"{service.name.upper()}_TOKEN"] for service in SERVICES}
    return Setup(
        Path(found["FOLDER"]), found["URL"], found["HOST"], int(found["PORT"]), int(found["SMTP_PORT"]), tokens
    )


def main() -> None:
    """Serve the stack whose state folder is the first argument; without one, what the environment says."""
    serve(of_stack(Path(sys.argv[1])) if len(sys.argv) > 1 else of_environment(os.environ)).run()


if __name__ == "__main__":
    main()
