"""The Airflow Connection that a source is reached by."""

from typing import Any

from common.core.errors import ConfigError


def connection(conn_id: str) -> Any:
    """Read an Airflow Connection; raises ConfigError where there is none."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise ConfigError(
            f"There is no Airflow Connection '{conn_id}', which a contract names as `conn` of its source. Make it in "
            f"Airflow, or set AIRFLOW_CONN_{conn_id.upper()}."
        ) from None
