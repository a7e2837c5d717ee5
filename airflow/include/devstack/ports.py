"""Which TCP ports of 127.0.0.1 a stack listens on, and how it keeps them from other stacks."""

import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Self

from common.core.errors import ConfigError

HOST = "127.0.0.1"
PREFERRED = {
    "api-server": 8080,
    "postgres": 5433,
    "s3": 4566,
    "standins": 8090,
    "smtp": 2525,  # of the stand-ins, too
    "redshift": 8091,
    "snowflake": 8092,
}
REACH = 200


def is_free(port: int) -> bool:
    """Return whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do: connections of a stopped stack that linger must not move the new one.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
        return True


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Claims:
    """Ports that no other stack chooses for as long as any process has these sockets open.

    The UDP port of the same number is the lock: it leaves no file, knows no user, and goes with its last holder.
    """

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for held in self._sockets:
            held.close()

    def take(self, port: int) -> bool:
        """Hold the port unless another stack holds it or anybody listens on it; return whether it is held."""
        lock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            lock.bind((HOST, port))
        except OSError:
            lock.close()
            return False
        if not is_free(port):
            lock.close()
            return False
        self._sockets.append(lock)
        return True

    @property
    def files(self) -> list[int]:
        """Descriptors that hold the ports in a process which inherits them."""
        return [held.fileno() for held in self._sockets]


def choose_ports(services: Iterable[str], last: Mapping[str, int], take: Callable[[int], bool]) -> dict[str, int]:
    """Give each listening service the port it had, else its preferred one, else the next that can be taken.

    Raises ConfigError where no port within reach of the preferred one is free.
    """
    chosen: dict[str, int] = {}
    for service in services:
        first = PREFERRED[service]
        candidates = [last.get(service, first), *range(first, first + REACH)]
        port = next((port for port in candidates if port not in chosen.values() and take(port)), None)
        if port is None:
            raise ConfigError(
                f"{service} needs a TCP port on {HOST}: none from {first} to {first + REACH - 1} is free. "
                "Stop what listens there, or allow this process to listen."
            )
        chosen[service] = port
    return chosen
