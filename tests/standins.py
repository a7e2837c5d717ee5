"""Stand-ins of other people's services for tests: warehouses, and what carries messages."""

import json
import socket
import ssl
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import uvicorn

from devstack.environment import for_children
from devstack.keys import Keys
from devstack.ports import HOST, free_port
from devstack.standins.messages.server import SERVICES, Setup, serve
from devstack.warehouses import connections
from tests.stacks import server


@contextmanager
def redshift(stack: Mapping[str, str]) -> Iterator[str]:
    """Serve the Data API over the stack's PostgreSQL for the length of a block, and give its address."""
    from devstack.standins.redshift.engine import Engine
    from devstack.standins.redshift.server import create_app

    engine = Engine(server(stack))
    port = free_port()
    with _served(uvicorn.Server(uvicorn.Config(create_app(engine), host=HOST, port=port, log_level="warning"))):
        yield f"http://{HOST}:{port}"
    engine.close()


def redshift_of_its_own(stack: Mapping[str, str], address: str) -> dict[str, str]:
    """Make a database that a Data API serves, and give the environment of a world that loads it."""
    name = f"r{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"{server(stack)}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload]
    known = connections({"redshift": int(address.rpartition(":")[2]), "snowflake": 0})["WAREHOUSE_REDSHIFT"]
    known["extra"]["service_config"]["redshift-data"]["database"] = name
    return {"AIRFLOW_CONN_WAREHOUSE_REDSHIFT": json.dumps(known), "REDSHIFT_URL": f"{server(stack)}/{name}"}


def snowflake_of_its_own(place: tuple[int, Path]) -> dict[str, str]:
    """Name a database in a Snowflake, and give the environment of a world that loads it."""
    port, bundle = place
    known = connections({"redshift": 0, "snowflake": port})["WAREHOUSE_SNOWFLAKE"]
    known["extra"]["database"] = f"S{uuid.uuid4().hex[:12].upper()}"
    return {"AIRFLOW_CONN_WAREHOUSE_SNOWFLAKE": json.dumps(known), "REQUESTS_CA_BUNDLE": str(bundle)}


@contextmanager
def messages(folder: Path, keys: Keys | None = None) -> Iterator[Setup]:
    """Serve the stand-ins of message services for the length of a block; `devstack.channels` gives Connections."""
    port, tokens = free_port(), {service.name: getattr(keys or Keys(), service.name) for service in SERVICES}
    setup = Setup(folder, f"http://{HOST}:{port}", HOST, port, free_port(), tokens)
    with _served(serve(setup)):
        yield setup


@contextmanager
def _served(server: uvicorn.Server) -> Iterator[None]:
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield
    server.should_exit = True
    thread.join()


@contextmanager
def snowflake(stack: Mapping[str, str], folder: Path) -> Iterator[tuple[int, Path]]:
    """Serve a Snowflake for the length of a block; give its port, and the certificates to trust."""
    from devstack.certificates import certify

    bundle, port = certify(folder, "localhost", HOST), free_port()
    command = [sys.executable, "-m", "devstack.standins.snowflake", str(folder), HOST, str(port)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, env=for_children(stack), stdout=log, stderr=log)
    try:
        while not _listens(port):
            assert server.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        yield port, bundle
    finally:
        server.terminate()
        server.wait()


def _listens(port: int) -> bool:
    with suppress(OSError, ssl.SSLError), socket.create_connection((HOST, port), 1):
        return True
    return False
