"""Bronze to silver: files become typed rows, the latest of each key, what is bad goes to quarantine."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import polars as pl
from sqlalchemy import Connection

from common.contracts.catalogue import contract_of
from common.core.assets import Zone
from common.core.ids import batch_id
from common.core.nouns import Batch, Consumer, Counts, Refusal
from common.core.places import BronzeFile, TableVersion
from common.core.range_keys import without_version
from common.lake.changes import GONE
from common.lake.merge import merge
from common.lake.overwrite import overwrite
from common.lake.publish import append_parts
from common.lake.schema import silver_layout
from common.ledger.batches import undated_files
from common.ledger.claims import Claim
from common.ledger.database import transaction
from common.ledger.deliveries import deliveries_again, last_contract, taken_deliveries
from common.ledger.queries import recent_sizes
from common.pipelines.lake_step import LakeStep
from common.pipelines.step import Staged
from common.quality.batch import BatchFacts, require
from common.refine.engine import Reading, Task, Written
from common.refine.engines import engine_of
from common.zones.store import ZoneStore

REFUSED_WHOLE = "refused"  # the reason of a batch that a person refused unread; it counts as one record
MOST_PARTITIONS = 20_000


class SilverStep(LakeStep):
    """The hop that refines bronze files into one dataset's silver table."""

    def __init__(self, consumer: Consumer) -> None:
        self.contract = contract_of(consumer.dataset)
        super().__init__(replace(consumer, contract=self.contract.hash), Zone.SILVER, self.contract.identity)

    def apply(self) -> None:
        """Make the table, or add the columns that the contract has and it lacks."""
        self.table.ensure(silver_layout(self.contract))

    @contextmanager
    def stage(self, held: Claim) -> Iterator[Staged]:
        """Refine the files, keep the latest rows, write parts and refused rows."""
        with self._read(held) as reading:
            written = reading.write()
            yield Staged(
                counts=self._counts(held, reading),
                commit=partial(self._commit, held, written),
                outputs=(self._output(held, reading, written),),
                refusals=(*written.refusals, *_refused_whole(held)),
                parts=written.parts,
                bytes=sum(batch.bytes for batch in held.batches),
            )

    def plan(self, held: Claim) -> Counts:
        """Count what the claim would come to, and write nothing."""
        with self._read(held) as reading:
            return self._counts(held, reading)

    @contextmanager
    def _read(self, held: Claim) -> Iterator[Reading]:
        """Let the engine read what nobody refused unread, and judge each batch as a whole.

        A replay of all deliveries makes the table anew, whatever it was; its files were let in before.
        """
        if not held.whole:
            self.table.require(silver_layout(self.contract))
        with engine_of(self.contract).read(self._task(held)) as reading:
            if not held.whole:
                self._judge([facts for facts in reading.facts if facts.batch not in held.released])
            yield reading

    def _task(self, held: Claim) -> Task:
        with transaction() as connection:
            arrivals = undated_files(connection, self.consumer.inputs[0])
            batches = [_dated(batch, arrivals) for batch in self._chosen(connection, held)]
            replaced, outdated = self._superseded(connection, held, batches, arrivals)
            return Task(
                consumer=self.consumer.name,
                kind=self.consumer.kind,
                contract=self.contract,
                batches=tuple(batches),
                version=int(self.table.snapshot.version()),
                withdraw=self._refined_otherwise(connection, held),
                under=f"{held.hop}/{held.attempt}",
                arrivals=arrivals,
                replaced=replaced,
                outdated=outdated,
                whole=held.whole is not None,
            )

    def _chosen(self, connection: Connection, held: Claim) -> list[Batch]:
        """Return the files to read: of the claim's batches, or all that were taken where one says so."""
        if held.whole:
            return deliveries_again(connection, self.consumer.name, held.whole)
        return [batch for batch in held.batches if batch.id not in held.refused]

    def _superseded(
        self, connection: Connection, held: Claim, batches: Sequence[Batch], arrivals: Mapping[str, int]
    ) -> tuple[frozenset[str], frozenset[str]]:
        """Return the files that these batches replace, and those batches that a later delivery of their raw key does.

        Deliveries count that are taken, or are taken now.
        """
        if not self.contract.replaces:
            return frozenset(), frozenset()
        here = [batch.bronze for batch in batches if not _mended(batch)]
        keys = {without_version(batch.bronze.raw) for batch in batches}
        asked = self.consumer.name, self.consumer.inputs[0], keys
        versions = self.contract.source is not None
        found = [] if held.whole else taken_deliveries(connection, *asked, versions=versions)
        taken = [_dated(batch, arrivals).bronze for batch in found]
        newest, newest_here = _newest([*here, *taken]), _newest([batch.bronze for batch in batches])
        return (
            frozenset(file.key for file in (*here, *taken) if file.arrived < newest_here[without_version(file.raw)]),
            frozenset(b.id for b in batches if b.bronze.arrived < newest.get(without_version(b.bronze.raw), 0)),
        )

    def _refined_otherwise(self, connection: Connection, held: Claim) -> bool:
        """Return whether a replayed file may have given other rows: under another contract, or rows without a key."""
        if held.replay is None or held.replay.whole:
            return False
        (batch,) = held.batches
        last = last_contract(connection, self.consumer.name, batch.asset, batch.bronze.key)
        return not self.contract.key or last != self.contract.hash

    def _judge(self, found: Sequence[BatchFacts]) -> None:
        """Hold the contract's rules for whole batches against those that nobody released; raises QualityError."""
        with transaction() as connection:
            recent = recent_sizes(connection, self.consumer.name)
        require(found, self.contract.batch, recent)

    def _counts(self, held: Claim, reading: Reading) -> Counts:
        whole = len(held.refused)
        return reading.counts() + Counts(whole, refused=whole)

    def _output(self, held: Claim, reading: Reading, written: Written) -> Batch:
        read = [facts.batch for facts in reading.facts]  # more than the claim has where it is of all deliveries
        touched = sorted(written.partitions | {batch.partition for batch in held.batches if batch.partition})
        return Batch(
            id=batch_id(held.consumer, held.hop),
            asset=self.consumer.output,
            records=written.records,
            bytes=sum(part.size for part in written.append),
            contract=held.contract,
            place=TableVersion(
                partitions=tuple(touched) if len(touched) <= MOST_PARTITIONS else (),
                unrestored=written.unrestored or None,
                tied=written.tied or None,
                unknown=written.unknown or None,
                remade=held.whole is not None or None,
            ),
            parents=tuple(dict.fromkeys([*(batch.id for batch in held.batches), *read])),
        )

    def _commit(self, held: Claim, written: Written) -> None:
        """Commit the hop to the table: one append, one merge, or all that there is."""
        if held.whole:
            overwrite(self.table, written.append, silver_layout(self.contract), held.hop, held.attempt)
            return
        if not written.merge:
            append_parts(self.table, written.append, held.hop, held.attempt)
            return
        rows = pl.read_parquet(written.merge)
        merge(self.table, rows, self.contract.identity, held.hop, held.attempt, GONE if GONE in rows.columns else None)


def _dated(batch: Batch, arrivals: Mapping[str, int]) -> Batch:
    """Give a file that was recorded before there were arrivals the one that its rows in the table have."""
    key = _file(batch)
    return replace(batch, place=replace(batch.bronze, arrival=arrivals[key])) if key in arrivals else batch


def _mended(batch: Batch) -> bool:
    return batch.rerun is not None and batch.rerun.file is not None


def _file(batch: Batch) -> str:
    """Return the key in bronze of the file that a batch's records stood in first."""
    return batch.rerun.file if batch.rerun and batch.rerun.file else batch.bronze.key


def _newest(files: Sequence[BronzeFile]) -> dict[str, int]:
    """Return the arrival of the last of these deliveries of each raw key."""
    return {without_version(file.raw): file.arrived for file in sorted(files, key=lambda file: file.arrived)}


def _refused_whole(held: Claim) -> list[Refusal]:
    bronze = ZoneStore(Zone.BRONZE)
    whole = [batch for batch in held.batches if batch.id in held.refused]
    files = [(batch.id, batch.place.key if isinstance(batch.place, BronzeFile) else "") for batch in whole]
    return [Refusal(id_, REFUSED_WHOLE, 1, place=bronze.uri(key)) for id_, key in files]
