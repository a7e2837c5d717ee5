"""DuckDB: a file that one process at a time opens for writing."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_random

from common.core.arrow import ArrowStream
from common.core.errors import CommitConflict, ConfigError, DataError, NotApplied, TargetUnavailable
from common.core.masks import without_values
from common.core.nouns import Head
from common.warehouses.warehouse import TOKEN_SQL, TOKEN_TABLE, Session, added_columns, columns_sql, quoted

LOCK_PATIENCE = 30.0  # seconds
ABOUT_VALUES = (duckdb.DataError, duckdb.IntegrityError, duckdb.InvalidInputException)  # these quote them


class DuckdbSession:
    """One transaction on a DuckDB connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def take_token(self, consumer: str, hop: int, attempt: int) -> None:
        """Move the consumer's token from hop - 1 to hop; raises CommitConflict where it stands elsewhere."""
        moved = self._connection.execute(
            f"UPDATE {TOKEN_TABLE} SET hop = ?, attempt = ? WHERE consumer = ? AND hop = ?",  # noqa: S608
            [hop, attempt, consumer, hop - 1],
        ).fetchall()
        if moved != [(1,)]:
            raise CommitConflict(f"The token of {consumer} is not at hop {hop - 1}; it will be read again.")

    def stage(self, table: str, rows: pl.DataFrame) -> None:
        """Bulk copy rows into a new temporary table."""
        self._connection.register(f"{table}_rows", ArrowStream(rows))
        self._connection.execute(f'CREATE TEMPORARY TABLE "{table}" AS FROM "{table}_rows"')

    def execute(self, sql: str) -> int:
        """Run one statement and tell how many rows it touched."""
        rows = self._connection.execute(sql).fetchall()
        return int(rows[0][0]) if rows else 0

    def scalar(self, sql: str) -> Any:
        """Run one query and give its only value."""
        rows = self._connection.execute(sql).fetchall()
        return rows[0][0] if rows else None

    def commit(self) -> None:
        """Commit the transaction."""
        self._connection.commit()


@retry(
    retry=retry_if_exception_type(TargetUnavailable),
    wait=wait_random(0.05, 0.3),  # whoever holds the file holds it for a fraction of a second
    stop=stop_after_delay(LOCK_PATIENCE),
    reraise=True,
)
def _open(path: Path) -> duckdb.DuckDBPyConnection:
    """Open the file for writing; waits while another process or thread has it, then raises TargetUnavailable."""
    try:
        return duckdb.connect(str(path))
    except (duckdb.IOException, duckdb.ResourceInUseException) as error:
        raise TargetUnavailable(f"{path} cannot be opened for writing now: {error}") from error


class Duckdb:
    """A DuckDB file named by the host of an Airflow Connection."""

    def __init__(self, conn_id: str) -> None:
        self.conn_id = conn_id

    @property
    def path(self) -> Path:
        """Tell where the file is; raises ConfigError where the connection names none."""
        from airflow.sdk import Connection

        connection = Connection.get(self.conn_id)
        if not connection.host:
            raise ConfigError(f"Connection '{self.conn_id}' names no file: its host must be the path of a DuckDB file.")
        return Path(connection.host)

    @contextmanager
    def _connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        path = self.path
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = _open(path)
        try:
            yield connection
        except duckdb.CatalogException as error:
            raise NotApplied(f"{path}: {error}. Run `watershed apply`.") from error
        except (duckdb.IOException, duckdb.TransactionException) as error:
            raise TargetUnavailable(f"{path}: {error}") from error
        except duckdb.Error as error:
            said = without_values(error) if isinstance(error, ABOUT_VALUES) else error
            raise DataError(f"{path}: {said}") from error
        finally:
            connection.close()

    def head(self, consumer: str) -> Head:
        """Read the consumer's token; raises NotApplied where it is missing."""
        with self._connect() as connection:
            rows = connection.execute(
                f"SELECT hop, attempt FROM {TOKEN_TABLE} WHERE consumer = ?",  # noqa: S608
                [consumer],
            ).fetchall()
        if not rows:
            raise NotApplied(f"There is no load token of {consumer} in {self.path}. Run `watershed apply`.")
        return Head(*rows[0])

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open one transaction; what is not committed at the end of the block never happened."""
        with self._connect() as connection:
            connection.begin()
            yield DuckdbSession(connection)

    def create(self, table: str, schema: Mapping[str, pl.DataType], key: Sequence[str]) -> None:
        """Make a table, its schema and its columns where they are missing.

        No primary key: DuckDB's index would refuse a key deleted and inserted again in one transaction.
        """
        del key
        with self._connect() as connection:
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{table.split(".")[0]}"')
            connection.execute(f"CREATE TABLE IF NOT EXISTS {quoted(table)} ({columns_sql(schema, ())})")
            for statement in added_columns(table, schema):
                connection.execute(statement)

    def create_token(self, consumer: str) -> None:
        """Make the token table and the consumer's row, at hop 0, where they are missing."""
        with self._connect() as connection:
            for statement in TOKEN_SQL:
                connection.execute(statement)
            connection.execute(f"INSERT INTO {TOKEN_TABLE} VALUES (?, 0, 0) ON CONFLICT DO NOTHING", [consumer])  # noqa: S608
