"""Silver to gold: the slices that changed rows touch are recomputed from pinned versions and replaced."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import polars as pl

from common.contracts.catalogue import contract_of
from common.core.assets import Zone, asset_name
from common.core.errors import ModelError
from common.core.ids import batch_id
from common.core.nouns import Batch, Consumer, Counts, Dataset
from common.core.places import TableVersion
from common.lake.overwrite import overwrite
from common.lake.parts import stage_parts
from common.lake.publish import append_parts, replace_slices
from common.lake.schema import Layout
from common.lake.source import LakeSource, silver_source
from common.lake.table import CHANGE, read_at, reading
from common.ledger.claims import Claim
from common.ledger.database import transaction
from common.ledger.partitions import incomplete
from common.models.model import Input, Model, model_of
from common.models.run import run, schema_of, slices, within
from common.pipelines.lake_step import LakeStep
from common.pipelines.step import Staged
from common.pipelines.trial import require_slices

NOW = ("insert", "update_postimage")
SAME_TEXT = (pl.String, pl.Date, pl.Int64)  # polars and DuckDB write these alike
MOST_SLICES = 200  # beyond this the whole table is recomputed: delta-rs overflows its stack on predicates of thousands
SCHEMAS: dict[tuple[str, ...], dict[str, pl.DataType]] = {}  # by what they were computed from: never out of date


@dataclass(frozen=True)
class Slices:
    """Which slices a hop computes (None: all), whether it replaces the table whole, and which wait for what."""

    names: tuple[str, ...] | None
    whole: bool
    waiting: dict[str, list[str]]


class ModelStep(LakeStep):
    """The hop that keeps one gold table up to date with its silver inputs."""

    def __init__(self, consumer: Consumer) -> None:
        self.model = model_of(consumer.dataset)
        super().__init__(replace(consumer, contract=self.model.hash), Zone.GOLD, self.model.key)

    def apply(self) -> None:
        """Make the table, or add the columns that the model gives and it lacks; raises ModelError for a wrong one.

        Other types and another partition come with the next hop: it computes all, for model or inputs have changed.
        """
        self._check_joins()
        require_slices(self.model)
        self.table.ensure(Layout(self.schema(), self.model.partition), remade=True)

    def schema(self) -> dict[str, pl.DataType]:
        """Return the columns of the gold table."""
        return model_schema(self.model)

    @contextmanager
    def stage(self, held: Claim) -> Iterator[Staged]:
        """Find the touched slices, recompute those that are complete, count what is new; writes nothing yet."""
        self.table.require_columns(list(self.schema()))
        with reading(f"inputs of {self.model.dataset}"):
            changed = {dataset: self._changed(held, dataset) for dataset in self.model.inputs}
        touched = self._touched(held, changed)
        with reading(f"inputs of {self.model.dataset}"):
            inputs = {d: self._slice(held, d, touched) for d in self.model.inputs}
        rows = run(self.model, inputs).select(list(self.schema()))
        self._check_slices(rows, touched)
        remade = touched.whole and self.table.differs(Layout(rows.schema, self.model.partition))
        good = self._new_keys(rows)
        # One changed record may complete a join and so make several new rows; each then counts as taken.
        taken = max(good, sum(feed.filter(pl.col(CHANGE).is_in(NOW)).height for feed in changed.values()))
        yield Staged(
            counts=Counts(taken, good, taken - good, 0),
            commit=partial(self._remake, held, rows) if remade else partial(self._commit, held, rows, touched),
            outputs=(self._output(held, rows, touched, remade=remade),),
            bytes=sum(batch.bytes for batch in held.batches),
        )

    def plan(self, held: Claim) -> Counts:
        """Count what the claim would come to, and write nothing."""
        with self.stage(held) as staged:
            return staged.counts

    def _touched(self, held: Claim, changed: dict[Dataset, pl.DataFrame]) -> Slices:
        """Decide which slices are computed, and whether the table is replaced whole."""
        replay = held.replay
        names: set[str] | None
        # Whatever was asked for: no slice of what was before may stay.
        if held.redefined or held.remade or self._reshaped(held):
            names = None
        elif replay is None:
            names = self._changed_slices(held, changed)
        else:
            names = self._between(held, replay.first, replay.last) if replay.first else None
        names = None if names and len(names) > MOST_SLICES else names
        whole, waiting = names is None, dict[str, list[str]]()
        if self.model.complete:
            names = self._all_slices(held) if names is None else names
            with transaction() as connection:
                waiting = incomplete(connection, self.model.complete, names)
            names -= waiting.keys()
        return Slices(None if names is None else tuple(sorted(names)), whole, waiting)

    def _changed_slices(self, held: Claim, changed: dict[Dataset, pl.DataFrame]) -> set[str] | None:
        """Name the slices that changes touch; None where it may be any, because an input is read whole."""
        names: set[str] = set()
        for dataset, feed in changed.items():
            item = self.model.inputs[dataset]
            if item.slice is not None:
                names |= slices(self.model, dataset, feed)
            elif feed.height and not item.by:
                return None
            else:
                names |= self._joined_slices(held, item, feed)
        return names

    def _joined_slices(self, held: Claim, item: Input, feed: pl.DataFrame) -> set[str]:
        """Name the slices of the other inputs' rows that hold a changed value; rows that changed too name their own."""
        names: set[str] = set()
        for column, joined in item.by.items():
            values = feed[column].drop_nulls().unique().implode()
            for dataset, held_in in self._columns_of_others(joined).items():
                holds = pl.any_horizontal(pl.col(name).is_in(values) for name in held_in)
                names |= slices(self.model, dataset, self._pinned(held, dataset).filter(holds).collect())
        return names

    def _columns_of_others(self, columns: Sequence[str]) -> dict[Dataset, list[str]]:
        """Return which inputs that are read by slice have which of the columns."""
        others = [dataset for dataset, item in self.model.inputs.items() if item.slice is not None]
        found = {dataset: [name for name in columns if name in self._source(dataset).schema] for dataset in others}
        return {dataset: names for dataset, names in found.items() if names}

    def _check_joins(self) -> None:
        """Check that the columns exist by which a change of an input that is read whole is followed."""
        for dataset, item in self.model.inputs.items():
            for column, joined in item.by.items():
                known = {name for names in self._columns_of_others(joined).values() for name in names}
                own = {column} - self._source(dataset).schema.keys()
                if missing := sorted({*joined} - known | own):
                    raise ModelError(
                        f"Model {self.model.dataset}: inputs: {dataset}: by: there is no column {', '.join(missing)}. "
                        f"Before the colon stands a column of {dataset}, after it columns of inputs with a slice."
                    )

    def _reshaped(self, held: Claim) -> bool:
        """Return whether an input has got other columns since the last hop: `SELECT *` gives them in every slice."""
        for dataset in self.model.inputs:
            after, upto = held.pins[asset_name(dataset, Zone.SILVER)]
            uri = self._source(dataset).uri
            if 0 < after < upto and read_at(uri, after).collect_schema() != read_at(uri, upto).collect_schema():
                return True
        return False

    def _between(self, held: Claim, first: str, last: str) -> set[str]:
        return {name for name in self._all_slices(held) if first <= name <= last}

    def _all_slices(self, held: Claim) -> set[str]:
        """Name every slice that the inputs or the table have."""
        with reading(f"inputs of {self.model.dataset}"):
            by_slice = [d for d, item in self.model.inputs.items() if item.slice is not None]
            inputs = {d: self._pinned(held, d).collect() for d in by_slice}
            present = self.table.rows().select(pl.col(self.model.slice)).unique()
            known = set(present.collect().to_series().cast(pl.String))
        return known.union(*(slices(self.model, d, rows) for d, rows in inputs.items()))

    def _check_slices(self, rows: pl.DataFrame, touched: Slices) -> None:
        """Refuse rows outside of the slices that will be replaced: they would stand there twice."""
        names = rows[self.model.slice]
        if touched.names is None or not isinstance(names.dtype, SAME_TEXT):
            return
        if stray := sorted(set(names.cast(pl.String)) - set(touched.names)):
            raise ModelError(
                f"Model {self.model.dataset} gives rows of {self.model.slice} {', '.join(stray[:3])}, which its "
                "`inputs` name for no changed row. The expressions under `inputs` must give the result's slice."
            )

    def _changed(self, held: Claim, dataset: Dataset) -> pl.DataFrame:
        asset, source = asset_name(dataset, Zone.SILVER), self._source(dataset)
        if asset in held.remade:  # all of it is new; no feed tells it
            return self._pinned(held, dataset).with_columns(pl.lit("insert").alias(CHANGE)).select(CHANGE).collect()
        return source.changes(*held.pins[asset], list(source.schema))

    def _slice(self, held: Claim, dataset: Dataset, touched: Slices) -> pl.DataFrame:
        """Read the touched slices of an input at its pinned version.

        Where the slice is a plain column the files of other partitions are not even opened.
        """
        expression, schema = self.model.inputs[dataset].slice, self._source(dataset).schema
        rows = self._pinned(held, dataset)
        if touched.names is None or expression is None:
            return rows.collect()
        if isinstance(schema.get(expression), SAME_TEXT):
            return rows.filter(pl.col(expression).cast(pl.String).is_in(list(touched.names))).collect()
        return within(self.model, dataset, rows.collect(), set(touched.names))

    def _pinned(self, held: Claim, dataset: Dataset) -> pl.LazyFrame:
        return self._source(dataset).at(held.pins[asset_name(dataset, Zone.SILVER)][1])

    def _source(self, dataset: Dataset) -> LakeSource:
        return silver_source(contract_of(dataset), history=self.model.inputs[dataset].history)

    def _new_keys(self, rows: pl.DataFrame) -> int:
        """Count the result's keys that the table does not have yet; where they were of other types, it has none."""
        key = list(self.model.key)
        known = self.table.rows().select(key)
        if known.collect_schema() != rows.select(key).schema:
            return rows.height
        with reading(self.table.uri):
            return rows.lazy().select(key).join(known, on=key, how="anti").collect().height

    def _output(self, held: Claim, rows: pl.DataFrame, touched: Slices, *, remade: bool) -> Batch:
        return Batch(
            id=batch_id(held.consumer, held.hop),
            asset=self.consumer.output,
            records=rows.height,
            contract=held.contract,
            place=TableVersion((touched.names or ())[:MOST_SLICES], waiting=touched.waiting, remade=remade or None),
            parents=tuple(batch.id for batch in held.batches),
        )

    def _commit(self, held: Claim, rows: pl.DataFrame, touched: Slices) -> None:
        """Replace the touched slices in one commit; with none, an empty commit carries the hop."""
        if touched.names == () and not touched.whole:
            append_parts(self.table, [], held.hop, held.attempt)
        else:
            replace_slices(self.table, rows, self._predicate(touched), held.hop, held.attempt)

    def _remake(self, held: Claim, rows: pl.DataFrame) -> None:
        """Replace all of the table by rows that do not fit it as it is; columns that the model has dropped go."""
        layout, under = Layout(rows.schema, self.model.partition), f"{held.hop}/{held.attempt}"
        parts = tuple(stage_parts(self.table, [rows], layout, under))
        overwrite(self.table, parts, layout, held.hop, held.attempt)

    def _predicate(self, touched: Slices) -> str | None:
        if touched.whole or touched.names is None:
            return None
        listed = ", ".join("'" + value.replace("'", "''") + "'" for value in touched.names)
        return f"`{self.model.slice}` IN ({listed})"


def model_schema(model: Model) -> dict[str, pl.DataType]:
    """Return the columns that a model gives, from the contracts of its inputs: computed once for these texts."""
    sources = {d: silver_source(contract_of(d), history=item.history) for d, item in model.inputs.items()}
    key = (str(model.dataset), model.hash, *(source.contract for source in sources.values()))
    if key not in SCHEMAS:
        SCHEMAS[key] = schema_of(model, {dataset: source.schema for dataset, source in sources.items()})
    return SCHEMAS[key]
