"""Bronze to silver: files become typed rows, the latest of each key, what is bad goes to quarantine."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from common.contracts.catalogue import contract_of
from common.core.assets import Zone
from common.core.errors import ConservationError, UnreadableFile
from common.core.ids import batch_id
from common.core.nouns import Batch, Consumer, Counts, Dataset, Refusal
from common.core.places import TableVersion
from common.lake.publish import Part, append_parts, merge, stage_parts
from common.lake.schema import partition_columns, silver_schema
from common.lake.table import read_at, reading
from common.ledger.claims import Claim
from common.ledger.database import transaction
from common.ledger.queries import recent_sizes
from common.observe.verbs import passed, verb
from common.pipelines.consumers import silver
from common.pipelines.lake_step import LakeStep
from common.pipelines.step import Staged
from common.quality.batch import BatchFacts, require
from common.refine.latest import GONE, Redone, Winners, redone, winners
from common.refine.source import fetch
from common.refine.spool import Refined, Spool, refine
from common.zones.store import ZoneStore

REFUSED_WHOLE = "refused"  # the reason of a batch that a person refused unread; it counts as one record
MOST_PARTITIONS = 20_000


@dataclass(frozen=True)
class Outcome:
    """What a claim comes to, before anything is written where others could see it."""

    spool: Spool
    whole: tuple[Batch, ...]
    found: Winners | Redone | None  # None where rows have no key: all of them are new

    @property
    def counts(self) -> Counts:
        """Count the records."""
        refused = self.spool.bad + len(self.whole)
        inserted = self.found.inserted if self.found else self.spool.good
        return Counts(self.spool.read + len(self.whole), inserted, self.spool.good - inserted, refused)


@dataclass(frozen=True)
class Change:
    """What a hop does to the table: parts to append, or rows that replace those of their keys."""

    parts: tuple[Part, ...] = ()
    merged: pl.DataFrame | None = None

    @property
    def records(self) -> int:
        """How many rows change."""
        return self.merged.height if self.merged is not None else sum(part.records for part in self.parts)


class SilverStep(LakeStep):
    """The hop that refines bronze files into one dataset's silver table."""

    def __init__(self, consumer: Consumer) -> None:
        self.contract = contract_of(consumer.dataset)
        super().__init__(replace(consumer, contract=self.contract.hash), Zone.SILVER)
        self.bronze, self.quarantine = ZoneStore(Zone.BRONZE), ZoneStore(Zone.QUARANTINE)

    def apply(self) -> None:
        """Make the table, or add the columns that the contract has and it lacks."""
        self.table.create(silver_schema(self.contract), partition_columns(self.contract))

    @contextmanager
    def stage(self, held: Claim) -> Iterator[Staged]:
        """Refine the files, keep the latest rows, write parts and refused rows."""
        with self._outcome(held) as outcome:
            with verb(self.consumer.kind, "write", held.batches):
                change = self._stage_rows(held, outcome)
            passed(self.consumer.kind, "stage.parts", held.batches)
            with verb(self.consumer.kind, "quarantine", held.batches):
                refusals, place = self._stage_refused(held, outcome)
            yield Staged(
                counts=outcome.counts,
                commit=partial(self._commit, held, change),
                outputs=(self._output(held, change),),
                refusals=refusals,
                parts=tuple(part.path for part in change.parts) + ((place,) if place else ()),
                bytes=sum(batch.bytes for batch in held.batches),
            )

    def plan(self, held: Claim) -> Counts:
        """Count what the claim would come to, and write nothing."""
        with self._outcome(held) as outcome:
            return outcome.counts

    @contextmanager
    def _outcome(self, held: Claim) -> Iterator[Outcome]:
        self.table.require(list(silver_schema(self.contract)))
        read = tuple(batch for batch in held.batches if batch.id not in held.refused)
        with TemporaryDirectory(prefix="watershed-") as folder:
            spool = Spool(Path(folder), self.contract)
            with verb(self.consumer.kind, "refine", read):
                refined = [self._refined(batch, order, spool) for order, batch in enumerate(read)]
            self._judge([(b, r) for b, r in zip(read, refined, strict=True) if b.id not in held.released])
            whole = tuple(batch for batch in held.batches if batch.id in held.refused)
            with verb(self.consumer.kind, "latest", read):
                found = self._found(held, refined, spool)
            yield Outcome(spool, whole, found)

    def _refined(self, batch: Batch, order: int, spool: Spool) -> Refined:
        try:
            return refine(fetch(self.contract, batch, order, spool.folder), spool)
        except UnreadableFile as error:
            error.batches = (batch.id,)
            raise

    def _judge(self, read: list[tuple[Batch, Refined]]) -> None:
        """Hold the contract's rules for whole batches against those that nobody released; raises QualityError."""
        with transaction() as connection:
            recent = recent_sizes(connection, self.consumer.name)
        require([self._facts(batch, refined) for batch, refined in read], self.contract.batch, recent)

    def _facts(self, batch: Batch, refined: Refined) -> BatchFacts:
        known, shape = self.contract.sources, refined.source.shape
        return BatchFacts(
            batch=batch.id,
            name=batch.bronze.raw,
            records=refined.good + refined.refused,
            refused=refined.refused,
            newest=refined.newest,
            landed=datetime.fromisoformat(batch.bronze.landed),
            strange=tuple(name for name in shape.columns if name not in known),
            absent=tuple(name for name in known if name not in shape.columns or name in shape.absent),
        )

    def _found(self, held: Claim, refined: list[Refined], spool: Spool) -> Winners | Redone | None:
        current = read_at(self.table.uri, self.table.snapshot.version())
        with reading(self.table.uri):
            if held.replay is not None and refined:  # claimed alone
                (again,) = refined
                gave = pl.col("_file") == again.source.file
                if again.source.skip is not None:
                    gave &= ~pl.col("_record").is_in(again.source.skip.implode())
                return redone(self.contract, spool.paths, current, gave)
            return winners(self.contract, spool.paths, current) if self.contract.key else None

    def _stage_rows(self, held: Claim, outcome: Outcome) -> Change:
        """Stage parts, or keep the rows to merge where rows of the table are replaced; raises ConservationError."""
        change = self._change(held, outcome)
        match outcome.found:
            case Winners() as found:
                expected = found.rows
            case Redone() as found:
                expected = found.rows.height
            case None:
                expected = outcome.spool.good
        if change.records != expected:
            raise ConservationError(
                f"{self.consumer.name}: {change.records} rows were staged where there must be {expected}. Nothing was "
                "published."
            )
        return change

    def _change(self, held: Claim, outcome: Outcome) -> Change:
        found = outcome.found
        if isinstance(found, Redone) and found.rows.height:
            return Change(merged=found.rows)
        if isinstance(found, Winners) and found.replaced:
            return Change(merged=_whole(found))
        if isinstance(found, Redone):
            frames: list[pl.LazyFrame] = []
        elif isinstance(found, Winners):
            frames = [*found.undisputed, found.settled.lazy()]
        else:
            frames = [_plain(path) for path in outcome.spool.paths]
        by, under = partition_columns(self.contract), f"{held.hop}/{held.attempt}"
        parts = []
        for part in stage_parts(self.table, frames, by, under):
            parts.append(part)
            passed(self.consumer.kind, "stage.part", held.batches)
        return Change(tuple(parts))

    def _stage_refused(self, held: Claim, outcome: Outcome) -> tuple[tuple[Refusal, ...], str]:
        whole = tuple(Refusal(b.id, REFUSED_WHOLE, 1, place=self.bronze.uri(b.bronze.key)) for b in outcome.whole)
        if not outcome.spool.bad:
            return whole, ""
        refused, local = outcome.spool.refused, outcome.spool.folder / "refused.parquet"
        refused.sink_parquet(local)
        key = f"rows/{held.consumer}/{held.hop}/{held.attempt}/0.parquet"
        with local.open("rb") as content:
            self.quarantine.write_part(key, content)
        place = self.quarantine.uri(key)
        causes = refused.group_by("batch", "reason", "rule", "column", maintain_order=True).len().collect()
        rows = tuple(
            Refusal(r["batch"], r["reason"], r["len"], r["rule"], r["column"] or "", place, "row")
            for r in causes.iter_rows(named=True)
        )
        return (*rows, *whole), place

    def _output(self, held: Claim, change: Change) -> Batch:
        return Batch(
            id=batch_id(held.consumer, held.hop),
            asset=self.consumer.output,
            records=change.records,
            bytes=sum(part.size for part in change.parts),
            contract=held.contract,
            place=TableVersion(self._partitions(held, change)),
            parents=tuple(batch.id for batch in held.batches),
        )

    def _partitions(self, held: Claim, change: Change) -> tuple[str, ...]:
        """Name the partitions that the hop touches, unless they are very many."""
        touched = {value for part in change.parts for value in part.partition.values()}
        touched |= {batch.partition for batch in held.batches if batch.partition}
        if change.merged is not None:
            for name in partition_columns(self.contract):
                touched |= set(change.merged[name].unique().drop_nulls())
        return tuple(sorted(touched)) if len(touched) <= MOST_PARTITIONS else ()

    def _commit(self, held: Claim, change: Change) -> None:
        """Commit the hop to the table: one append or one merge."""
        if change.merged is None:
            append_parts(self.table, change.parts, partition_columns(self.contract), held.hop, held.attempt)
            return
        gone = GONE if GONE in change.merged.columns else None
        merge(self.table, change.merged, self.contract.identity, held.hop, held.attempt, gone)


def silver_step(dataset: Dataset) -> SilverStep:
    """Return the step that refines a dataset."""
    (consumer,) = [found for found in silver(dataset.domain) if found.dataset == dataset]
    return SilverStep(consumer)


def _plain(path: Path) -> pl.LazyFrame:
    return pl.scan_parquet(path).drop("_order")


def _whole(found: Winners) -> pl.DataFrame:
    return pl.concat([*found.undisputed, found.settled.lazy()]).collect(engine="streaming")
