"""Connections to the ledger's database and the migrations of its tables."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_fixed

from common.core.caches import per_process
from common.core.errors import NotApplied, TargetUnavailable
from common.core.settings import settings

if TYPE_CHECKING:
    from alembic.config import Config

# A process that is frozen while it holds a lock must not hold up the others for ever.
OPTIONS = "-c timezone=UTC -c lock_timeout=60s -c idle_in_transaction_session_timeout=15min"
APPLY_LOCK, MIGRATE_LOCK = 0x57A7E2540, 0x57A7E2541


def _engine() -> Engine:
    """Open the pool of connections to the ledger; one a process."""
    address = settings().ledger_url.replace("postgresql://", "postgresql+psycopg://", 1)
    return create_engine(
        address, pool_pre_ping=True, pool_size=4, connect_args={"connect_timeout": 5, "options": OPTIONS}
    )


engine = per_process(_engine, on_forget=Engine.dispose)


@contextmanager
def transaction() -> Iterator[Connection]:
    """Run one ledger transaction, committed at the end of the block.

    Raises TargetUnavailable where the database does not answer, NotApplied where its tables are missing.
    """
    try:
        with engine().begin() as connection:
            yield connection
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", "") == "42P01":
            raise NotApplied("The ledger has no tables yet. Run `watershed apply`.") from error
        raise
    except OperationalError as error:
        raise TargetUnavailable(f"The ledger's database does not answer: {error.orig}.") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise TargetUnavailable(f"The connection to the ledger was lost: {error.orig}.") from error
        raise


def alembic_config(connection: Connection | None = None) -> "Config":
    """Point Alembic to the migrations beside this file, and to a connection that is to be used."""
    from alembic.config import Config  # tasks migrate nothing, and it takes long to load

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Keep others from applying until the block ends, or this process does."""
    with transaction() as connection:
        _hold(connection, APPLY_LOCK)
        yield


def _hold(connection: Connection, lock: int) -> None:
    connection.execute(text("SET LOCAL lock_timeout = 0"))  # whoever applies may take its time
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})


def migrate(revision: str = "head") -> None:
    """Bring the ledger's tables to a revision, one process at a time."""
    with transaction() as connection:
        _hold(connection, MIGRATE_LOCK)
        from alembic import command

        command.upgrade(alembic_config(connection), revision)


@retry(
    retry=retry_if_exception_type(TargetUnavailable), stop=stop_after_attempt(10), wait=wait_fixed(0.5), reraise=True
)
def drop_tables() -> None:
    """Drop every table of the ledger; `rebuild` makes them anew from what the targets say.

    Whoever is at work on the tables is waited for; where both wait for each other, it is tried again.
    """
    with transaction() as connection:
        _hold(connection, MIGRATE_LOCK)
        connection.execute(text("LOCK TABLE consumer IN ACCESS EXCLUSIVE MODE"))
        from alembic import command

        command.downgrade(alembic_config(connection), "base")
