"""The warehouses that contracts and models may load into, by the word that they use."""

from collections.abc import Callable
from dataclasses import dataclass

from common.core.errors import ConfigError
from common.core.settings import Settings, settings


@dataclass(frozen=True)
class Target:
    """One warehouse: which engine it is, its Airflow Connection, and where the addresses of its assets begin."""

    engine: str
    conn: str
    uri: str


TARGETS: dict[str, Callable[[Settings], Target]] = {
    "warehouse": lambda known: Target("postgres", known.warehouse_conn, known.warehouse_uri),
    "duckdb": lambda known: Target("duckdb", known.duckdb_conn, known.duckdb_uri),
}


def target(name: str) -> Target:
    """Return the warehouse of a name as it is set; raises ConfigError naming the known ones."""
    if name not in TARGETS:
        raise ConfigError(f"No warehouse '{name}'. Known: {', '.join(TARGETS)}.")
    return TARGETS[name](settings())
