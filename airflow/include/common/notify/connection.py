"""The Airflow Connection that a channel sends by: where to, and with what secret."""

from dataclasses import dataclass, field

from common.core.connections import connection
from common.notify.channel import Undelivered


@dataclass(frozen=True)
class Door:
    """A server's base address and the secret that it asks for."""

    address: str
    secret: str = field(repr=False)


def door(conn_id: str, default: str, what: str) -> Door:
    """Read a Connection whose host is an address in place of the default, and whose password is `what`.

    Raises a lasting Undelivered where it has no password, and as `connection` does.
    """
    found = connection(conn_id)
    if not found.password:
        raise Undelivered(f"the Airflow Connection '{conn_id}' has no password: {what} belongs there", lasting=True)
    return Door(_address(found.host or default, found.port), found.password)


def _address(host: str, port: int | None) -> str:
    address = host if "://" in host else f"https://{host}"
    return f"{address.rstrip('/')}:{port}" if port else address.rstrip("/")
