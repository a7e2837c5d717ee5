"""Signs of life of what watches: when it was last there, and what it remembers."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select
from sqlalchemy.dialects.postgresql import insert

from common.ledger.tables import heartbeat

WATCH, SWEEP = "watch", "sweep:{domain}"


def beat(connection: Connection, name: str, value: dict[str, Any] | None = None) -> None:
    """Keep that something is alive, and what it wants to know the next time."""
    kept = {"at": func.clock_timestamp(), "value": value or {}}
    connection.execute(
        insert(heartbeat).values(name=name, **kept).on_conflict_do_update(index_elements=["name"], set_=kept)
    )


def last_beat(connection: Connection, name: str) -> Row[Any] | None:
    """Return the last sign of life; None where there was none."""
    return connection.execute(select(heartbeat).where(heartbeat.c.name == name)).first()


def clock(connection: Connection) -> datetime:
    """Return the time of the ledger's clock, which all moments of the ledger are of."""
    at: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return at
