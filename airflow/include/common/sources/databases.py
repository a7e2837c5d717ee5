"""Databases by their Airflow Connection: an engine of SQLAlchemy that reads in UTC, and what its errors mean."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError, SQLAlchemyError

from common.core.connections import connection
from common.core.errors import ConfigError, SourceError, SourceUnavailable
from common.core.masks import without_values
from common.sources.source import ROLE
from common.warehouses.postgres import NO_ENTRY

PATIENCE = 10  # seconds for a connection
# Times with a zone arrive in UTC. Connections of other types come from the hook that Airflow has for them.
DRIVERS: dict[str, tuple[str, dict[str, Any]]] = {
    "postgres": (
        "postgresql+psycopg",
        {"connect_timeout": PATIENCE, "options": "-c timezone=UTC -c default_transaction_read_only=on"},
    ),
    "mysql": ("mysql+pymysql", {"connect_timeout": PATIENCE, "init_command": "SET time_zone = '+00:00'"}),
}
DENIED_STATES = ("28", "3D", "42501")
DENIED_CODES = (1044, 1045, 1049, 1142, 1143)  # of MySQL and MariaDB: no such user, database or grant


def engine_of(conn_id: str) -> Engine:
    """Make the engine of an Airflow Connection; it keeps no connection open."""
    found = connection(conn_id, ROLE)
    if found.conn_type not in DRIVERS:
        made: Engine = found.get_hook().get_sqlalchemy_engine({"poolclass": NullPool})
        return made
    driver, arguments = DRIVERS[found.conn_type]
    own = {name: value for name, value in found.extra_dejson.items() if name.startswith(("ssl", "application_name"))}
    address = URL.create(driver, found.login, found.password, found.host, found.port, found.schema)
    return create_engine(address, poolclass=NullPool, connect_args={**arguments, **own})


@contextmanager
def reading(conn_id: str, what: str) -> Iterator[Connection]:
    """Connect for the length of a block; raises ConfigError, SourceError, SourceUnavailable."""
    try:
        with engine_of(conn_id).connect() as opened:
            yield opened
    except DBAPIError as error:
        raise _meaning(error, conn_id, what) from error
    except SQLAlchemyError as error:
        raise ConfigError(f"{what} by Airflow Connection '{conn_id}': {without_values(error)}") from error


def _meaning(error: DBAPIError, conn_id: str, what: str) -> Exception:
    text = f"{what} by Airflow Connection '{conn_id}': {without_values(error.orig or error)}"
    state = str(getattr(error.orig, "sqlstate", None) or "")
    code = error.orig.args[0] if error.orig and error.orig.args else None
    if state.startswith(DENIED_STATES) or code in DENIED_CODES or NO_ENTRY.search(str(error.orig)):
        return ConfigError(f"{text}. Check the connection's user, database and grants.")
    if isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated:
        return SourceUnavailable(f"{text}. It will be tried again.")
    if isinstance(error, ProgrammingError):
        return ConfigError(f"{text}.")
    return SourceError(f"{text}.")
