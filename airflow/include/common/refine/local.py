"""Refining on this machine, in polars: files become typed rows on local disk, then the latest of each key is found."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import TypeVar

import polars as pl

from common.contracts.contract import ARRIVAL_COLUMN, FILE_COLUMN, RECORD_COLUMN, Contract
from common.core.assets import Zone
from common.core.errors import ConservationError, UnreadableFile
from common.core.nouns import Batch, Counts, Refusal
from common.core.scratch import scratch
from common.formats.blocks import ahead
from common.lake.parts import Part, stage_parts
from common.lake.schema import partition_columns, silver_layout, silver_schema
from common.lake.table import LakeTable, read_at, reading
from common.observe.verbs import passed, verb
from common.quality.batch import BatchFacts
from common.refine.engine import Task, Written
from common.refine.latest import Redone, Winners, redone, together, winners
from common.refine.match import of_shape
from common.refine.source import Source, fetch
from common.refine.spool import Refined, Spool, refine
from common.zones.store import ZoneStore

Some = TypeVar("Some", pl.DataFrame, pl.LazyFrame)


class OnThisMachine:
    """The engine for what one machine can do."""

    @contextmanager
    def read(self, task: Task) -> Iterator["Spooled"]:
        """Read the files of a task into a folder that is gone after the block."""
        with scratch() as folder:
            spool = Spool(folder, task.contract)
            with verb(task.kind, "refine", task.batches):
                sources = ahead(iter(task.batches), partial(_fetched, task.contract, spool.folder))
                refined = [_refined(batch, source, spool) for batch, source in sources]
            yield Spooled(task, spool, refined)


def _fetched(contract: Contract, folder: Path, batch: Batch) -> Source:
    with _named(batch):
        return fetch(contract, batch, folder)


def _refined(batch: Batch, source: Source, spool: Spool) -> Refined:
    with _named(batch):
        refined = refine(source, spool)
    source.path.unlink()  # a task may have more files than the disk has room for at once
    return refined


@contextmanager
def _named(batch: Batch) -> Iterator[None]:
    """Name the batch at fault where its file cannot be read."""
    try:
        yield
    except UnreadableFile as error:
        error.batches = (batch.id,)
        raise


class Spooled:
    """The files of a task as rows on local disk."""

    def __init__(self, task: Task, spool: Spool, refined: list[Refined]) -> None:
        self.task, self.spool, self.refined = task, spool, refined
        self.table = LakeTable(Zone.SILVER, task.contract.dataset, task.consumer)

    @property
    def facts(self) -> tuple[BatchFacts, ...]:
        """What was found in each batch."""
        return tuple(self._facts(b, r) for b, r in zip(self.task.batches, self.refined, strict=True))

    def _facts(self, batch: Batch, refined: Refined) -> BatchFacts:
        match = of_shape(refined.source.shape, self.task.contract)
        return BatchFacts(
            batch=batch.id,
            name=batch.bronze.raw,
            records=refined.good + refined.refused,
            refused=refined.refused,
            newest=refined.newest,
            landed=datetime.fromisoformat(batch.bronze.landed),
            unknown_columns=match.unknown,
            missing_columns=match.missing,
        )

    def counts(self) -> Counts:
        """Count the records; without a key all good rows are new."""
        inserted = self._latest.inserted if self._latest else self.spool.good.count
        if self.task.whole:
            inserted = self._unknown()
        return Counts(self.spool.read, inserted, self.spool.good.count - inserted, self.spool.refused.count)

    def _unknown(self) -> int:
        """Count the keys that the table lacks; one whose key was of other columns or types has none of them."""
        key, table = list(self.task.contract.identity), read_at(self.table.uri, self.task.version)
        known, wanted = table.collect_schema(), silver_schema(self.task.contract)
        fresh = self._fresh().select(key).unique()
        with reading(self.table.uri):
            if all(known.get(name) == wanted[name] for name in key):
                fresh = fresh.join(self._current().select(key), on=key, how="anti")
            return int(fresh.select(pl.len()).collect(engine="streaming").item())

    @cached_property
    def _latest(self) -> Winners | Redone | None:
        contract = self.task.contract
        current = pl.LazyFrame(schema=silver_schema(contract)) if self.task.whole else self._current()
        redoes = not self.task.whole and bool(self.task.withdraw or self.task.replaced or self.task.outdated)
        with verb(self.task.kind, "latest", self.task.batches), reading(self.table.uri):
            if self.refined and redoes:
                return redone(contract, self._fresh(), current, self._withdrawn())
            return winners(contract, self.spool.good, current) if contract.key else None

    def _fresh(self) -> pl.LazyFrame:
        """Return the good rows of files that no later delivery has replaced."""
        return self._up_to_date(self.spool.good.scan())

    def _up_to_date(self, rows: Some) -> Some:
        outdated = [r.source.file for r in self.refined if r.source.batch in self.task.outdated]
        return rows.filter(~pl.col(FILE_COLUMN).is_in(outdated)) if outdated else rows

    def _withdrawn(self) -> pl.Expr:
        """Tell the rows of the table that are taken out before the fresh ones are put in."""
        out = pl.col(FILE_COLUMN).is_in(list(self.task.replaced))
        if self.task.withdraw:
            (again,) = self.refined  # claimed alone
            gave = pl.col(FILE_COLUMN) == again.source.file
            if again.source.skip is not None:
                gave &= ~pl.col(RECORD_COLUMN).is_in(again.source.skip.implode())
            out |= gave
        return out

    def _current(self) -> pl.LazyFrame:
        """Return the table's rows, with the arrival of those that were written before there were arrivals."""
        current, arrivals = read_at(self.table.uri, self.task.version), self.task.arrivals
        if not arrivals:
            return current
        known = pl.col(FILE_COLUMN).replace_strict(list(arrivals), list(arrivals.values()), default=None)
        filled = pl.col(ARRIVAL_COLUMN).fill_null(known.cast(pl.Int64).cast(pl.Datetime("us", "UTC")))
        return current.with_columns(filled)

    def write(self) -> Written:
        """Write parts, or rows to merge where rows of the table are replaced, then the refused rows."""
        with verb(self.task.kind, "write", self.task.batches):
            merged = self._merged()
            parts = self._parts() if merged is None else ()
            records = merged.height if merged is not None else sum(part.records for part in parts)
            self._require(records)
        passed(self.task.kind, "stage.parts", self.task.batches)
        with verb(self.task.kind, "quarantine", self.task.batches):
            refusals, refused = self._refused()
        merge = "" if merged is None else self._kept(merged)
        return Written(
            records,
            parts,
            merge,
            self._touched(parts, merged),
            refusals,
            refused,
            unrestored=self._latest.unrestored if isinstance(self._latest, Redone) else 0,
            tied=self._latest.tied if isinstance(self._latest, Winners) else 0,
            unknown=len({name for facts in self.facts for name in facts.unknown_columns}),
        )

    def _merged(self) -> pl.DataFrame | None:
        match self._latest:
            case Redone() as found if found.rows.height:
                return found.rows
            case Winners() as found if found.replaced:
                return pl.concat([*found.new_rows, found.settled])
            case _:
                return None

    def _kept(self, merged: pl.DataFrame) -> str:
        path = self.spool.folder / "merged.parquet"
        merged.write_parquet(path, compression="lz4")
        return str(path)

    def _parts(self) -> tuple[Part, ...]:
        match self._latest:
            case Redone():
                frames: Iterable[pl.DataFrame] = []
            case Winners() as found:
                frames = chain(found.new_rows, [found.settled])
            case None:
                frames = map(self._up_to_date, together(self.spool.good))
        parts = []
        for part in stage_parts(self.table, frames, silver_layout(self.task.contract), self.task.under):
            parts.append(part)
            passed(self.task.kind, "stage.part", self.task.batches)
        return tuple(parts)

    def _require(self, records: int) -> None:
        """Compare the rows that were written with those that there must be; raises ConservationError."""
        match self._latest:
            case Winners() as found:
                expected = found.rows
            case Redone() as found:
                expected = found.rows.height
            case None:
                expected = sum(r.good for r in self.refined if r.source.batch not in self.task.outdated)
        if records != expected:
            raise ConservationError(
                f"{self.task.consumer}: {records} rows were staged where there must be {expected}. "
                "Nothing was published."
            )

    def _touched(self, parts: tuple[Part, ...], merged: pl.DataFrame | None) -> frozenset[str]:
        touched = {value for part in parts for value in part.partition.values() if value is not None}
        if merged is not None:
            for name in partition_columns(self.task.contract):
                touched |= set(merged[name].unique().drop_nulls())
        return frozenset(touched)

    def _refused(self) -> tuple[tuple[Refusal, ...], str]:
        if not self.spool.refused.count:
            return (), ""
        store, refused = ZoneStore(Zone.QUARANTINE), self.spool.refused.scan()
        local = self.spool.folder / "refused.parquet"
        refused.sink_parquet(local)
        key = f"rows/{self.task.consumer}/{self.task.under}/0.parquet"
        with local.open("rb") as content:
            store.write_part(key, content)
        place = store.uri(key)
        causes = refused.group_by("batch", "reason", "rule", "column", maintain_order=True).len().collect()
        rows = tuple(
            Refusal(r["batch"], r["reason"], r["len"], r["rule"], r["column"] or "", place, "row")
            for r in causes.iter_rows(named=True)
        )
        return rows, place
