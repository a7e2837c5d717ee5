"""The Airflow Connection that a channel sends by: where to, and with what secret."""

from dataclasses import dataclass, field
from typing import Any

from common.notify.channel import Undelivered


@dataclass(frozen=True)
class Door:
    """A server's base address and the secret that it asks for."""

    address: str
    secret: str = field(repr=False)


def connection(conn_id: str) -> Any:
    """Read an Airflow Connection; raises a lasting Undelivered where there is none."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise Undelivered(f"there is no Airflow Connection '{conn_id}'", lasting=True) from None


def door(conn_id: str, default: str, what: str) -> Door:
    """Read a Connection whose host is an address in place of the default, and whose password is `what`.

    Raises a lasting Undelivered where there is no such Connection, or no password in it.
    """
    found = connection(conn_id)
    if not found.password:
        raise Undelivered(f"the Airflow Connection '{conn_id}' has no password: {what} belongs there", lasting=True)
    return Door(_address(found.host or default, found.port), found.password)


def _address(host: str, port: int | None) -> str:
    address = host if "://" in host else f"https://{host}"
    return f"{address.rstrip('/')}:{port}" if port else address.rstrip("/")
