"""The engines by name, and the warehouse that a contract's word means."""

from collections.abc import Callable

from common.core.connections import connection
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
    """Raise ConfigError or TargetUnavailable where the Airflow Connection of a warehouse is not there."""
    connection(target(name).conn, f"by which warehouse '{name}' is reached")
