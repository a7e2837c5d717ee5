"""Snowflake: Parquet parts by a stage into a transient table of the attempt, then one transaction."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl
from sqlglot import exp

from common.core.connections import required
from common.core.errors import ConfigError, DataError, NotApplied, TargetUnavailable, WatershedError
from common.core.masks import without_values
from common.core.scratch import scratch
from common.core.targets import SPELLING
from common.warehouses import sql
from common.warehouses.dialect import Dialect, Widening
from common.warehouses.parts import folder, parts, written
from common.warehouses.sessions import session, waiting_sessions
from common.warehouses.sql import Token
from common.warehouses.warehouse import Rows, Statement, begin_staging, converse, copied, patient

if TYPE_CHECKING:
    from airflow.providers.snowflake.hooks.snowflake import SnowflakeHook
    from snowflake.connector import SnowflakeConnection
    from snowflake.connector.cursor import SnowflakeCursor
    from snowflake.connector.errors import Error

DIALECT = Dialect(
    sql="snowflake",
    types={  # whole numbers are decimals there, of 38 digits where nothing is said; there is one kind of float
        pl.Int8: "DECIMAL(3, 0)",
        pl.Int16: "DECIMAL(5, 0)",
        pl.Int32: "DECIMAL(10, 0)",
        pl.Int64: "DECIMAL(19, 0)",
        pl.Float32: "FLOAT",
        pl.Float64: "FLOAT",
    },
    moments=("TIMESTAMP_NTZ", "TIMESTAMP_TZ"),
    longest_name=255,
    spelling=SPELLING["snowflake"],
    longest_text=16 * 1024 * 1024,
    keys=False,  # declared keys are not enforced
    widens=Widening.BEFORE_THE_POINT,
    copies=False,  # the token's lock, which is the whole table's there, would be held while files are uploaded
    staging=exp.TransientProperty,
    ddl_commits=True,
)
# Whoever waits for a lock, or is frozen while holding one, must not hold up the next load for hours.
SESSION = {"TIMEZONE": "UTC", "LOCK_TIMEOUT": 60}
ANSWERS_WITHIN = 30  # seconds
PATIENCE = 4 * 3600  # seconds that a statement may take, repetitions by the connector included
STAGE = "watershed_stage"  # in the connection's extra: an external stage that shows the staging zone
FORMAT = "FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE) MATCH_BY_COLUMN_NAME = CASE_SENSITIVE"
APPLY, GRANTS = ". Run `watershed apply`.", ". Check the connection and the role's grants, docs/warehouses.md."
# What an error means, by its number; others by their class.
NUMBERS: dict[int, tuple[type[WatershedError], str]] = {
    904: (NotApplied, APPLY),  # no such column
    2003: (NotApplied, APPLY),  # no such object, or no right to see it
    2043: (NotApplied, APPLY),
    3001: (ConfigError, GRANTS),
    606: (ConfigError, ". The connection names no virtual warehouse, or the role may not use it."),
    603: (TargetUnavailable, ""),  # internal error
    604: (TargetUnavailable, ""),  # cancelled
    625: (TargetUnavailable, ""),  # waited too long for a lock
    630: (TargetUnavailable, ""),  # timed out
    2002: (TargetUnavailable, ""),  # another made it at the same time
}
LOGIN = 250001  # of a DatabaseError: refused; of an OperationalError: not reached


class _Conversation:
    """A session of Snowflake."""

    def __init__(self, connection: "SnowflakeConnection", what: str) -> None:
        self._connection, self._what = connection, what

    def execute(self, text: str) -> "SnowflakeCursor":
        with _translated(self._what):
            cursor = self._connection.cursor()
            cursor.execute(text, timeout=PATIENCE)
            return cursor

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do a block in a transaction; one that fails is taken back at once, as its locks outlive a lost session."""
        self.execute("BEGIN")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            with suppress(WatershedError):
                self.execute("ROLLBACK")
            raise

    def run(self, statement: exp.Expr) -> int:
        return self.execute(DIALECT.text(statement)).rowcount or 0

    def all(self, query: exp.Expr) -> list[tuple[Any, ...]]:
        with _translated(self._what):
            rows: Any = self.execute(DIALECT.text(query)).fetchall()
            return [tuple(row) for row in rows]

    def scalar(self, query: exp.Expr) -> Any:
        rows = self.all(query)
        return rows[0][0] if rows else None

    def copy(self, table: str, rows: Rows) -> int:
        del rows
        raise ConfigError(f"A commit of {DIALECT.sql} carries no rows: those of {table} must be staged.")


def _answers(connection: "SnowflakeConnection") -> bool:
    try:
        with _translated("ask"):
            connection.cursor().execute("SELECT 1", timeout=ANSWERS_WITHIN)
    except WatershedError:
        return False
    return True


