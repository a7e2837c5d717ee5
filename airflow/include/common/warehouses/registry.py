"""The engines by name, and the warehouse that a contract's word means."""

from collections.abc import Callable

from common.core.errors import ConfigError
from common.core.targets import target
from common.warehouses.duckdb import Duckdb
from common.warehouses.postgres import Postgres
from common.warehouses.redshift import Redshift
from common.warehouses.snowflake import Snowflake
from common.warehouses.warehouse import Warehouse

ENGINES: dict[str, Callable[[str], Warehouse]] = {
    "postgres": Postgres,
    "duckdb": Duckdb,
    "redshift": Redshift,
    "snowflake": Snowflake,
}


def warehouse(name: str) -> Warehouse:
    """Return the warehouse of a name; raises ConfigError naming the known ones."""
    found = target(name)
    return ENGINES[found.engine](found.conn)


def require_connection(name: str) -> None:
    """Raise ConfigError where the Airflow Connection of a warehouse is not there."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    conn = target(name).conn
    try:
        BaseHook.get_connection(conn)
    except AirflowNotFoundException:
        raise ConfigError(
            f"There is no Airflow Connection '{conn}', by which warehouse '{name}' is reached. Make it in Airflow, or "
            f"set AIRFLOW_CONN_{conn.upper()}."
        ) from None
