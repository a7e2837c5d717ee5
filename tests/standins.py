"""Stand-ins of other people's services for tests: warehouses, and what carries messages."""

import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn

from devstack.environment import for_children
from devstack.keys import Keys
from devstack.ports import HOST
from devstack.standins.messages.server import SERVICES, Setup, serve


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def redshift(stack: Mapping[str, str]) -> Iterator[str]:
    """Serve the Data API over the stack's PostgreSQL for the length of a block, and give its address."""
    from devstack.standins.redshift.engine import Engine
    from devstack.standins.redshift.server import create_app

    engine = Engine(f"postgresql://postgres:{stack['PGPASSWORD']}@{stack['PGHOST']}:{stack['PGPORT']}")
    port = free_port()
    with _served(uvicorn.Server(uvicorn.Config(create_app(engine), host=HOST, port=port, log_level="warning"))):
        yield f"http://{HOST}:{port}"
    engine.close()


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
