"""Bronze to silver: files become typed rows, the latest of each key, what is bad goes to quarantine."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from common.contracts.contract import Contract
from common.core.assets import Zone, asset_name
from common.core.errors import ConservationError, QualityError, UnreadableFile
from common.core.faults import fault_point
from common.core.ids import batch_id
from common.core.nouns import Batch, Counts, Head, Refusal
from common.core.places import BronzeFile, RefusedRows, Rerun, TableVersion
from common.core.shape import Shape
from common.lake.publish import Part, append_parts, merge, stage_parts
from common.lake.table import LakeTable, read_at, reading
from common.ledger.claims import Claim
from common.ledger.consumers import Consumer
from common.ledger.database import transaction
from common.ledger.manifests import Manifest
from common.ledger.queries import recent_sizes
from common.pipelines.hop import Staged
from common.quality.batch import BatchFacts, require
from common.refine.clean import partition_columns, silver_schema
from common.refine.inspect import inspect_file
from common.refine.latest import GONE, Redone, Winners, redone, winners
from common.refine.refused import rows_of
from common.refine.spool import Refined, Source, Spool, refine
from common.zones.store import Changed, ZoneStore

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


class SilverStep:
    """The hop that refines bronze files into one dataset's silver table."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        name = asset_name(contract.dataset, Zone.SILVER)
        self.consumer = Consumer(
            name=name,
            kind="silver",
            inputs=(asset_name(contract.dataset, Zone.BRONZE),),
            output=name,
            contract=contract.hash,
            ordered=False,
        )
        self.table = LakeTable(Zone.SILVER, contract.dataset, name)
        self.bronze, self.quarantine = ZoneStore(Zone.BRONZE), ZoneStore(Zone.QUARANTINE)
        self._parts: list[Part] = []
        self._merged: pl.DataFrame | None = None

    def head(self) -> Head:
        """Read the table's last hop."""
        return self.table.head()

    def place_of(self, batch: Batch, hop: int) -> Batch:
        """Complete an output with its Delta version."""
        return self.table.place_of(batch, hop)

    @contextmanager
    def stage(self, held: Claim) -> Iterator[Staged]:
        """Refine the files, keep the latest rows, write parts and refused rows."""
        with self._outcome(held) as outcome:
            self._stage_rows(held, outcome)
            fault_point(self.consumer.kind, "stage.parts", held.batches)
            refusals, place = self._stage_refused(held, outcome)
            yield Staged(
                counts=outcome.counts,
                outputs=(self._output(held),),
                refusals=refusals,
                parts=tuple(part.path for part in self._parts) + ((place,) if place else ()),
                bytes=sum(batch.bytes for batch in held.batches),
            )

    def plan(self, held: Claim) -> Counts:
        """Tell what the claim would come to, and write nothing."""
        with self._outcome(held) as outcome:
            return outcome.counts

    @contextmanager
    def _outcome(self, held: Claim) -> Iterator[Outcome]:
        self.table.require(list(silver_schema(self.contract)))
        read = tuple(batch for batch in held.batches if batch.id not in held.refused)
        with TemporaryDirectory(prefix="watershed-") as folder:
            spool = Spool(Path(folder), self.contract)
            refined = [self._refined(batch, order, spool) for order, batch in enumerate(read)]
            self._judge([(b, r) for b, r in zip(read, refined, strict=True) if b.id not in held.released])
            whole = tuple(batch for batch in held.batches if batch.id in held.refused)
            yield Outcome(spool, whole, self._found(held, refined, spool))

    def _refined(self, batch: Batch, order: int, spool: Spool) -> Refined:
        try:
            return refine(self.source_of(batch, order, spool.folder), spool)
        except UnreadableFile as error:
            error.batches = (batch.id,)
            raise

    def source_of(self, batch: Batch, order: int, folder: Path) -> Source:
        """Fetch the file of a batch into a folder; raises QualityError, UnreadableFile."""
        stored, again, path = bronze_file(batch), batch.rerun or Rerun(), folder / f"{order}.source"
        try:
            self.bronze.download(stored.key, path, stored.etag)
        except Changed as error:
            raise QualityError(f"{self.bronze.uri(stored.key)} is not the recorded object.", [batch.id]) from error
        shape = stored.shape or inspect_file(path, stored.name, self.contract)
        if again.skip and again.was and _records_differ(again.was, shape):
            raise QualityError(
                f"{stored.key}: the contract reads this file otherwise now, so the records that a person has "
                "discarded or mended cannot be told from the others. Land the file again under another name.",
                [batch.id],
            )
        file, only, skip = again.file or stored.key, _records(again.only), _records(again.skip)
        return Source(path, shape, file, batch.id, order, only, skip, mended=again.file is not None)

    def _judge(self, read: list[tuple[Batch, Refined]]) -> None:
        """Hold the contract's rules for whole batches against those that nobody released; raises QualityError."""
        with transaction() as connection:
            recent = recent_sizes(connection, self.consumer.name)
        require([self._facts(batch, refined) for batch, refined in read], self.contract.batch, recent)

    def _facts(self, batch: Batch, refined: Refined) -> BatchFacts:
        known, shape = self.contract.sources, refined.source.shape
        return BatchFacts(
            batch=batch.id,
            name=bronze_file(batch).raw,
            records=refined.good + refined.refused,
            refused=refined.refused,
            newest=refined.newest,
            landed=datetime.fromisoformat(bronze_file(batch).landed),
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

    def _stage_rows(self, held: Claim, outcome: Outcome) -> None:
        """Stage parts, or the rows to merge where rows of the table are replaced."""
        self._parts, self._merged = [], None
        found, frames = outcome.found, [_plain(path) for path in outcome.spool.paths]
        if isinstance(found, Redone):
            self._merged = found.rows if found.rows.height else None
            frames = []
        elif found and found.replaced:
            self._merged = _whole(found)
        elif found:
            frames = [*found.undisputed, found.settled.lazy()]
        if self._merged is None:
            by, under = partition_columns(self.contract), f"{held.hop}/{held.attempt}"
            self._parts = stage_parts(self.table, frames, by, under)
        self._audit(outcome)

    def _audit(self, outcome: Outcome) -> None:
        """Compare the rows that were staged with those that there must be; raises ConservationError."""
        match outcome.found:
            case Winners() as found:
                expected = found.rows
            case Redone() as found:
                expected = found.rows.height
            case None:
                expected = outcome.spool.good
        if self._changed != expected:
            raise ConservationError(
                f"{self.consumer.name}: {self._changed} rows were staged where there must be {expected}. Nothing was "
                "published."
            )

    @property
    def _changed(self) -> int:
        return self._merged.height if self._merged is not None else sum(part.records for part in self._parts)

    def _stage_refused(self, held: Claim, outcome: Outcome) -> tuple[tuple[Refusal, ...], str]:
        whole = tuple(Refusal(b.id, REFUSED_WHOLE, 1, place=self.bronze.uri(bronze_file(b).key)) for b in outcome.whole)
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

    def _output(self, held: Claim) -> Batch:
        return Batch(
            id=batch_id(held.consumer, held.hop),
            asset=self.consumer.output,
            records=self._changed,
            bytes=sum(part.size for part in self._parts),
            contract=held.contract,
            place=TableVersion(self._partitions(held)),
            parents=tuple(batch.id for batch in held.batches),
        )

    def _partitions(self, held: Claim) -> tuple[str, ...]:
        """Name the partitions that the hop touches, unless they are very many."""
        touched = {value for part in self._parts for value in part.partition.values()}
        touched |= {batch.partition for batch in held.batches if batch.partition}
        if self._merged is not None:
            for name in partition_columns(self.contract):
                touched |= set(self._merged[name].unique().drop_nulls())
        return tuple(sorted(touched)) if len(touched) <= MOST_PARTITIONS else ()

    def publish(self, held: Claim, staged: Staged) -> None:
        """Commit the hop to the table: one append or one merge."""
        del staged
        if self._merged is None:
            append_parts(self.table, self._parts, partition_columns(self.contract), held.hop, held.attempt)
            return
        gone = GONE if GONE in self._merged.columns else None
        merge(self.table, self._merged, self.contract.identity, held.hop, held.attempt, gone)

    def settle(self, done: Manifest) -> None:
        """Nothing is left to do: bronze stays."""


def bronze_file(batch: Batch) -> BronzeFile:
    """Return the file in bronze that a batch is."""
    if not isinstance(batch.place, BronzeFile):
        raise TypeError(f"Batch {batch.id} of {batch.asset} is no file in bronze.")
    return batch.place


def _records_differ(one: Shape, other: Shape) -> bool:
    """Tell whether a record's number means another record."""
    told = ("format", "delimiter", "quote", "header", "encoding", "skip", "newline")
    return any(getattr(one, name) != getattr(other, name) for name in told)


def _records(chosen: Sequence[RefusedRows] | None) -> pl.Series | None:
    """Read from quarantine which records of a file are meant: those of certain refusals."""
    if chosen is None:
        return None
    numbers = [pl.Series("record", [], pl.Int64)]
    for refused in chosen:
        with reading(refused.place):
            numbers.append(rows_of(refused).select("record").collect().to_series())
    return pl.concat(numbers)


def _plain(path: Path) -> pl.LazyFrame:
    return pl.scan_parquet(path).drop("_order")


def _whole(found: Winners) -> pl.DataFrame:
    return pl.concat([*found.undisputed, found.settled.lazy()]).collect(engine="streaming")
