"""The warehouses by the word that contracts and models use for them."""

from collections.abc import Callable

from common.core.errors import ConfigError
from common.core.settings import settings
from common.warehouses.duckdb import Duckdb
from common.warehouses.postgres import Postgres
from common.warehouses.warehouse import Warehouse

WAREHOUSES: dict[str, Callable[[], Warehouse]] = {
    "warehouse": lambda: Postgres(settings().warehouse_conn),
    "duckdb": lambda: Duckdb(settings().duckdb_conn),
}


def warehouse(name: str) -> Warehouse:
    """Give the warehouse of a name; raises ConfigError naming the known ones."""
    if name not in WAREHOUSES:
        raise ConfigError(f"No warehouse '{name}'. Known: {', '.join(WAREHOUSES)}.")
    return WAREHOUSES[name]()
