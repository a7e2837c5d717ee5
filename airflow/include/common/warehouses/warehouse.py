"""What every warehouse offers: rows staged outside of any transaction, and one commit with the token."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import polars as pl
from sqlglot import exp
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_random

from common.core.errors import (
    CommitConflict,
    ConfigError,
    ConservationError,
    NotApplied,
    TargetUnavailable,
    WatershedError,
)
from common.core.nouns import Head
from common.warehouses import sql
from common.warehouses.dialect import Dialect
from common.warehouses.sql import Token

PATIENCE = 30.0  # seconds
# For what waits for others who define something or have a file open: they do so for a fraction of a second.
patient = retry(
    retry=retry_if_exception_type(TargetUnavailable),
    wait=wait_random(0.05, 0.3),
    stop=stop_after_delay(PATIENCE),
    reraise=True,
)


@dataclass(frozen=True)
class Rows:
    """Rows on their way into a table: how many there are, their columns, and how they are read, frame by frame."""

    count: int
    schema: Mapping[str, pl.DataType]
    frames: Callable[[], Iterable[pl.DataFrame]]


@dataclass(frozen=True)
class Copy:
    """A step of a commit where the engine `copies`: all of these rows into a table."""

    table: str
    rows: Rows


Statement = exp.Expr | Copy


class Warehouse(Protocol):
    """One kind of warehouse, reached by an Airflow Connection."""

    dialect: Dialect

    def query(self, query: exp.Expr) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        ...

    def apply(self, statements: Sequence[exp.Expr]) -> None:
        """Run statements that define something, outside of any load; safe beside others that do the same."""
        ...

    def stage(self, token: Token, rows: Rows) -> None:
        """Copy rows into a new table of this attempt, and drop what closed hops have left.

        Raises ConservationError where other rows arrive than were announced.
        """
        ...

    def derive(self, token: Token, schema: Mapping[str, pl.DataType], query: exp.Query) -> None:
        """Fill a new table of this attempt by a query of tables that are in the warehouse, as `stage` does by rows."""
        ...

    def commit(self, token: Token, staged: int | None, statements: Iterable[Statement]) -> None:
        """Run statements in ONE transaction: the token first, then the guard where rows were staged, then they.

        Raises CommitConflict where the token is not at the hop before, TargetUnavailable where the staging table
        holds other than `staged` rows; then nothing was done.
        """
        ...


class Conversation(Protocol):
    """An open transaction in which one can look at what a statement did before the next is sent."""

    def run(self, statement: exp.Expr) -> int:
        """Run a statement and return how many rows it touched."""
        ...

    def scalar(self, query: exp.Expr) -> Any:
        """Return the only value of a query."""
        ...

    def all(self, query: exp.Expr) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        ...

    def copy(self, table: str, rows: Rows) -> int:
        """Copy rows into a table and return how many arrived."""
        ...


def begin_staging(talk: Conversation, dialect: Dialect, token: Token, schema: Mapping[str, pl.DataType]) -> None:
    """Make the staging table of an attempt, and drop what closed hops have left."""
    known = [found for (found,) in talk.all(sql.staging_tables(dialect, token.consumer))]
    for statement in [*sql.stale(token, known), sql.create_staging(dialect, token.staging, schema)]:
        talk.run(statement)


def converse(
    talk: Conversation, token: Token, staged: int | None, statements: Iterable[Statement], *, drops: bool = True
) -> None:
    """Do what a commit is, up to the word itself, in a transaction that one can talk to.

    Without `drops` the staging table stays, as dropping it would end the transaction before its time.
    """
    if talk.run(sql.move_token(token)) != 1:
        raise CommitConflict(f"The token of {token.consumer} is not at hop {token.hop - 1}; it will be read again.")
    if staged is not None:
        _guard(talk, token, staged)
    for statement in statements:
        if isinstance(statement, Copy):
            copied(statement.table, statement.rows, talk.copy(statement.table, statement.rows))
        else:
            talk.run(statement)
    if staged is not None and drops:
        talk.run(sql.drop(token.staging))


def _guard(talk: Conversation, token: Token, staged: int) -> None:
    try:
        found: Any = talk.scalar(sql.count(token.staging))
    except NotApplied:  # dropped, which is no fault of whoever has applied
        found = "no more"
    if found != staged:
        raise TargetUnavailable(_incomplete(token, found, staged))


def _incomplete(token: Token, found: object, staged: int) -> str:
    return (
        f"{token.staging} has {found} rows, hop {token.hop} of {token.consumer} staged {staged}: the server lost them "
        "(a crash empties unlogged tables) or somebody dropped them. Nothing was committed; they are staged again."
    )


def copied(table: str, rows: Rows, found: int) -> None:
    """Check that all rows arrived; raises ConservationError."""
    if found != rows.count:
        raise ConservationError(f"{found} of {rows.count} rows arrived in {table}. Nothing was committed.")


def batch(dialect: Dialect, token: Token, staged: int | None, statements: Iterable[Statement]) -> list[exp.Expr]:
    """Return what a commit is, for engines that take all of a transaction at once.

    Raises ConfigError where it is too long, or holds rows that such an engine must have staged.
    """
    all_of_it = [*sql.take(token), *([] if staged is None else [sql.guard(token, staged)])]
    for statement in statements:
        if isinstance(statement, Copy):
            raise ConfigError(f"A commit of {dialect.sql} carries no rows: those of {statement.table} must be staged.")
        all_of_it.append(statement)
    if dialect.statements is not None and len(all_of_it) > dialect.statements:
        raise ConfigError(
            f"A commit of {dialect.sql} takes {dialect.statements} statements, this load needs {len(all_of_it)}."
        )
    return all_of_it


def refused(warehouse: Warehouse, token: Token, staged: int | None, error: WatershedError) -> WatershedError:
    """Return what the refusal of a batch means: token and staging table are asked, its text is no evidence."""
    if (found := head(warehouse, token.consumer).hop) != token.hop - 1:
        return CommitConflict(f"The token of {token.consumer} is at hop {found}, not {token.hop - 1}.")
    if staged is not None:
        staged_now: Any = "no more"
        with suppress(NotApplied):
            staged_now = warehouse.query(sql.count(token.staging))[0][0]
        if staged_now != staged:
            return TargetUnavailable(_incomplete(token, staged_now, staged))
    return error


def head(warehouse: Warehouse, consumer: str) -> Head:
    """Read a consumer's token; raises NotApplied where there is none."""
    found = warehouse.query(sql.read_token(consumer))
    if not found:
        raise NotApplied(f"There is no load token of {consumer} in {warehouse}. Run `watershed apply`.")
    return Head(*found[0])


def create_token(warehouse: Warehouse, consumer: str) -> None:
    """Make the table of tokens and the consumer's, at hop 0, where they are missing."""
    warehouse.apply([*sql.token_table(warehouse.dialect), sql.new_token(consumer)])
