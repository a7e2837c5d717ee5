"""Silver or gold to a warehouse: staged outside of any transaction, then one commit with the token.

What is carried and how it counts follows from the claim's pins alone, so nothing is kept between stage and publish.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import polars as pl

from common.contracts.contract import LoadSpec, LoadStrategy
from common.core.faults import fault_point
from common.core.ids import batch_id
from common.core.nouns import Batch, Counts, Dataset, Head
from common.lake.changes import DELETED, net_changes
from common.lake.table import changes, read_at, reading, row_count
from common.ledger.claims import Claim
from common.ledger.consumers import Consumer
from common.ledger.manifests import Manifest
from common.load.plan import LoadPlan
from common.load.strategies import strategy
from common.pipelines.hop import Staged
from common.warehouses.registry import warehouse
from common.warehouses.sql import Token, count
from common.warehouses.warehouse import Rows, Statement, head
from common.zones.store import ZoneStore
from common.zones.zone import Zone, asset_name, folder

FRAME_ROWS = 100_000


@dataclass(frozen=True)
class LakeSource:
    """A table of the lake to load from: what it is, its columns and what identifies its rows."""

    dataset: Dataset
    zone: Zone
    schema: dict[str, pl.DataType]
    key: tuple[str, ...]
    contract: str

    @property
    def uri(self) -> str:
        """Return the address of the table."""
        return ZoneStore(self.zone).uri(folder(self.dataset))


class LoadStep:
    """The hop that carries one silver or gold table into one warehouse table."""

    def __init__(self, source: LakeSource, spec: LoadSpec) -> None:
        self.source, self.spec = source, spec
        self.table = spec.table or str(source.dataset)
        self.warehouse = warehouse(spec.to)
        self.consumer = Consumer(
            name=f"{self.table}@{spec.to}",
            kind="load",
            inputs=(asset_name(source.dataset, source.zone),),
            output=f"{self.table}@{spec.to}",
            contract=source.contract,
            ordered=True,
        )

    def head(self) -> Head:
        """Read the warehouse's load token."""
        return head(self.warehouse, self.consumer.name)

    def place_of(self, batch: Batch, hop: int) -> Batch:
        """Return the batch as it is."""
        del hop
        return batch

    def count_rows(self) -> int:
        """Return how many rows the warehouse table has."""
        return int(self.warehouse.query(count(self.table))[0][0])

    @contextmanager
    def stage(self, held: Claim) -> Iterator[Staged]:
        """Copy the rows into a table of this attempt, unless they go straight into the target at the commit."""
        with reading(self.source.uri):
            rows, counts = self._rows(held)
        if not self._direct(held):
            self.warehouse.stage(_token(held), rows)
        fault_point(self.consumer.kind, "stage.rows", held.batches)
        yield Staged(
            counts=counts,
            outputs=(self._output(held, counts.taken),),
            bytes=sum(batch.bytes for batch in held.batches),
        )

    def plan(self, held: Claim) -> Counts:
        """Return what the claim would come to; the lake knows."""
        with reading(self.source.uri):
            return self._rows(held)[1]

    def publish(self, held: Claim, staged: Staged) -> None:
        """Run the strategy's statements in one transaction with the token."""
        guarded = None if self._direct(held) else staged.counts.taken
        self.warehouse.commit(_token(held), guarded, self._statements(held, staged.counts.taken))

    def settle(self, done: Manifest) -> None:
        """Nothing is left to do."""

    def _statements(self, held: Claim, taken: int) -> Iterator[Statement]:
        direct = self._whole(held, taken) if self._direct(held) else None
        plan = LoadPlan(self.table, _token(held).staging, tuple(self.source.schema), self.source.key, direct)
        fault_point(self.consumer.kind, "publish.token")
        yield from strategy(self._strategy(held))(plan)
        fault_point(self.consumer.kind, "publish.commit")

    def _strategy(self, held: Claim) -> str:
        return LoadStrategy.FULL if held.replay is not None else self.spec.strategy

    def _direct(self, held: Claim) -> bool:
        return self._strategy(held) == LoadStrategy.FULL and self.warehouse.dialect.copies

    def _rows(self, held: Claim) -> tuple[Rows, Counts]:
        """Find the rows to carry and what they count as: good where the table at `after` lacked their key."""
        after, upto = held.pins[self.consumer.inputs[0]]
        if self._strategy(held) == LoadStrategy.FULL or after == 0:  # version 0 is the empty table
            taken = row_count(self.source.uri, upto)
            keys = self.source.key
            good = taken if after == 0 else net_changes(changes(self.source.uri, after, upto, keys), keys).new
            return self._marked(self._whole(held, taken)), Counts(taken, good, taken - good, 0)
        net = net_changes(changes(self.source.uri, after, upto, list(self.source.schema)), self.source.key)
        taken = net.rows.height
        return Rows(taken, dict(net.rows.schema), lambda: [net.rows]), Counts(taken, net.new, taken - net.new, 0)

    def _whole(self, held: Claim, taken: int) -> Rows:
        """Return all rows of the table at the pin, read as they are asked for."""
        uri, schema = self.source.uri, self.source.schema
        _, upto = held.pins[self.consumer.inputs[0]]

        def frames() -> Iterator[pl.DataFrame]:
            with reading(uri):
                rows = read_at(uri, upto, schema).select(list(schema))
                yield from rows.collect_batches(chunk_size=FRAME_ROWS, maintain_order=False)

        return Rows(taken, schema, frames)

    def _marked(self, rows: Rows) -> Rows:
        mark = pl.lit(value=False).alias(DELETED)
        frames = rows.frames
        return replace(
            rows,
            schema={**rows.schema, DELETED: pl.Boolean()},
            frames=lambda: (frame.with_columns(mark) for frame in frames()),
        )

    def _output(self, held: Claim, rows: int) -> Batch:
        return Batch(
            id=batch_id(held.consumer, held.hop),
            asset=self.consumer.output,
            records=rows,
            contract=held.contract,
            place={"table": self.table},
            parents=tuple(batch.id for batch in held.batches),
        )


def _token(held: Claim) -> Token:
    return Token(held.consumer, held.hop, held.attempt)
