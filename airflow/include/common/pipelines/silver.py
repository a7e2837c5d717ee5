"""Bronze to silver: files become typed rows, the latest of each key, what is bad goes to quarantine."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from common.contracts.contract import Contract
from common.core.errors import QualityError
from common.core.faults import fault_point
from common.core.ids import batch_id
from common.core.nouns import Batch, Counts, Head, Refusal
from common.formats import Shape
from common.lake.publish import Part, append_parts, merge, stage_parts
from common.lake.table import LakeTable, read_at, reading
from common.ledger.claims import Claim
from common.ledger.consumers import Consumer
from common.ledger.manifests import Manifest
from common.pipelines.hop import Staged
from common.quality.split import require
from common.refine.clean import partition_columns, silver_schema
from common.refine.latest import Winners, winners
from common.refine.spool import Source, Spool, refine
from common.zones.store import Changed, ZoneStore
from common.zones.zone import Zone, asset_name


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
        self.table.require(list(silver_schema(self.contract)))
        with TemporaryDirectory(prefix="watershed-") as folder:
            spool = Spool(Path(folder), self.contract)
            for order, batch in enumerate(held.batches):
                refine(self._source(batch, order, Path(folder)), spool)
            taken = spool.good + spool.refused.height
            require(spool.refused.height, taken, self.contract.max_refused_share)
            inserted, changed = self._stage_rows(held, spool)
            fault_point(self.consumer.kind, "stage.parts", held.batches)
            refusals, place = self._stage_refused(held, spool.refused)
            yield Staged(
                counts=Counts(taken, inserted, spool.good - inserted, spool.refused.height),
                outputs=(self._output(held, changed),),
                refusals=refusals,
                parts=tuple(part.path for part in self._parts) + ((place,) if place else ()),
                bytes=sum(batch.bytes for batch in held.batches),
            )

    def _source(self, batch: Batch, order: int, folder: Path) -> Source:
        place, path = batch.place, folder / f"{order}.source"
        try:
            self.bronze.download(place["key"], path, place["etag"])
        except Changed as error:
            raise QualityError(f"{self.bronze.uri(place['key'])} is not the object that was recorded.") from error
        stored: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in place["shape"].items()}
        return Source(path, Shape(**stored), place["key"], batch.id, order)

    def _stage_rows(self, held: Claim, spool: Spool) -> tuple[int, int]:
        """Stage parts or rows to merge; tell how many keys are new and how many rows the table will change."""
        self._parts, self._merged = [], None
        by, under = partition_columns(self.contract), f"{held.hop}/{held.attempt}"
        if not self.contract.key:
            self._parts = stage_parts(self.table, map(_plain, spool.paths), by, under)
            return spool.good, spool.good
        with reading(self.table.uri):
            found = winners(self.contract, spool.paths, self._current())
        if found.updates:
            self._merged = _whole(found)
            return found.inserted, self._merged.height
        self._parts = stage_parts(self.table, [*found.undisputed, found.settled.lazy()], by, under)
        return found.inserted, sum(part.records for part in self._parts)

    def _current(self) -> pl.LazyFrame:
        return read_at(self.table.uri, self.table.snapshot.version())

    def _stage_refused(self, held: Claim, refused: pl.DataFrame) -> tuple[tuple[Refusal, ...], str]:
        if refused.is_empty():
            return (), ""
        key = f"rows/{held.consumer}/{held.hop}/{held.attempt}/0.parquet"
        buffer = io.BytesIO()
        refused.write_parquet(buffer)
        buffer.seek(0)
        self.quarantine.write_part(key, buffer)
        place = self.quarantine.uri(key)
        causes = refused.group_by("batch", "reason", "rule", "column", maintain_order=True).len()
        return tuple(
            Refusal(r["batch"], r["reason"], r["len"], r["rule"], r["column"] or "", place)
            for r in causes.iter_rows(named=True)
        ), place

    def _output(self, held: Claim, changed: int) -> Batch:
        return Batch(
            id=batch_id(held.consumer, held.hop),
            asset=self.consumer.output,
            records=changed,
            bytes=sum(part.size for part in self._parts),
            contract=held.contract,
            parents=tuple(batch.id for batch in held.batches),
        )

    def publish(self, held: Claim, staged: Staged) -> None:
        """Commit the hop to the table: one append or one merge."""
        del staged
        if self._merged is not None:
            merge(self.table, self._merged, self.contract.key, held.hop, held.attempt)
        else:
            append_parts(self.table, self._parts, partition_columns(self.contract), held.hop, held.attempt)

    def settle(self, done: Manifest) -> None:
        """Nothing is left to do: bronze stays."""


def _plain(path: Path) -> pl.LazyFrame:
    return pl.scan_parquet(path).drop("_order")


def _whole(found: Winners) -> pl.DataFrame:
    return pl.concat([*found.undisputed, found.settled.lazy()]).collect(engine="streaming")
