"""The rows of consumers in the ledger, and the lock that serialises each."""

from typing import Any

from sqlalchemy import Connection, Row, select
from sqlalchemy.dialects.postgresql import insert

from common.core.errors import NotApplied
from common.core.nouns import Consumer
from common.ledger.tables import consumer


def apply_consumer(connection: Connection, item: Consumer, width: int) -> None:
    """Make the consumer's row, or bring its definition up to date; its width stays."""
    definition = {"kind": item.kind, "inputs": list(item.inputs), "output": item.output}
    connection.execute(
        insert(consumer)
        .values(name=item.name, width=width, **definition)
        .on_conflict_do_update(index_elements=["name"], set_=definition)
    )


def lock(connection: Connection, name: str) -> Row[Any]:
    """Lock the consumer's row for this transaction; raises NotApplied where it is missing."""
    row = connection.execute(select(consumer).where(consumer.c.name == name).with_for_update()).first()
    if row is None:
        raise NotApplied(f"Consumer '{name}' is not in the ledger. Run `watershed apply`.")
    return row
