"""Redshift, Serverless or provisioned: COPY into a session's own table, then one batch as the commit."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl
from sqlglot import exp

from common.core.connections import connection
from common.core.errors import WatershedError
from common.core.targets import SPELLING
from common.warehouses import sql
from common.warehouses.data_api import Client, place_of
from common.warehouses.dialect import Dialect, Widening
from common.warehouses.parts import plain, written
from common.warehouses.sql import Token
from common.warehouses.warehouse import Rows, Statement, batch, copied, head, patient, refused

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.hooks.redshift_data import RedshiftDataHook

LONGEST_TEXT = 65_535
DIALECT = Dialect(
    sql="redshift",
    types={pl.String: f"VARCHAR({LONGEST_TEXT})"},  # without a length it is 256
    longest_name=127,
    spelling=SPELLING["redshift"],
    longest_text=LONGEST_TEXT,
    nul=False,
    pads=True,
    keys=False,  # declared keys are not enforced
    adds_missing=False,
    widens=Widening.NONE,  # only VARCHAR grows
    copies=False,
    staging=exp.TemporaryProperty,
    statements=40,
)
UTC_SESSION = "SET timezone TO 'UTC'"  # parts have moments without a zone


class Redshift:
    """A Redshift database behind an Airflow Connection of type aws."""

    dialect = DIALECT

    def __init__(self, conn_id: str) -> None:
        self.conn_id = conn_id
        self._sessions: dict[str, str] = {}  # by the staging table that lives in it

    def __str__(self) -> str:
        return f"connection '{self.conn_id}'"

    def query(self, query: exp.Expr) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        client = self._client(f"read by {self}")
        return client.rows(client.run(_text(query), self._session_of(query)))

    @patient
    def apply(self, statements: Sequence[exp.Expr]) -> None:
        """Run statements one by one; a row that must be there once is inserted with the table locked."""
        client = self._client(f"apply by {self}")
        for statement in statements:
            texts = [_text(statement)]
            if isinstance(statement, exp.Insert):
                texts.insert(0, f"LOCK TABLE {DIALECT.text(statement.this)}")
            client.run(texts if texts[1:] else texts[0], self._session_of(statement))

    def stage(self, token: Token, rows: Rows) -> None:
        """Copy rows into a table of a session of this attempt's own; raises NotApplied where there is no token."""
        client, session = self._begin_staging("stage", token, plain(rows.schema))
        with written(DIALECT, token, rows, zones=False) as prefix:
            if prefix:
                client.run(_copy(token.staging, prefix, client.place.iam_role), session)
        copied(token.staging, rows, self.query(sql.count(token.staging))[0][0])

    def derive(self, token: Token, schema: Mapping[str, pl.DataType], query: exp.Query) -> None:
        """Fill a table of a session of this attempt's own by a query; raises NotApplied where there is no token."""
        client, session = self._begin_staging("transform", token, schema)
        client.run(_text(sql.fill_staging(DIALECT, token.staging, schema, query)), session)

    def _begin_staging(self, verb: str, token: Token, schema: Mapping[str, pl.DataType]) -> tuple[Client, str]:
        head(self, token.consumer)
        client = self._client(f"{verb} by {self}")
        session = self._sessions[token.staging] = client.begin(UTC_SESSION)
        client.run(_text(sql.create_staging(DIALECT, token.staging, schema)), session)
        return client, session

    def commit(self, token: Token, staged: int | None, statements: Iterable[Statement]) -> None:
        """Run statements as one batch, which is one transaction, in the session that has the staged rows."""
        everything = batch(DIALECT, token, staged, statements)
        client = self._client(f"load by {self}")
        try:
            client.run([_text(statement) for statement in everything], self._sessions.get(token.staging))
        except WatershedError as error:
            raise refused(self, token, staged, error) from error
        self._sessions.pop(token.staging, None)

    def _session_of(self, statement: exp.Expr) -> str | None:
        """Return the session that has the staging table of a statement, if it names one."""
        names = [f"{table.db}.{table.name}" for table in statement.find_all(exp.Table)]
        return next((self._sessions[name] for name in names if name in self._sessions), None)

    @cached_property
    def _hook(self) -> "RedshiftDataHook":
        from airflow.providers.amazon.aws.hooks.redshift_data import RedshiftDataHook

        connection(self.conn_id)  # the hook would go on without one
        return RedshiftDataHook(aws_conn_id=self.conn_id)

    def _client(self, what: str) -> Client:
        return Client(self._hook, place_of(self.conn_id, self._hook.service_config), what)


def _text(statement: exp.Expr) -> str:
    """Return a statement as the session reads it, where staging tables are in no schema."""

    def local(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Table) and node.db == sql.HOME and node.name.startswith(sql.STAGE):
            node.set("db", None)
        return node

    return DIALECT.text(statement.transform(local))


def _copy(table: str, prefix: str, role: str) -> str:
    name, quoted = DIALECT.text(sql.table(table.rpartition(".")[2])), exp.Literal.string
    return f"COPY {name} FROM {quoted(prefix).sql()} IAM_ROLE {quoted(role).sql()} FORMAT AS PARQUET"
