"""A warehouse that nobody can talk to inside a transaction, made up for tests as Redshift's Data API and Snowflake are.

Each statement commits by itself; only `commit` sends a list, of at most forty statements, which is one transaction
and tells nothing until it is over. It cannot branch, and a statement that defines something would end it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl
import psycopg
from psycopg import errors
from sqlglot import exp
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random

from common.core.errors import TargetUnavailable, WatershedError
from common.warehouses import sql
from common.warehouses.dialect import Dialect
from common.warehouses.postgres import MEANINGS
from common.warehouses.sql import Token
from common.warehouses.translation import Meanings, translated
from common.warehouses.warehouse import Rows, Statement, batch, copied, refused

INSERT_ROWS = 100
AT_ONCE: Meanings = tuple(  # what PostgreSQL says of CREATE ... IF NOT EXISTS when another session is at it
    (error, TargetUnavailable, "")
    for error in (errors.UniqueViolation, errors.DuplicateSchema, errors.DuplicateTable, errors.DuplicateObject)
)


class BatchOnly:
    """PostgreSQL behind a keyhole."""

    dialect = Dialect(
        sql="postgres", nul=False, keys=False, adds_missing=False, copies=False, ddl_commits=True, statements=40
    )

    def __init__(self, address: str) -> None:
        self._address = address

    def _send(self, statements: Sequence[exp.Expr], meanings: Meanings = MEANINGS) -> list[tuple[Any, ...]]:
        """Do a list of statements as one transaction; only the last one's rows are ever seen."""
        with translated("send", meanings), psycopg.connect(self._address) as connection:
            for statement in statements:
                cursor = connection.execute(self.dialect.text(statement).encode())
            return cursor.fetchall() if cursor.description else []

    def query(self, query: exp.Expr) -> list[tuple[Any, ...]]:
        return self._send([query])

    @retry(retry=retry_if_exception_type(TargetUnavailable), wait=wait_random(0, 0.2), stop=stop_after_attempt(20), reraise=True)  # fmt: skip
    def apply(self, statements: Sequence[exp.Expr]) -> None:
        for statement in statements:
            self._send([statement], (*AT_ONCE, *MEANINGS))

    def stage(self, token: Token, rows: Rows) -> None:
        self._begin_staging(token, rows.schema)
        for frame in rows.frames():
            for part in frame.iter_slices(INSERT_ROWS):
                self._insert(token.staging, part.select(list(rows.schema)).rows(), list(rows.schema))
        copied(token.staging, rows, self.query(sql.count(token.staging))[0][0])

    def _begin_staging(self, token: Token, schema: Mapping[str, pl.DataType]) -> None:
        known = [found for (found,) in self.query(sql.staging_tables(self.dialect, token.consumer))]
        self.apply(sql.stale(token, known))
        self._send([sql.create_staging(self.dialect, token.staging, schema)])

    def derive(self, token: Token, schema: Mapping[str, pl.DataType], query: exp.Query) -> None:
        self._begin_staging(token, schema)
        self._send([sql.fill_staging(self.dialect, token.staging, schema, query)])

    def _insert(self, table: str, rows: list[tuple[Any, ...]], columns: list[str]) -> None:
        names = psycopg.sql.SQL(", ").join(map(psycopg.sql.Identifier, columns))
        values = psycopg.sql.SQL(", ").join([psycopg.sql.Placeholder()] * len(columns))
        insert = psycopg.sql.SQL("INSERT INTO {} ({}) VALUES ({})")
        with (
            translated("insert", MEANINGS),
            psycopg.connect(self._address) as connection,
            connection.cursor() as cursor,
        ):
            cursor.executemany(insert.format(psycopg.sql.Identifier(*table.split(".")), names, values), rows)

    def commit(self, token: Token, staged: int | None, statements: Iterable[Statement]) -> None:
        everything = batch(self.dialect, token, staged, statements)
        assert not any(
            isinstance(one, exp.DDL | exp.Drop | exp.Alter) and not isinstance(one, exp.Insert) for one in everything
        )
        try:
            self._send(everything)
        except WatershedError as error:
            raise refused(self, token, staged, error) from error
