"""Stand-ins of other people's warehouses for tests: started once a worker, when the first test asks."""

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import uvicorn

from devstack.ports import HOST


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
    server = uvicorn.Server(uvicorn.Config(create_app(engine), host=HOST, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://{HOST}:{port}"
    server.should_exit = True
    thread.join()
    engine.close()
