"""Airflow Connections: which one is read, and what it means that there is none."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from common.core.errors import ConfigError, TargetUnavailable, WatershedError

BACKENDS = (("workers", "secrets_backend"), ("secrets", "backend"))


def connection(conn_id: str, role: str = "") -> Any:
    """Read an Airflow Connection; `role` says what it is for. Raises as `required` does."""
    from airflow.sdk import BaseHook

    with required(conn_id, role):
        return BaseHook.get_connection(conn_id)


@contextmanager
def required(conn_id: str, role: str = "") -> Iterator[None]:
    """Say what to do where a hook does not find its Connection.

    Raises ConfigError; TargetUnavailable where a secrets backend is asked, for Airflow takes one that is away for one
    that has nothing.
    """
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        yield
    except AirflowNotFoundException:
        raise _absent(conn_id, role) from None


def _absent(conn_id: str, role: str) -> WatershedError:
    missing = f"There is no Airflow Connection '{conn_id}'{role and f', {role}'}."
    way = f"Make it in Airflow, or set AIRFLOW_CONN_{conn_id.upper()}."
    if not (backend := _secrets_backend()):
        return ConfigError(f"{missing} {way}")
    return TargetUnavailable(
        f"{missing} {way} {backend} was asked, too: it has none, or could not be reached, or may not tell."
    )


def _secrets_backend() -> str:
    """Name the class of the secrets backend that Airflow asks before all others, if there is one."""
    from airflow.configuration import conf

    named = (conf.get(section, option, fallback="") for section, option in BACKENDS)
    return next((str(name).rpartition(".")[2] for name in named if name), "")
