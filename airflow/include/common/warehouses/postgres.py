"""PostgreSQL: COPY into an unlogged table of the attempt, then one transaction."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl
import psycopg
from psycopg import errors
from psycopg import sql as psycopg_sql
from sqlglot import exp

from common.core.connections import required
from common.core.errors import ConfigError, DataError, NotApplied, TargetUnavailable
from common.core.masks import without_values
from common.warehouses import sql
from common.warehouses.dialect import Dialect
from common.warehouses.sessions import session, waiting_sessions
from common.warehouses.sql import Token
from common.warehouses.translation import Meanings, translated
from common.warehouses.warehouse import Rows, Statement, begin_staging, converse, copied

if TYPE_CHECKING:
    from airflow.providers.postgres.hooks.postgres import PostgresHook

DIALECT = Dialect(sql="postgres", nul=False, staging=exp.UnloggedProperty)
COPY_ROWS = 200_000
# A load that is frozen while it holds its token must not hold up the next one for ever.
SESSION = ("SET lock_timeout = '60s'", "SET idle_in_transaction_session_timeout = '15min'")
APPLY_LOCK = 0x57A7E2
APPLY, GRANTS = ". Run `watershed apply`.", ". Check the connection's user, database and grants."
MEANINGS: Meanings = (
    (errors.UndefinedTable, NotApplied, APPLY),
    (errors.UndefinedColumn, NotApplied, APPLY),
    (errors.InvalidSchemaName, NotApplied, APPLY),
    (errors.InvalidAuthorizationSpecification, ConfigError, GRANTS),
    (errors.InvalidPassword, ConfigError, GRANTS),
    (errors.InsufficientPrivilege, ConfigError, GRANTS),
    (errors.InvalidCatalogName, ConfigError, GRANTS),
    (psycopg.OperationalError, TargetUnavailable, ""),
    (psycopg.InterfaceError, TargetUnavailable, ""),  # the connection was closed under us
    (psycopg.InternalError, TargetUnavailable, ""),
    (psycopg.Error, DataError, ""),
)
NO_ENTRY = re.compile(
    r"FATAL: +(password authentication failed|no pg_hba.conf entry|(role|database) .* does not exist)"
)
# These may quote values.
ABOUT_VALUES = (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError, psycopg.NotSupportedError)


def _wording(error: Exception) -> object:
    """Return what is wrong, and of which constraint or column, but not with which values: those are in the detail."""
    if not isinstance(error, ABOUT_VALUES):
        return error
    if error.diag.message_primary is None or (error.sqlstate or "").startswith("22"):
        return without_values(error.diag.message_primary or error)
    return error.diag.message_primary


class _Conversation:
    """One transaction on a psycopg connection."""

    def __init__(self, connection: "psycopg.Connection[Any]", what: str) -> None:
        self._connection, self._what = connection, what

    def _execute(self, statement: exp.Expr) -> "psycopg.Cursor[Any]":
        with translated(self._what, MEANINGS, _wording):
            return self._connection.execute(DIALECT.text(statement).encode())

    def run(self, statement: exp.Expr) -> int:
        return self._execute(statement).rowcount

    def scalar(self, query: exp.Expr) -> Any:
        row = self._execute(query).fetchone()
        return row[0] if row else None

    def all(self, query: exp.Expr) -> list[tuple[Any, ...]]:
        return self._execute(query).fetchall()

    def copy(self, table: str, rows: Rows) -> int:
        names = psycopg_sql.SQL(", ").join(map(psycopg_sql.Identifier, rows.schema))
        target = psycopg_sql.Identifier(*table.split("."))
        copy = psycopg_sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(target, names)
        with translated(self._what, MEANINGS, _wording), self._connection.cursor() as cursor:
            with cursor.copy(copy) as stream:
                for frame in rows.frames():
                    for part in frame.iter_slices(COPY_ROWS):
                        stream.write(part.select(list(rows.schema)).write_csv(include_header=False))
            return cursor.rowcount


def _answers(connection: "psycopg.Connection[Any]") -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


class Postgres:
    """A PostgreSQL database behind an Airflow Connection."""

    dialect = DIALECT

    def __init__(self, conn_id: str) -> None:
        self.conn_id = conn_id
        self._waiting: list[psycopg.Connection[Any]] = waiting_sessions(self)

    def __str__(self) -> str:
        return f"connection '{self.conn_id}'"

    def _hook(self) -> "PostgresHook":
        from airflow.providers.postgres.hooks.postgres import PostgresHook

        return PostgresHook(postgres_conn_id=self.conn_id)

    def _connect(self, what: str) -> "psycopg.Connection[Any]":
        """Open a connection; that somebody is not let in is told by a text alone, as there is no session yet."""
        try:
            with required(self.conn_id):
                connection: psycopg.Connection[Any] = self._hook().get_conn()  # type: ignore[assignment]
        except psycopg.OperationalError as error:
            if NO_ENTRY.search(str(error)):
                raise ConfigError(f"{what}: {error}{GRANTS}") from error
            raise
        for setting in SESSION:
            connection.execute(setting)
        connection.commit()  # or an error would take them back
        return connection

    @contextmanager
    def _talk(self, verb: str) -> Iterator[_Conversation]:
        what = f"{verb} by {self}"
        with (
            translated(what, MEANINGS, _wording),
            session(self._waiting, partial(self._connect, what), _answers) as connection,
        ):
            yield _Conversation(connection, what)
            connection.commit()

    def query(self, query: exp.Expr) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with self._talk("read") as talk:
            return talk.all(query)

    def apply(self, statements: Sequence[exp.Expr]) -> None:
        """Run statements one process at a time: IF NOT EXISTS does not keep two from colliding."""
        with self._talk("apply") as talk:
            talk.scalar(exp.select(exp.func("pg_advisory_xact_lock", exp.Literal.number(APPLY_LOCK))))
            for statement in statements:
                talk.run(statement)

    def stage(self, token: Token, rows: Rows) -> None:
        """Copy rows into a new table of this attempt, and drop what closed hops have left."""
        with self._talk("stage") as talk:
            begin_staging(talk, DIALECT, token, rows.schema)
            copied(token.staging, rows, talk.copy(token.staging, rows))
            talk.run(exp.Analyze(this=sql.table(token.staging)))

    def derive(self, token: Token, schema: Mapping[str, pl.DataType], query: exp.Query) -> None:
        """Fill a new table of this attempt by a query."""
        with self._talk("transform") as talk:
            begin_staging(talk, DIALECT, token, schema)
            talk.run(sql.fill_staging(DIALECT, token.staging, schema, query))

    def commit(self, token: Token, staged: int | None, statements: Iterable[Statement]) -> None:
        """Run statements in one transaction with the token."""
        with self._talk("load") as talk:
            converse(talk, token, staged, statements)
