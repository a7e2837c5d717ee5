"""Consumers: one dataset or model into one table of one target, and the lock that serialises each."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select
from sqlalchemy.dialects.postgresql import insert

from common.core.errors import NotApplied
from common.ledger.tables import consumer


@dataclass(frozen=True)
class Consumer:
    """A consumer as contracts and models define it.

    `ordered` consumers read versions of Delta tables: they take batches in order, never a part of them, and
    stop on an error; the others may narrow to the batch at fault and park it.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    output: str
    contract: str
    ordered: bool


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
