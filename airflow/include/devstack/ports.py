"""Which TCP ports of 127.0.0.1 a stack listens on."""

import socket
from collections.abc import Callable, Iterable, Mapping

from common.core.errors import ConfigError

HOST = "127.0.0.1"
PREFERRED = {"api-server": 8080, "postgres": 5433, "s3": 4566, "slack": 8090}
REACH = 200


def is_free(port: int) -> bool:
    """Tell whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do: connections of a stopped stack that linger must not move the new one.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
        return True


def choose_ports(
    services: Iterable[str], last: Mapping[str, int], free: Callable[[int], bool] = is_free
) -> dict[str, int]:
    """Give each listening service the port it had, else its preferred one, else the next that is free.

    Raises ConfigError where no port within reach of the preferred one is free.
    """
    chosen: dict[str, int] = {}
    for service in services:
        first = PREFERRED[service]
        candidates = [last.get(service, first), *range(first, first + REACH)]
        port = next((port for port in candidates if port not in chosen.values() and free(port)), None)
        if port is None:
            raise ConfigError(
                f"{service} needs a TCP port on {HOST}: none from {first} to {first + REACH - 1} is free. "
                "Stop what listens there, or allow this process to listen."
            )
        chosen[service] = port
    return chosen
