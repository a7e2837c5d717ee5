"""Silver or gold to a warehouse: staged outside of any transaction, then one commit with the token.

What is carried and how it counts follows from the claim's pins alone, so nothing is kept between stage and publish.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from io import BytesIO

import polars as pl

from common.contracts.contract import Contract, Evolution, LoadSpec, LoadStrategy
from common.core.assets import Zone
from common.core.nouns import Consumer, Counts, Refusal
from common.lake.changes import GONE, NetChange, net_changes
from common.lake.source import LakeSource, silver_source
from common.lake.table import current_version, reading
from common.ledger.claims import Claim
from common.ledger.database import transaction
from common.ledger.manifests import Manifest
from common.ledger.refusals import rows_withheld
from common.load.aside import REASON, SetAside, fitting, kept
from common.load.chosen import chosen_keys
from common.load.plan import LoadPlan
from common.load.scd2 import Intervals, intervals
from common.load.strategies import strategy
from common.models.model import Model
from common.observe.verbs import passed
from common.pipelines.consumers import declared, load_name
from common.pipelines.gold import model_schema
from common.pipelines.step import Published, Staged
from common.pipelines.warehouse_step import WarehouseStep, token_of
from common.warehouses.differences import Difference
from common.warehouses.warehouse import Rows, Statement
from common.zones.store import ZoneStore

FRAME_ROWS = 100_000


class LoadStep(WarehouseStep):
    """The hop that carries one silver or gold table into one warehouse table."""

    def __init__(self, consumer: Consumer) -> None:
        self.spec = _spec(consumer)
        table = declared(consumer.dataset)
        self.source = _source(table, self.spec)
        self.intervals = _intervals(table, self.spec)
        schema, identity = shape(table, self.spec)
        pinned = replace(consumer, contract=self.source.contract)
        target = self.spec.table or str(consumer.dataset)
        super().__init__(pinned, target, schema, identity, self.spec.evolution)

    @contextmanager
    def stage(self, held: Claim) -> Iterator[Staged]:
        """Copy the rows into a table of this attempt, unless they go straight into the target at the commit."""
        unfit = self.admitted(held, whole=self._all(held))
        with ExitStack() as spool:
            with reading(self.source.uri):
                net, aside = self._fitting(self._net(held), unfit)
                counts = self._counts(held, net, aside)
                rows = spool.enter_context(self._rows(held, net, counts.taken - counts.refused))
            if not self._direct(held):
                self.warehouse.stage(token_of(held), rows)
            passed(self.consumer.kind, "stage.rows", held.batches)
            yield Staged(
                counts=counts,
                commit=partial(self._commit, held, rows),
                outputs=(self.output(held, rows.count),),
                refusals=self._refusals(held, aside),
                bytes=sum(batch.bytes for batch in held.batches),
            )

    def plan(self, held: Claim) -> Counts:
        """Return what the claim would come to; the lake knows."""
        unfit = self.policy.aside(self.drift()) if self.spec.evolution == Evolution.QUARANTINE else []
        with reading(self.source.uri):
            return self._counts(held, *self._fitting(self._net(held), unfit))

    def _fitting(self, net: NetChange | None, unfit: list[Difference]) -> tuple[NetChange | None, list[SetAside]]:
        """Set those rows aside that the table cannot take as it is; none of a load of all rows."""
        if net is None or not unfit:
            return net, []
        rows, aside = fitting(net.rows, unfit)
        return replace(net, rows=rows), aside

    def _refusals(self, held: Claim, aside: list[SetAside]) -> tuple[Refusal, ...]:
        """Keep the rows that were set aside in quarantine; they are those of the newest batch that is taken."""
        if not aside:
            return ()
        batch, store = held.batches[-1].id, ZoneStore(Zone.QUARANTINE)
        key = f"rows/{held.consumer}/{held.hop}/{held.attempt}/0.parquet"
        content = BytesIO()
        pl.concat([kept(one, batch, held.contract) for one in aside]).write_parquet(content)
        content.seek(0)
        store.write_part(key, content)
        return tuple(Refusal(batch, REASON, a.rows.height, a.rule, a.column, store.uri(key), "row") for a in aside)

    def _commit(self, held: Claim, rows: Rows) -> None:
        """Run the strategy's statements in one transaction with the token."""
        guarded = None if self._direct(held) else rows.count
        self.warehouse.commit(token_of(held), guarded, self._statements(held, rows))

    def differences(self, known: Published, manifests: list[Manifest]) -> Iterator[str]:
        """Compare the warehouse's table and its rows with what the lake had at the version last loaded."""
        del manifests
        drift = self.policy.holding(self.drift(), whole=True)
        yield from (f"{self.target}: {one}" for one in drift)
        if not known.hops or any(one.absent for one in drift):
            return
        uri, (_, version) = self.source.uri, known.hops[-1].pins[self.consumer.inputs[0]]
        with reading(uri):
            expected = self._count(min(version, current_version(uri)))
        with transaction() as connection:
            withheld = rows_withheld(connection, self.consumer.name)  # of some an older version is in the table
        if not expected - withheld <= (found := self.count_rows()) <= expected:
            yield f"{self.target} has {found} rows, {uri} gives it {expected} at version {version}"

    def _count(self, version: int) -> int:
        """Count the rows that the lake's table gives at a version."""
        return self.intervals.count(self.source.at(version)) if self.intervals else self.source.count(version)

    def _statements(self, held: Claim, rows: Rows) -> Iterator[Statement]:
        direct = replace(rows, schema=self.schema) if self._direct(held) else None
        columns = tuple(name for name in rows.schema if name != GONE)
        key = self.replaced_by
        plan = LoadPlan(self.target, token_of(held).staging, columns, key, self.padded(key), direct)
        passed(self.consumer.kind, "publish.token")
        yield from strategy(self._strategy(held))(plan)
        passed(self.consumer.kind, "publish.commit")

    @property
    def replaced_by(self) -> tuple[str, ...]:
        """Name the columns by which rows of the table are replaced."""
        return self.intervals.key if self.intervals else self.source.key

    def _strategy(self, held: Claim) -> str:
        """Return how to load; intervals by the words of another contract than the last hop's may not stand beside."""
        again = held.replay is not None and not held.replay.keys
        anew = again or held.remade or (self.intervals and held.redefined)
        return LoadStrategy.FULL if anew else self.spec.strategy

    def _all(self, held: Claim) -> bool:
        """Whether all rows are carried, not those that have changed."""
        after, _ = held.pins[self.consumer.inputs[0]]
        return self._strategy(held) == LoadStrategy.FULL or after == 0  # version 0 is the empty table

    def _direct(self, held: Claim) -> bool:
        return self._strategy(held) == LoadStrategy.FULL and self.warehouse.dialect.copies

    def _net(self, held: Claim) -> NetChange | None:
        """Find what has changed between the pins; None where all of the table is carried."""
        after, upto = held.pins[self.consumer.inputs[0]]
        if self._all(held):
            return None
        net = net_changes(self.source.changes(after, upto, list(self.source.schema)), self.source.key)
        if held.replay is None or not held.replay.keys:
            return net
        chosen = chosen_keys(held.replay.keys, {name: self.schema[name] for name in self.replaced_by})
        return net.with_keys(chosen, self.source.at(upto))

    def _counts(self, held: Claim, net: NetChange | None, aside: list[SetAside]) -> Counts:
        """Count the records of the lake that are carried: good where the table at `after` lacked their key."""
        after, upto = held.pins[self.consumer.inputs[0]]
        loaded = net.rows.height if net else self.source.count(upto)
        good = net.new if net else loaded if after == 0 else self._new(held)
        key = list(self.source.key)
        good -= sum(a.rows.join(net.fresh, on=key, how="semi").height for a in aside) if net else 0
        refused = sum(one.rows.height for one in aside)
        return Counts(loaded + refused, good, loaded - good, refused)

    def _rows(self, held: Claim, net: NetChange | None, taken: int) -> AbstractContextManager[Rows]:
        """Find the rows to carry, which are there while the context is open."""
        if self.intervals is None:
            changed = net and Rows(taken, dict(net.rows.schema), lambda: [net.rows])
            return nullcontext(changed or self._whole(held, taken))
        versions, key = self.source.at(held.pins[self.consumer.inputs[0]][1]), list(self.intervals.key)
        if net is None:
            return self.intervals.spooled(versions, pl.DataFrame(schema={name: self.schema[name] for name in key}))
        touched = net.rows.select(key).unique()
        return self.intervals.spooled(versions.join(touched.lazy(), on=key, how="semi"), touched)

    def _new(self, held: Claim) -> int:
        """Count the keys that the table at `after` lacked; where it was remade since, no feed tells them."""
        after, upto = held.pins[self.consumer.inputs[0]]
        if held.remade:
            return self.source.new(after, upto)
        return net_changes(self.source.changes(after, upto, self.source.key), self.source.key).new

    def _whole(self, held: Claim, taken: int) -> Rows:
        """Return all rows of the table at the pin, read as they are asked for."""
        uri, mark = self.source.uri, pl.lit(value=False).alias(GONE)
        _, upto = held.pins[self.consumer.inputs[0]]

        def frames() -> Iterator[pl.DataFrame]:
            with reading(uri):
                rows = self.source.at(upto).with_columns(mark)
                yield from rows.collect_batches(chunk_size=FRAME_ROWS, maintain_order=False)

        return Rows(taken, {**self.source.schema, GONE: pl.Boolean()}, frames)


def shape(table: Contract | Model, spec: LoadSpec) -> tuple[dict[str, pl.DataType], tuple[str, ...]]:
    """Return the columns of the warehouse's table that a load makes, and those that tell its rows apart."""
    if made := _intervals(table, spec):
        return made.schema, made.identity
    source = _source(table, spec)
    return dict(source.schema), tuple(source.key)


def _source(table: Contract | Model, spec: LoadSpec) -> LakeSource:
    if isinstance(table, Model):
        return LakeSource(table.dataset, Zone.GOLD, model_schema(table), table.key, table.hash)
    return silver_source(table, history=spec.history or spec.strategy == LoadStrategy.SCD2)


def _intervals(table: Contract | Model, spec: LoadSpec) -> Intervals | None:
    """Return what makes a load's rows of versions, where its strategy does."""
    return intervals(table, spec) if spec.strategy == LoadStrategy.SCD2 and isinstance(table, Contract) else None


def _spec(consumer: Consumer) -> LoadSpec:
    return next(s for s in declared(consumer.dataset).loads if load_name(consumer.dataset, s) == consumer.name)