class Snowflake:
    """A Snowflake database behind an Airflow Connection."""

    dialect = DIALECT

    def __init__(self, conn_id: str) -> None:
        self.conn_id = conn_id
        self._waiting: list[SnowflakeConnection] = waiting_sessions(self)

    def __str__(self) -> str:
        return f"connection '{self.conn_id}'"

    def _hook(self) -> "SnowflakeHook":
        from airflow.providers.snowflake.hooks.snowflake import SnowflakeHook

        hook = SnowflakeHook(snowflake_conn_id=self.conn_id)
        hook.session_parameters = {**(self._extra(hook).get("session_parameters") or {}), **SESSION}
        return hook

    def _extra(self, hook: "SnowflakeHook") -> dict[str, Any]:
        return dict(hook.get_connection(self.conn_id).extra_dejson)

    @contextmanager
    def _talk(self, verb: str) -> Iterator[_Conversation]:
        what = f"{verb} by {self}"
        with session(self._waiting, partial(self._connect, what), _answers) as connection:
            yield _Conversation(connection, what)

    def _connect(self, what: str) -> "SnowflakeConnection":
        with _translated(what), required(self.conn_id):
            return self._hook().get_conn()

    def query(self, query: exp.Expr) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with self._talk("read") as talk:
            return talk.all(query)

    @patient
    def apply(self, statements: Sequence[exp.Expr]) -> None:
        """Run statements one by one."""
        with self._talk("apply") as talk:
            for statement in statements:
                talk.run(statement)

    def stage(self, token: Token, rows: Rows) -> None:
        """Copy rows into a new table of this attempt, and drop what closed hops have left."""
        external = self._extra(self._hook()).get(STAGE)
        with self._talk("stage") as talk:
            begin_staging(talk, DIALECT, token, rows.schema)
            if external:
                _by_external_stage(talk, token, rows, str(external))
            else:
                _by_own_stage(talk, token, rows)
            copied(token.staging, rows, talk.scalar(sql.count(token.staging)))

    def derive(self, token: Token, schema: Mapping[str, pl.DataType], query: exp.Query) -> None:
        """Fill a new table of this attempt by a query."""
        with self._talk("transform") as talk:
            begin_staging(talk, DIALECT, token, schema)
            talk.run(sql.fill_staging(DIALECT, token.staging, schema, query))

    def commit(self, token: Token, staged: int | None, statements: Iterable[Statement]) -> None:
        """Run statements in one transaction with the token; what was staged is dropped after it."""
        with self._talk("load") as talk:
            with talk.transaction():
                converse(talk, token, staged, statements, drops=False)
            if staged is not None:
                with suppress(WatershedError):  # the next load drops it
                    talk.run(sql.drop(token.staging))


def _by_own_stage(talk: _Conversation, token: Token, rows: Rows) -> None:
    """Put parts into the stage that every table has, and goes with it."""
    stage = f"@{sql.HOME}.%{token.staging.rpartition('.')[2]}".upper()
    anything = False
    with scratch() as here:
        for number, part in enumerate(parts(DIALECT, rows)):
            file = here / f"{number:06d}.parquet"
            file.write_bytes(part.getbuffer())
            talk.execute(f"PUT 'file://{file}' {stage} AUTO_COMPRESS = FALSE")
            file.unlink()
            anything = True
    if anything:
        talk.execute(f"COPY INTO {DIALECT.text(sql.table(token.staging))} FROM {stage} {FORMAT}")


def _by_external_stage(talk: _Conversation, token: Token, rows: Rows, stage: str) -> None:
    """Write parts to the staging zone, which an external stage of the account shows."""
    with written(DIALECT, token, rows) as prefix:
        if prefix:
            source = f"@{stage}/{folder(token)}/"
            talk.execute(f"COPY INTO {DIALECT.text(sql.table(token.staging))} FROM '{source}' {FORMAT}")


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Raise the connector's errors as what they mean."""
    from snowflake.connector.errors import Error

    try:
        yield
    except Error as error:
        ours, advice = _meaning(error)
        text = without_values(error.msg) if ours is DataError else error.msg
        raise ours(f"{what}: {text}{advice}") from error


def _meaning(error: "Error") -> tuple[type[WatershedError], str]:
    from snowflake.connector import errors

    number = error.errno or 0
    if number in NUMBERS:
        return NUMBERS[number]
    if isinstance(error, errors.OperationalError | errors.InterfaceError | errors.InternalError):
        return TargetUnavailable, ""
    if number == LOGIN:
        return ConfigError, GRANTS
    return (TargetUnavailable, "") if number > LOGIN else (DataError, "")
