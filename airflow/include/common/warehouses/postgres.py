"""PostgreSQL: COPY into a temporary table, then statements, all in the token's transaction."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import polars as pl
import psycopg
from psycopg import sql as psycopg_sql

from common.core.errors import CommitConflict, ConfigError, DataError, NotApplied, TargetUnavailable
from common.core.masks import without_values
from common.core.nouns import Head
from common.warehouses.warehouse import TOKEN_SQL, TOKEN_TABLE, Session, added_columns, column_type, columns_sql, quoted

if TYPE_CHECKING:
    from airflow.providers.postgres.hooks.postgres import PostgresHook

COPY_ROWS = 200_000
# A load that is frozen while it holds its token must not hold up the next one for ever.
SESSION = ("SET lock_timeout = '60s'", "SET idle_in_transaction_session_timeout = '15min'")
APPLY_LOCK = 0x57A7E2


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise NotApplied(f"{what}: {error}. Run `watershed apply`.") from error
    except (psycopg.errors.InvalidPassword, psycopg.errors.InsufficientPrivilege) as error:
        raise ConfigError(f"{what}: {error}. Check the connection's user and grants.") from error
    except (psycopg.OperationalError, psycopg.errors.IdleInTransactionSessionTimeout) as error:
        raise TargetUnavailable(f"{what}: {error}") from error
    except psycopg.Error as error:
        raise DataError(f"{what}: {_told(error)}") from error


def _told(error: psycopg.Error) -> str:
    """Say what is wrong, and of which constraint or column, but not with which values: those are in the detail."""
    if error.diag.message_primary is None or (error.sqlstate or "").startswith("22"):
        return without_values(error.diag.message_primary or error)
    return error.diag.message_primary


class PostgresSession:
    """One transaction on a psycopg connection."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection

    def take_token(self, consumer: str, hop: int, attempt: int) -> None:
        """Move the consumer's token from hop - 1 to hop; raises CommitConflict where it stands elsewhere."""
        moved = self._connection.execute(
            f"UPDATE {TOKEN_TABLE} SET hop = %s, attempt = %s WHERE consumer = %s AND hop = %s",  # noqa: S608
            (hop, attempt, consumer, hop - 1),
        )
        if moved.rowcount != 1:
            raise CommitConflict(f"The token of {consumer} is not at hop {hop - 1}; it will be read again.")

    def stage(self, table: str, rows: pl.DataFrame) -> None:
        """Bulk copy rows into a new temporary table, dropped at commit."""
        columns = ", ".join(f'"{name}" {column_type(dtype)}' for name, dtype in rows.schema.items())
        self._connection.execute(f'CREATE TEMPORARY TABLE "{table}" ({columns}) ON COMMIT DROP')
        names = psycopg_sql.SQL(", ").join(map(psycopg_sql.Identifier, rows.columns))
        copy = psycopg_sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(psycopg_sql.Identifier(table), names)
        with self._connection.cursor() as cursor, cursor.copy(copy) as stream:
            for part in rows.iter_slices(COPY_ROWS):
                stream.write(part.write_csv(include_header=False))
        self._connection.execute(f'ANALYZE "{table}"')

    def execute(self, sql: str) -> int:
        """Run one statement and tell how many rows it touched."""
        return self._connection.execute(sql).rowcount

    def scalar(self, sql: str) -> Any:
        """Run one query and give its only value."""
        row = self._connection.execute(sql).fetchone()
        return row[0] if row else None

    def commit(self) -> None:
        """Commit the transaction."""
        self._connection.commit()


class Postgres:
    """A PostgreSQL database behind an Airflow Connection."""

    def __init__(self, conn_id: str) -> None:
        self.conn_id = conn_id

    def _hook(self) -> "PostgresHook":
        from airflow.providers.postgres.hooks.postgres import PostgresHook

        return PostgresHook(postgres_conn_id=self.conn_id)

    @contextmanager
    def _connect(self, what: str) -> Iterator["psycopg.Connection[Any]"]:
        with _translated(f"{what} by connection '{self.conn_id}'"):
            connection: psycopg.Connection[Any] = self._hook().get_conn()  # type: ignore[assignment]
            try:
                for setting in SESSION:
                    connection.execute(setting)
                yield connection
            finally:
                connection.close()

    def head(self, consumer: str) -> Head:
        """Read the consumer's token; raises NotApplied where it is missing."""
        with self._connect("read the load token") as connection:
            row = connection.execute(
                f"SELECT hop, attempt FROM {TOKEN_TABLE} WHERE consumer = %s",  # noqa: S608
                (consumer,),
            ).fetchone()
        if row is None:
            raise NotApplied(f"There is no load token of {consumer} at '{self.conn_id}'. Run `watershed apply`.")
        return Head(*row)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open one transaction; what is not committed at the end of the block never happened."""
        with self._connect("load") as connection:
            yield PostgresSession(connection)

    def create(self, table: str, schema: Mapping[str, pl.DataType], key: Sequence[str]) -> None:
        """Make a table, its schema and its columns where they are missing."""
        self._apply(
            f'CREATE SCHEMA IF NOT EXISTS "{table.split(".")[0]}"',
            f"CREATE TABLE IF NOT EXISTS {quoted(table)} ({columns_sql(schema, key)})",
            *added_columns(table, schema),
        )

    def create_token(self, consumer: str) -> None:
        """Make the token table and the consumer's row, at hop 0, where they are missing."""
        row = psycopg_sql.Literal(consumer).as_string(None)
        self._apply(
            *TOKEN_SQL,
            f"INSERT INTO {TOKEN_TABLE} VALUES ({row}, 0, 0) ON CONFLICT DO NOTHING",  # noqa: S608
        )

    def _apply(self, *statements: str) -> None:
        """Run statements one process at a time: IF NOT EXISTS does not keep two from colliding."""
        with self._connect("apply") as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (APPLY_LOCK,))
            for statement in statements:
                connection.execute(statement)
            connection.commit()
