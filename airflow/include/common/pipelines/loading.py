"""Silver or gold to a warehouse: the net change between two versions, in one transaction with the token."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import polars as pl

from common.contracts.contract import LoadSpec
from common.core.assets import Zone
from common.core.errors import ConservationError
from common.core.ids import batch_id
from common.core.nouns import Batch, Consumer, Counts, Dataset, Head
from common.core.places import WarehouseTable
from common.lake.table import CHANGE, changes, current_version, read_at, reading
from common.ledger.claims import Claim
from common.ledger.manifests import Manifest
from common.load.plan import DELETED, LoadPlan
from common.load.strategies import strategy
from common.models.model import Model
from common.observe.verbs import passed
from common.pipelines.consumers import declared, load_name
from common.pipelines.gold import model_schema
from common.pipelines.step import Published, Staged
from common.refine.clean import silver_schema
from common.warehouses.registry import warehouse
from common.warehouses.warehouse import Session
from common.zones.store import ZoneStore
from common.zones.zone import folder

STAGING = "watershed_staging"
CAME, LEFT = ("insert", "update_postimage"), ("delete", "update_preimage")


@dataclass(frozen=True)
class LakeSource:
    """A table of the lake to load from: what it is, its columns and what identifies its rows."""

    dataset: Dataset
    zone: Zone
    schema: dict[str, pl.DataType]
    key: tuple[str, ...]
    contract: str


def _source(dataset: Dataset) -> LakeSource:
    table = declared(dataset)
    if isinstance(table, Model):
        return LakeSource(dataset, Zone.GOLD, model_schema(table), table.key, table.hash)
    return LakeSource(dataset, Zone.SILVER, silver_schema(table), table.identity, table.hash)


def _spec(consumer: Consumer) -> LoadSpec:
    return next(s for s in declared(consumer.dataset).loads if load_name(consumer.dataset, s) == consumer.name)


class LoadStep:
    """The hop that carries one silver or gold table into one warehouse table."""

    table = None  # it writes no table of the lake

    def __init__(self, consumer: Consumer) -> None:
        self.source, self.spec = _source(consumer.dataset), _spec(consumer)
        self.consumer = replace(consumer, contract=self.source.contract)
        self.target = self.spec.table or str(consumer.dataset)
        self.warehouse = warehouse(self.spec.to)

    def apply(self) -> None:
        """Make the warehouse's table with the columns that it lacks, and the load token."""
        self.warehouse.create(self.target, self.source.schema, self.source.key)
        self.warehouse.create_token(self.consumer.name)

    def head(self) -> Head:
        """Read the warehouse's load token."""
        return self.warehouse.head(self.consumer.name)

    def place_of(self, batch: Batch, hop: int) -> Batch:
        """Return the batch as it is."""
        del hop
        return batch

    def _plan(self) -> LoadPlan:
        return LoadPlan(self.target, STAGING, tuple(self.source.schema), self.source.key)

    @contextmanager
    def stage(self, held: Claim) -> Iterator[Staged]:
        """Take the token, copy the rows, count what is known: all in a transaction that `publish` commits."""
        rows = self._rows(held)
        with self.warehouse.session() as session:
            session.take_token(held.consumer, held.hop, held.attempt)
            passed(self.consumer.kind, "stage.token", held.batches)
            counts = self._counted(session, rows)
            passed(self.consumer.kind, "stage.rows", held.batches)
            chosen = "full" if held.replay is not None else self.spec.strategy
            yield Staged(
                counts=counts,
                commit=partial(self._commit, session, chosen),
                outputs=(self._output(held, rows.height),),
                bytes=sum(batch.bytes for batch in held.batches),
            )

    def plan(self, held: Claim) -> Counts:
        """Tell what the claim would come to, and write nothing: the rows are staged and rolled back."""
        with self.warehouse.session() as session:
            return self._counted(session, self._rows(held))

    def _counted(self, session: Session, rows: pl.DataFrame) -> Counts:
        session.stage(STAGING, rows)
        if (staged := int(session.scalar(f'SELECT count(*) FROM "{STAGING}"'))) != rows.height:  # noqa: S608
            raise ConservationError(f"{self.consumer.name}: {staged} of {rows.height} rows were staged.")
        known = int(session.scalar(self._plan().count_known))
        return Counts(rows.height, rows.height - known, known, 0)

    @property
    def source_uri(self) -> str:
        """Give the address of the lake table."""
        return ZoneStore(self.source.zone).uri(folder(self.source.dataset))

    @property
    def count_rows(self) -> str:
        """Give the query that counts the rows of the warehouse table."""
        return f"SELECT count(*) FROM {self._plan().target}"  # noqa: S608 - the name is quoted

    def _rows(self, held: Claim) -> pl.DataFrame:
        uri = self.source_uri
        after, upto = held.pins[self.consumer.inputs[0]]
        with reading(uri):
            return self._read(uri, after, upto, whole=self.spec.strategy == "full" or held.replay is not None)

    def _read(self, uri: str, after: int, upto: int, *, whole: bool) -> pl.DataFrame:
        columns = list(self.source.schema)
        if whole:
            rows = read_at(uri, upto, self.source.schema).select(columns)
            return rows.collect().with_columns(pl.lit(value=False).alias(DELETED))
        return net_changes(changes(uri, after, upto, columns), self.source.key)

    def _output(self, held: Claim, rows: int) -> Batch:
        return Batch(
            id=batch_id(held.consumer, held.hop),
            asset=self.consumer.output,
            records=rows,
            contract=held.contract,
            place=WarehouseTable(self.target),
            parents=tuple(batch.id for batch in held.batches),
        )

    def _commit(self, session: Session, chosen: str) -> None:
        """Run the strategy's statements and commit them with the token."""
        for statement in strategy(chosen)(self._plan()):
            session.execute(statement)
        passed(self.consumer.kind, "publish.commit")
        session.commit()

    def differences(self, known: Published, manifests: list[Manifest]) -> Iterator[str]:
        """Compare the rows of the warehouse's table with those that the lake had at the version last loaded."""
        del manifests
        if not known.hops:
            return
        uri, (_, version) = self.source_uri, known.hops[-1].pins[self.consumer.inputs[0]]
        with reading(uri):
            expected = read_at(uri, min(version, current_version(uri))).select(pl.len()).collect().item()
        with self.warehouse.session() as session:
            found = int(session.scalar(self.count_rows))
        if found != expected:
            yield f"{self.target} has {found} rows, {uri} had {expected} at version {version}"

    def settle(self, done: Manifest) -> None:
        """Nothing is left to do."""


def net_changes(feed: pl.DataFrame, key: tuple[str, ...]) -> pl.DataFrame:
    """Reduce a change feed to one row a key: its last state, or `_deleted`; what ends as it began is left out."""
    columns = [name for name in feed.columns if name not in (CHANGE, "_commit_version")]
    ordered = feed.sort("_commit_version", pl.col(CHANGE).is_in(CAME), maintain_order=True)
    last = ordered.unique(subset=list(key), keep="last", maintain_order=True)
    first = ordered.unique(subset=list(key), keep="first", maintain_order=True)
    before = first.filter(pl.col(CHANGE).is_in(LEFT)).select(columns)
    after = last.filter(pl.col(CHANGE).is_in(CAME)).select(columns)
    upserts = after.join(before, on=columns, how="anti", nulls_equal=True)
    gone = last.filter(pl.col(CHANGE).is_in(LEFT)).join(before, on=list(key), how="semi").select(columns)
    return pl.concat(
        [upserts.with_columns(pl.lit(value=False).alias(DELETED)), gone.with_columns(pl.lit(value=True).alias(DELETED))]
    )
