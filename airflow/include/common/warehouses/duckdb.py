"""DuckDB: a file that one process at a time opens for writing."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import polars.selectors as cs
from sqlglot import exp

from common.core.arrow import ArrowStream
from common.core.connections import connection
from common.core.errors import ConfigError, DataError, MachineUnavailable, NotApplied, TargetUnavailable
from common.core.masks import without_values
from common.warehouses import sql
from common.warehouses.dialect import Dialect
from common.warehouses.sql import Token
from common.warehouses.translation import Meanings, translated
from common.warehouses.warehouse import Rows, Statement, begin_staging, converse, copied, patient

# No keys: DuckDB's index would refuse one that is deleted and inserted again in one transaction.
DIALECT = Dialect(sql="duckdb", keys=False)
# Threads that open one file share it: a second would find it before the first has made it able to read frames.
OPENING = threading.Lock()
# Rows stream through: more would only be kept because it is there.
LIMITS = ("SET memory_limit = '400MB'", "SET preserve_insertion_order = false")
ABOUT_VALUES = (duckdb.DataError, duckdb.IntegrityError, duckdb.InvalidInputException)  # these quote them
APPLY = ". Run `watershed apply`."
MEANINGS: Meanings = (
    (duckdb.CatalogException, NotApplied, APPLY),
    (duckdb.BinderException, NotApplied, APPLY),  # a column is missing
    (duckdb.PermissionException, ConfigError, ". Check the connection's file and its mode."),
    (duckdb.OutOfMemoryException, MachineUnavailable, ""),
    (duckdb.OperationalError, TargetUnavailable, ""),
    (duckdb.InternalError, TargetUnavailable, ""),
    (duckdb.FatalException, TargetUnavailable, ""),
    (duckdb.InterruptException, TargetUnavailable, ""),
    (duckdb.Error, DataError, ""),
)


def _wording(error: Exception) -> object:
    return without_values(error) if isinstance(error, ABOUT_VALUES) else error


@patient
def _open(path: Path) -> duckdb.DuckDBPyConnection:
    """Open the file for writing; waits while another process or thread has it, then raises TargetUnavailable."""
    with OPENING, translated(f"{path} cannot be opened for writing now", MEANINGS):
        return duckdb.connect(str(path))


class _Conversation:
    """One transaction on a DuckDB connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, what: str) -> None:
        self._connection, self._what = connection, what

    def all(self, query: exp.Expr) -> list[tuple[Any, ...]]:
        with translated(self._what, MEANINGS, _wording):
            return self._connection.execute(DIALECT.text(query)).fetchall()

    def run(self, statement: exp.Expr) -> int:
        rows = self.all(statement)
        return int(rows[0][0]) if rows and isinstance(rows[0][0], int) else 0

    def scalar(self, query: exp.Expr) -> Any:
        rows = self.all(query)
        return rows[0][0] if rows else None

    def copy(self, table: str, rows: Rows) -> int:
        columns = [sql.name(column) for column in rows.schema]
        frames = exp.select(exp.Star()).from_("watershed_frame")
        insert = DIALECT.text(exp.insert(frames, sql.table(table), columns=columns))
        arrived = 0
        for frame in rows.frames():
            # Of polars' 128-bit integers Arrow knows nothing.
            part = frame.select(list(rows.schema)).with_columns(cs.by_dtype(pl.Int128).cast(pl.Decimal(38, 0)))
            # Found by its name; what is registered inside a transaction stays in memory until its end.
            watershed_frame = ArrowStream(part)  # noqa: F841
            with translated(self._what, MEANINGS, _wording):
                arrived += int(self._connection.execute(insert).fetchall()[0][0])
        return arrived


class Duckdb:
    """A DuckDB file named by the host of an Airflow Connection."""

    dialect = DIALECT

    def __init__(self, conn_id: str) -> None:
        self.conn_id = conn_id

    def __str__(self) -> str:
        return str(self.path)

    @property
    def path(self) -> Path:
        """Return where the file is; raises ConfigError where the connection names none."""
        host = connection(self.conn_id).host
        if not host:
            raise ConfigError(f"Connection '{self.conn_id}' names no file: its host must be the path of a DuckDB file.")
        return Path(host)

    @contextmanager
    def _talk(self) -> Iterator[_Conversation]:
        path = self.path
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = _open(path)
        with translated(str(path), MEANINGS, _wording):
            try:
                for limit in LIMITS:
                    connection.execute(limit)
                connection.begin()
                yield _Conversation(connection, str(path))
                connection.commit()
            finally:
                connection.close()

    def query(self, query: exp.Expr) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with self._talk() as talk:
            return talk.all(query)

    @patient
    def apply(self, statements: Sequence[exp.Expr]) -> None:
        """Run statements; threads of one process that do the same at once take turns."""
        with self._talk() as talk:
            for statement in statements:
                talk.run(statement)

    def stage(self, token: Token, rows: Rows) -> None:
        """Copy rows into a new table of this attempt, and drop what closed hops have left."""
        with self._talk() as talk:
            begin_staging(talk, DIALECT, token, rows.schema)
            copied(token.staging, rows, talk.copy(token.staging, rows))

    def derive(self, token: Token, schema: Mapping[str, pl.DataType], query: exp.Query) -> None:
        """Fill a new table of this attempt by a query."""
        with self._talk() as talk:
            begin_staging(talk, DIALECT, token, schema)
            talk.run(sql.fill_staging(DIALECT, token.staging, schema, query))

    def commit(self, token: Token, staged: int | None, statements: Iterable[Statement]) -> None:
        """Run statements in one transaction with the token."""
        with self._talk() as talk:
            converse(talk, token, staged, statements)
