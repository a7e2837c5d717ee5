"""Silver to gold: the slices that changed rows touch are recomputed from pinned versions and replaced."""

from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

from common.contracts.catalogue import contract_of
from common.core.assets import Zone, asset_name
from common.core.errors import ModelError
from common.core.ids import batch_id
from common.core.nouns import Batch, Counts, Dataset, Head
from common.core.places import TableVersion
from common.lake.publish import append_parts, replace_slices
from common.lake.table import CHANGE, LakeTable, changes, read_at, reading
from common.ledger.claims import Claim
from common.ledger.consumers import Consumer
from common.ledger.database import transaction
from common.ledger.manifests import Manifest
from common.ledger.partitions import incomplete
from common.models.model import Model
from common.models.run import run, schema_of, slices, within
from common.pipelines.hop import Staged
from common.refine.clean import silver_schema
from common.zones.store import ZoneStore
from common.zones.zone import folder

NOW = ("insert", "update_postimage")
SAME_TEXT = (pl.String, pl.Date, pl.Int64)  # polars and DuckDB write these alike
MOST_SLICES = 200  # beyond this the whole table is recomputed: delta-rs overflows its stack on predicates of thousands


class ModelStep:
    """The hop that keeps one gold table up to date with its silver inputs."""

    def __init__(self, model: Model) -> None:
        self.model = model
        name = asset_name(model.dataset, Zone.GOLD)
        self.consumer = Consumer(
            name=name,
            kind="model",
            inputs=tuple(asset_name(dataset, Zone.SILVER) for dataset in model.inputs),
            output=name,
            contract=model.hash,
            ordered=True,
        )
        self.table = LakeTable(Zone.GOLD, model.dataset, name)
        self._rows = pl.DataFrame()
        self._touched: list[str] | None = []
        self._whole, self._waiting = False, dict[str, list[str]]()

    def head(self) -> Head:
        """Read the table's last hop."""
        return self.table.head()

    def place_of(self, batch: Batch, hop: int) -> Batch:
        """Complete an output with its Delta version."""
        return self.table.place_of(batch, hop)

    def schema(self) -> dict[str, pl.DataType]:
        """Tell the columns of the gold table."""
        return schema_of(self.model, {d: silver_schema(contract_of(d)) for d in self.model.inputs})

    @contextmanager
    def stage(self, held: Claim) -> Iterator[Staged]:
        """Find the touched slices, recompute those that are complete, count what is new; writes nothing yet."""
        self.table.require(list(self.schema()))
        with reading(f"inputs of {self.model.dataset}"):
            changed = {dataset: self._changed(held, dataset) for dataset in self.model.inputs}
        self._touch(held, changed)
        with reading(f"inputs of {self.model.dataset}"):
            inputs = {d: self._slice(held, d) for d in self.model.inputs}
        self._rows = run(self.model, inputs).select(list(self.schema()))
        self._check_slices()
        good = self._new_keys()
        # One changed record may complete a join and so make several new rows; each then counts as taken.
        taken = max(good, sum(rows.filter(pl.col(CHANGE).is_in(NOW)).height for rows in changed.values()))
        yield Staged(
            counts=Counts(taken, good, taken - good, 0),
            outputs=(self._output(held),),
            bytes=sum(batch.bytes for batch in held.batches),
        )

    def plan(self, held: Claim) -> Counts:
        """Tell what the claim would come to, and write nothing."""
        with self.stage(held) as staged:
            return staged.counts

    def _touch(self, held: Claim, changed: dict[Dataset, pl.DataFrame]) -> None:
        """Decide which slices are computed (None: all) and whether the table is replaced whole."""
        asked = held.replay
        touched: set[str] | None
        if held.redefined:  # whatever was asked for: no slice of the model before may stay
            touched = None
        elif asked is None:
            touched = set().union(*(slices(self.model, d, rows) for d, rows in changed.items()))
        else:
            touched = self._between(held, asked.first, asked.last) if asked.first else None
        touched = None if touched and len(touched) > MOST_SLICES else touched
        self._whole, self._waiting = touched is None, {}
        if self.model.complete:
            touched = self._all_slices(held) if touched is None else touched
            with transaction() as connection:
                self._waiting = incomplete(connection, self.model.complete, touched)
            touched -= self._waiting.keys()
        self._touched = None if touched is None else sorted(touched)

    def _between(self, held: Claim, first: str, last: str) -> set[str]:
        return {name for name in self._all_slices(held) if first <= name <= last}

    def _all_slices(self, held: Claim) -> set[str]:
        """Name every slice that the inputs or the table have."""
        with reading(f"inputs of {self.model.dataset}"):
            inputs = {d: self._pinned(held, d).collect() for d in self.model.inputs}
            there = read_at(self.table.uri, self.table.snapshot.version()).select(pl.col(self.model.slice)).unique()
            known = set(there.collect().to_series().cast(pl.String))
        return known.union(*(slices(self.model, d, rows) for d, rows in inputs.items()))

    def _check_slices(self) -> None:
        """Refuse rows outside of the slices that will be replaced: they would stand there twice."""
        names = self._rows[self.model.slice]
        if self._touched is None or not isinstance(names.dtype, SAME_TEXT):
            return
        if stray := sorted(set(names.cast(pl.String)) - set(self._touched)):
            raise ModelError(
                f"Model {self.model.dataset} gives rows of {self.model.slice} {', '.join(stray[:3])}, which its "
                "`inputs` name for no changed row. The expressions under `inputs` must give the result's slice."
            )

    def _uri(self, dataset: Dataset) -> str:
        return ZoneStore(Zone.SILVER).uri(folder(dataset))

    def _changed(self, held: Claim, dataset: Dataset) -> pl.DataFrame:
        after, upto = held.pins[asset_name(dataset, Zone.SILVER)]
        columns = list(silver_schema(contract_of(dataset)))
        return changes(self._uri(dataset), after, upto, columns)

    def _slice(self, held: Claim, dataset: Dataset) -> pl.DataFrame:
        """Read the touched slices of an input at its pinned version.

        Where the slice is a plain column the files of other partitions are not even opened.
        """
        expression, schema = self.model.inputs[dataset], silver_schema(contract_of(dataset))
        rows = self._pinned(held, dataset)
        if self._touched is None:
            return rows.collect()
        if isinstance(schema.get(expression), SAME_TEXT):
            return rows.filter(pl.col(expression).cast(pl.String).is_in(self._touched)).collect()
        return within(self.model, dataset, rows.collect(), set(self._touched))

    def _pinned(self, held: Claim, dataset: Dataset) -> pl.LazyFrame:
        version = held.pins[asset_name(dataset, Zone.SILVER)][1]
        return read_at(self._uri(dataset), version, silver_schema(contract_of(dataset)))

    def _new_keys(self) -> int:
        """Count the result's keys that the table does not have yet."""
        key = list(self.model.key)
        known = read_at(self.table.uri, self.table.snapshot.version()).select(key)
        with reading(self.table.uri):
            return self._rows.lazy().select(key).join(known, on=key, how="anti").collect().height

    def _output(self, held: Claim) -> Batch:
        return Batch(
            id=batch_id(held.consumer, held.hop),
            asset=self.consumer.output,
            records=self._rows.height,
            contract=held.contract,
            place=TableVersion(tuple((self._touched or [])[:MOST_SLICES]), waiting=self._waiting),
            parents=tuple(batch.id for batch in held.batches),
        )

    def publish(self, held: Claim, staged: Staged) -> None:
        """Replace the touched slices in one commit; with none, an empty commit carries the hop."""
        del staged
        if self._touched == [] and not self._whole:
            append_parts(self.table, [], self.model.partition, held.hop, held.attempt)
        else:
            replace_slices(self.table, self._rows, self._predicate(), held.hop, held.attempt)

    def _predicate(self) -> str | None:
        if self._whole or self._touched is None:
            return None
        listed = ", ".join("'" + value.replace("'", "''") + "'" for value in self._touched)
        return f"`{self.model.slice}` IN ({listed})"

    def settle(self, done: Manifest) -> None:
        """Nothing is left to do."""
