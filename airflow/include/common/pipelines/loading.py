"""Silver or gold to a warehouse: staged outside of any transaction, then one commit with the token.

What is carried and how it counts follows from the claim's pins alone, so nothing is kept between stage and publish.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import polars as pl

from common.contracts.contract import LoadSpec, LoadStrategy
from common.core.assets import Zone
from common.core.ids import batch_id
from common.core.nouns import Batch, Consumer, Counts, Dataset, Head
from common.core.places import WarehouseTable
from common.lake.changes import GONE, net_changes
from common.lake.source import LakeSource, silver_source
from common.lake.table import current_version, reading
from common.ledger.claims import Claim
from common.ledger.manifests import Manifest
from common.load.plan import LoadPlan
from common.load.strategies import strategy
from common.models.model import Model
from common.observe.verbs import passed
from common.pipelines.consumers import declared, load_name
from common.pipelines.gold import model_schema
from common.pipelines.step import Published, Staged
from common.warehouses.definition import create
from common.warehouses.registry import warehouse
from common.warehouses.sql import Token, count
from common.warehouses.warehouse import Rows, Statement, create_token, head

FRAME_ROWS = 100_000


class LoadStep:
    """The hop that carries one silver or gold table into one warehouse table."""

    table = None  # it writes no table of the lake

    def __init__(self, consumer: Consumer) -> None:
        self.spec = _spec(consumer)
        self.source = _source(consumer.dataset, self.spec)
        self.consumer = replace(consumer, contract=self.source.contract)
        self.target = self.spec.table or str(consumer.dataset)
        self.warehouse = warehouse(self.spec.to)

    def apply(self) -> None:
        """Make the warehouse's table with the columns that it lacks, and the load token."""
        create(self.warehouse, self.target, self.source.schema, self.source.key)
        create_token(self.warehouse, self.consumer.name)

    def head(self) -> Head:
        """Read the warehouse's load token."""
        return head(self.warehouse, self.consumer.name)

    def with_version(self, batch: Batch, hop: int) -> Batch:
        """Return the batch as it is."""
        del hop
        return batch

    def count_rows(self) -> int:
        """Return how many rows the warehouse table has."""
        return int(self.warehouse.query(count(self.target))[0][0])

    @contextmanager
    def stage(self, held: Claim) -> Iterator[Staged]:
        """Copy the rows into a table of this attempt, unless they go straight into the target at the commit."""
        with reading(self.source.uri):
            rows, counts = self._rows(held)
        if not self._direct(held):
            self.warehouse.stage(_token(held), rows)
        passed(self.consumer.kind, "stage.rows", held.batches)
        yield Staged(
            counts=counts,
            commit=partial(self._commit, held, counts.taken),
            outputs=(self._output(held, counts.taken),),
            bytes=sum(batch.bytes for batch in held.batches),
        )

    def plan(self, held: Claim) -> Counts:
        """Return what the claim would come to; the lake knows."""
        with reading(self.source.uri):
            return self._rows(held)[1]

    def _commit(self, held: Claim, taken: int) -> None:
        """Run the strategy's statements in one transaction with the token."""
        guarded = None if self._direct(held) else taken
        self.warehouse.commit(_token(held), guarded, self._statements(held, taken))

    def differences(self, known: Published, manifests: list[Manifest]) -> Iterator[str]:
        """Compare the rows of the warehouse's table with those that the lake had at the version last loaded."""
        del manifests
        if not known.hops:
            return
        uri, (_, version) = self.source.uri, known.hops[-1].pins[self.consumer.inputs[0]]
        with reading(uri):
            expected = self.source.count(min(version, current_version(uri)))
        if (found := self.count_rows()) != expected:
            yield f"{self.target} has {found} rows, {uri} had {expected} at version {version}"

    def settle(self, done: Manifest) -> None:
        """Nothing is left to do."""

    def _statements(self, held: Claim, taken: int) -> Iterator[Statement]:
        direct = self._whole(held, taken) if self._direct(held) else None
        plan = LoadPlan(self.target, _token(held).staging, tuple(self.source.schema), self.source.key, direct)
        passed(self.consumer.kind, "publish.token")
        yield from strategy(self._strategy(held))(plan)
        passed(self.consumer.kind, "publish.commit")

    def _strategy(self, held: Claim) -> str:
        return LoadStrategy.FULL if held.replay is not None or held.remade else self.spec.strategy

    def _direct(self, held: Claim) -> bool:
        return self._strategy(held) == LoadStrategy.FULL and self.warehouse.dialect.copies

    def _rows(self, held: Claim) -> tuple[Rows, Counts]:
        """Find the rows to carry and what they count as: good where the table at `after` lacked their key."""
        after, upto = held.pins[self.consumer.inputs[0]]
        if self._strategy(held) == LoadStrategy.FULL or after == 0:  # version 0 is the empty table
            taken = self.source.count(upto)
            good = taken if after == 0 else self._new(held)
            return self._marked(self._whole(held, taken)), Counts(taken, good, taken - good, 0)
        net = net_changes(self.source.changes(after, upto, list(self.source.schema)), self.source.key)
        taken = net.rows.height
        return Rows(taken, dict(net.rows.schema), lambda: [net.rows]), Counts(taken, net.new, taken - net.new, 0)

    def _new(self, held: Claim) -> int:
        """Count the keys that the table at `after` lacked; where it was remade since, no feed tells them."""
        after, upto = held.pins[self.consumer.inputs[0]]
        if held.remade:
            return self.source.new(after, upto)
        return net_changes(self.source.changes(after, upto, self.source.key), self.source.key).new

    def _whole(self, held: Claim, taken: int) -> Rows:
        """Return all rows of the table at the pin, read as they are asked for."""
        uri = self.source.uri
        _, upto = held.pins[self.consumer.inputs[0]]

        def frames() -> Iterator[pl.DataFrame]:
            with reading(uri):
                rows = self.source.at(upto)
                yield from rows.collect_batches(chunk_size=FRAME_ROWS, maintain_order=False)

        return Rows(taken, self.source.schema, frames)

    def _marked(self, rows: Rows) -> Rows:
        mark = pl.lit(value=False).alias(GONE)
        frames = rows.frames
        return replace(
            rows,
            schema={**rows.schema, GONE: pl.Boolean()},
            frames=lambda: (frame.with_columns(mark) for frame in frames()),
        )

    def _output(self, held: Claim, rows: int) -> Batch:
        return Batch(
            id=batch_id(held.consumer, held.hop),
            asset=self.consumer.output,
            records=rows,
            contract=held.contract,
            place=WarehouseTable(self.target),
            parents=tuple(batch.id for batch in held.batches),
        )


def _source(dataset: Dataset, spec: LoadSpec) -> LakeSource:
    table = declared(dataset)
    if isinstance(table, Model):
        return LakeSource(dataset, Zone.GOLD, model_schema(table), table.key, table.hash)
    return silver_source(table, history=spec.history)


def _spec(consumer: Consumer) -> LoadSpec:
    return next(s for s in declared(consumer.dataset).loads if load_name(consumer.dataset, s) == consumer.name)


def _token(held: Claim) -> Token:
    return Token(held.consumer, held.hop, held.attempt)
