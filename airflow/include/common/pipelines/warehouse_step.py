"""What the hops that write a warehouse's table share: the table, its token, and the batch that names it."""

from collections.abc import Mapping, Sequence

import polars as pl

from common.core.ids import batch_id
from common.core.nouns import Batch, Consumer, Head
from common.core.places import WarehouseTable
from common.ledger.claims import Claim
from common.ledger.manifests import Manifest
from common.warehouses.definition import changes, create
from common.warehouses.registry import warehouse
from common.warehouses.sql import Token, count
from common.warehouses.warehouse import create_token, head


class WarehouseStep:
    """The part of a step that is about its table in a warehouse."""

    table = None  # it writes no table of the lake

    def __init__(
        self, consumer: Consumer, target: str, schema: Mapping[str, pl.DataType], identity: Sequence[str]
    ) -> None:
        self.consumer, self.target, self.schema, self.identity = consumer, target, dict(schema), tuple(identity)
        self.warehouse = warehouse(consumer.to)

    def apply(self) -> None:
        """Make the warehouse's table with the columns that it lacks, and the token."""
        create(self.warehouse, self.target, self.schema, self.identity)
        create_token(self.warehouse, self.consumer.name)

    def changes(self) -> list[str]:
        """Return what `apply` would change of the warehouse's table, as SQL of the engine; reads the table only."""
        found = changes(self.warehouse, self.target, self.schema, self.identity)
        return [self.warehouse.dialect.text(statement) for statement in found]

    def head(self) -> Head:
        """Read the warehouse's token."""
        return head(self.warehouse, self.consumer.name)

    def with_version(self, batch: Batch, hop: int) -> Batch:
        """Return the batch as it is."""
        del hop
        return batch

    def settle(self, done: Manifest) -> None:
        """Nothing is left to do."""

    def count_rows(self) -> int:
        """Return how many rows the warehouse table has."""
        return int(self.warehouse.query(count(self.target))[0][0])

    def padded(self, key: Sequence[str]) -> tuple[str, ...]:
        """Name the columns of a key that the engine compares without their trailing blanks."""
        return tuple(name for name in key if self.warehouse.dialect.pads and self.schema[name] == pl.String)

    def output(self, held: Claim, rows: int) -> Batch:
        """Return the batch that a hop publishes."""
        return Batch(
            id=batch_id(held.consumer, held.hop),
            asset=self.consumer.output,
            records=rows,
            contract=held.contract,
            place=WarehouseTable(self.target),
            parents=tuple(batch.id for batch in held.batches),
        )


def token_of(held: Claim) -> Token:
    """Return what the commit of an attempt carries."""
    return Token(held.consumer, held.hop, held.attempt)
