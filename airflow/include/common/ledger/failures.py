"""What the last try of a consumer ended with, for whoever asks why something waits; gone once a hop is published."""

from typing import Any

from sqlalchemy import Connection, Row, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from common.ledger.tables import failure


def keep_failure(connection: Connection, name: str, kind: str, detail: str) -> None:
    """Keep the error that a try ended with, in place of the one before; `kind` is its class."""
    values = {"kind": kind, "detail": detail, "at": func.clock_timestamp()}
    connection.execute(
        insert(failure).values(consumer=name, **values).on_conflict_do_update(index_elements=["consumer"], set_=values)
    )


def forget_failure(connection: Connection, name: str) -> None:
    """Forget it: a hop was published, or there is nothing left to do."""
    connection.execute(delete(failure).where(failure.c.consumer == name))


def failures(connection: Connection) -> dict[str, Row[Any]]:
    """Return the last failure of each consumer that has one."""
    return {row.consumer: row for row in connection.execute(select(failure))}
