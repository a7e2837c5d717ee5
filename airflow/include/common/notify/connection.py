"""The Airflow Connection that a channel sends by: where to, and with what secret."""

from dataclasses import dataclass, field

from common.notify.channel import Undelivered


@dataclass(frozen=True)
class Door:
    """A server's base address and the secret that it asks for."""

    address: str
    secret: str = field(repr=False)


def door(conn_id: str, default: str, what: str) -> Door:
    """Read a Connection: its host is an address that replaces the default, its password is `what`.

    Raises a lasting Undelivered where there is no such Connection, or no password in it.
    """
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        found = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise Undelivered(f"there is no Airflow Connection '{conn_id}'", lasting=True) from None
    if not found.password:
        raise Undelivered(f"the Airflow Connection '{conn_id}' has no password: {what} belongs there", lasting=True)
    return Door(_address(found.host or default, found.port), found.password)


def _address(host: str, port: int | None) -> str:
    address = host if "://" in host else f"https://{host}"
    return f"{address.rstrip('/')}:{port}" if port else address.rstrip("/")
