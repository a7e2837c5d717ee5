"""What the hops that write a warehouse's table share: the table, its token, and the batch that names it."""

from collections.abc import Mapping, Sequence

import polars as pl

from common.contracts.contract import Evolution
from common.core.ids import batch_id
from common.core.nouns import Batch, Consumer, Head
from common.core.places import WarehouseTable
from common.ledger.claims import Claim, owns
from common.ledger.consumers import lock
from common.ledger.database import transaction
from common.ledger.incidents import CHANGED, DRIFT, close_incidents, open_incident, open_of
from common.ledger.manifests import Manifest
from common.load.evolution import Policy
from common.observe.verbs import passed
from common.warehouses.differences import Difference, differences
from common.warehouses.registry import require_connection, warehouse
from common.warehouses.sql import Token, count
from common.warehouses.warehouse import create_token, head


class WarehouseStep:
    """The part of a step that is about its table in a warehouse."""

    table = None  # it writes no table of the lake

    def __init__(
        self,
        consumer: Consumer,
        target: str,
        schema: Mapping[str, pl.DataType],
        identity: Sequence[str],
        evolution: str = Evolution.EVOLVE,
    ) -> None:
        self.consumer, self.target, self.schema, self.identity = consumer, target, dict(schema), tuple(identity)
        self.warehouse = warehouse(consumer.to)
        self.policy = Policy(evolution, self.warehouse, target, self.identity)

    def apply(self) -> None:
        """Make the token, and the warehouse's table with the columns that it lacks, as far as the policy allows."""
        require_connection(self.consumer.to)
        create_token(self.warehouse, self.consumer.name)
        if statements := self.policy.alterations(self.drift()):
            self.warehouse.apply(statements)

    def changes(self) -> list[str]:
        """Return what `apply` would change of the warehouse's table, as SQL of the engine; reads the table only."""
        require_connection(self.consumer.to)
        found = self.policy.alterations(self.drift())
        return [self.warehouse.dialect.text(statement) for statement in found]

    def kept(self) -> str:
        """Say what `apply` leaves as it is, though it differs, and what becomes of rows."""
        aside = self.policy.aside(self.drift()) if self.policy.word == Evolution.QUARANTINE else []
        return self.policy.setting_aside(aside) if aside else ""

    def drift(self) -> list[Difference]:
        """Return in what the warehouse's table is not what is to be written into it."""
        return differences(self.warehouse, self.target, self.schema, self.identity)

    def admitted(self, held: Claim, *, whole: bool = False) -> list[Difference]:
        """Look at the table before anything is loaded; return what sets those rows aside whose values do not fit.

        What differs is an incident for as long as it does. Raises NotApplied, Drifted where nothing may be loaded.
        """
        found = self.drift()
        holding, aside = self.policy.holding(found, whole=whole), self.policy.aside(found)
        if holding:
            error = self.policy.error(holding, altered=held.hop > 1 and not held.redefined, whole=whole)
            self._report(held, str(error))
            raise error
        self._report(held, self.policy.setting_aside(aside) if aside else "")
        passed(self.consumer.kind, "stage.looked")
        return aside

    def _report(self, held: Claim, detail: str) -> None:
        """Keep one incident open about how the table differs now, and none where it does not."""
        with transaction() as connection:
            known = [row for row in open_of(connection, [DRIFT], held.consumer) if row.consumer == held.consumer]
            if [row.detail for row in known] == ([detail] if detail else []):
                return
            lock(connection, held.consumer)
            if not owns(connection, held):
                return
            close_incidents(connection, DRIFT, held.consumer, resolution=CHANGED if detail else "")
            if detail:
                open_incident(connection, DRIFT, held.consumer, detail)

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
