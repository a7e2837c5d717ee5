"""How each partition of a table stands: done, stale, failed, waiting, waived or missing."""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import polars as pl
from sqlalchemy import Connection, func, select

from common.contracts.catalogue import contract_of
from common.core.assets import Zone, asset_name
from common.core.errors import ConfigError
from common.core.nouns import Dataset
from common.lake.schema import partition_columns
from common.lake.table import current_version, read_at, reading
from common.ledger.deliveries import whole_hops
from common.ledger.partitions import waiting, waived
from common.ledger.places import IS_MENDED, IS_REMADE, IS_RERUN, IS_UNRESTORED, IS_WHOLE, KEY
from common.ledger.refusals import OPEN
from common.ledger.tables import batch, hop, receipt, refusal
from common.ledger.untaken import parked
from common.models.model import Model
from common.pipelines.consumers import declared
from common.zones.store import ZoneStore
from common.zones.zone import folder

DONE, STALE, FAILED, MISSING, WAITING, WAIVED = "done", "stale", "failed", "missing", "waiting", "waived"
LENGTH = {"day": 10, "month": 7, "year": 4}


@dataclass(frozen=True)
class PartitionState:
    """One partition of a table: how it stands, why, and the batches it came from."""

    partition: str
    state: str
    why: str = ""
    batches: tuple[str, ...] = ()


@dataclass(frozen=True)
class _File:
    """A file of a dataset: its first batch, the hop and contract it was last refined by, how many refusals are open."""

    batch: str
    partition: str | None
    hop: int = 0
    contract: str | None = None
    refused: int = 0

    def read(self, hop: int | None, contract: str | None) -> "_File":
        """Return the file as it stands after a hop has read it, too."""
        return replace(self, hop=hop, contract=contract) if hop and hop >= self.hop else self


def partitions(connection: Connection, table: Dataset, first: str = "", last: str = "") -> list[PartitionState]:
    """Return how each partition of a silver or gold table stands, from `first` to `last`, both included.

    Of days, months and years in that range those without any data are `missing`; a `failed` one has parked batches
    or open refusals, a `stale` one was made under another version of its contract or model, or may lack rows that
    withdrawn ones had replaced.
    """
    declaration = declared(table)
    found = _gold(connection, declaration) if isinstance(declaration, Model) else _silver(connection, table)
    by = "" if isinstance(declaration, Model) else declaration.partition.by
    gone = waived(connection, table)
    for name in (*_range(by, first, last), *gone):
        found.setdefault(name, PartitionState(name, WAIVED if name in gone else MISSING, "nothing has landed for it"))
    return [found[name] for name in sorted(found) if (first or name) <= name <= (last or name)]


def _range(by: str, first: str, last: str) -> Iterator[str]:
    """Name every day, month or year from first to last; nothing where partitions are values of a column."""
    if by not in LENGTH or not (first and last):
        return
    day, end = _day(by, first), _day(by, last)
    previous = ""
    while day <= end:
        name = day.isoformat()[: LENGTH[by]]
        if name != previous:
            yield name
        previous, day = name, day + timedelta(days=1 if by == "day" else monthrange(day.year, day.month)[1])


def _day(by: str, text: str) -> date:
    try:
        return date.fromisoformat(text + "-01-01"[len(text) - 4 :] if len(text) == LENGTH[by] else "?")
    except ValueError as error:
        raise ConfigError(f"'{text}' is no {by}: expected as in {'2026-01-31'[: LENGTH[by]]}.") from error


def _gold(connection: Connection, model: Model) -> dict[str, PartitionState]:
    asset = asset_name(model.dataset, Zone.GOLD)
    done = select(hop.c.contract).where(hop.c.consumer == asset, hop.c.state == "published")
    last = connection.scalar(done.order_by(hop.c.n.desc()).limit(1))
    state, why = (DONE, "") if last in (None, model.hash) else (STALE, "the model has changed since")
    uri = ZoneStore(Zone.GOLD).uri(folder(model.dataset))
    with reading(uri):
        slices = read_at(uri, current_version(uri)).select(pl.col(model.slice).cast(pl.String)).unique().collect()
    found = {name: PartitionState(name, state, why) for name in slices.to_series()}
    for name, lacks in waiting(connection, asset).items():
        found[name] = PartitionState(name, WAITING, f"for {', '.join(lacks)}")
    return found


def _silver(connection: Connection, table: Dataset) -> dict[str, PartitionState]:
    files, contract = _files(connection, table), contract_of(table)
    held = set(parked(connection, asset_name(table, Zone.SILVER)))
    why = f"rows were withdrawn; `watershed backfill run {table} --all` finds what they had replaced"
    lacking = {name: PartitionState(name, STALE, why) for name in _lacking(connection, table)}
    states = dict(lacking)  # one that has lost all of its rows is known from there alone
    for name, keys in _files_of_partitions(table, files).items():
        these = [files[key] for key in sorted(keys)]
        state = PartitionState(name, DONE, batches=tuple(file.batch for file in these))
        if bad := sum(file.batch in held or file.refused > 0 for file in these):
            state = replace(state, state=FAILED, why=f"{bad} of {len(these)} files are parked or have open refusals")
        elif old := sum(file.contract not in (None, contract.hash) for file in these):
            state = replace(state, state=STALE, why=f"{old} of {len(these)} files were refined by another contract")
        elif name in lacking:
            state = replace(lacking[name], batches=state.batches)
        states[name] = state
    return states


def _files(connection: Connection, table: Dataset) -> dict[str, _File]:
    """Read the files of a dataset by bronze key; a batch that carries one or all again tells how it stands now."""
    consumer, key = asset_name(table, Zone.SILVER), KEY.label("key")
    opened = select(func.count()).where(
        refusal.c.batch == batch.c.id, refusal.c.consumer == consumer, refusal.c.state == OPEN
    )
    rows: Any = connection.execute(
        select(batch.c.id, key, batch.c.partition, hop.c.n, hop.c.contract, opened.scalar_subquery().label("refused"))
        .outerjoin(receipt, (receipt.c.batch == batch.c.id) & (receipt.c.consumer == consumer))
        .outerjoin(hop, (hop.c.consumer == receipt.c.consumer) & (hop.c.n == receipt.c.hop))
        .where(batch.c.asset == asset_name(table, Zone.BRONZE), ~IS_MENDED, ~IS_WHOLE)
        .order_by(IS_RERUN, batch.c.number)
    )
    found: dict[str, _File] = {}
    for row in rows:
        known = found.get(row.key) or _File(row.id, row.partition)
        found[row.key] = replace(known.read(row.n, row.contract), refused=known.refused + row.refused)
    again, by = next(reversed(whole_hops(connection, consumer).items()), (None, None))
    return {key: file.read(again, by) if file.contract else file for key, file in found.items()}


def _lacking(connection: Connection, table: Dataset) -> set[str]:
    """Name the partitions from which rows were withdrawn whose predecessors are not kept, since all were last read."""
    made = select(batch.c.place).where(batch.c.asset == asset_name(table, Zone.SILVER))
    remade = select(func.max(batch.c.number)).where(batch.c.asset == asset_name(table, Zone.SILVER), IS_REMADE)
    since = batch.c.number > func.coalesce(remade.scalar_subquery(), 0)
    return {name for place in connection.scalars(made.where(IS_UNRESTORED, since)) for name in place["partitions"]}


def _files_of_partitions(table: Dataset, files: dict[str, _File]) -> dict[str, set[str]]:
    """Return which files have rows in which partition: by their path, and by the table's partition column."""
    found: dict[str, set[str]] = {}
    for key, file in files.items():
        if file.partition:
            found.setdefault(file.partition, set()).add(key)
    if names := partition_columns(contract_of(table)):
        uri = ZoneStore(Zone.SILVER).uri(folder(table))
        with reading(uri):
            rows = read_at(uri, current_version(uri))
            if names[0] not in rows.collect_schema():
                raise ConfigError(
                    f"{table} was made with another partition, and has no {names[0]} yet. Make it anew: "
                    f"`watershed backfill run {table} --all --why ...`."
                )
            pairs = rows.select(names[0], "_file").unique().collect()
        for name, key in pairs.iter_rows():
            if key in files:
                found.setdefault(name, set()).add(key)
    return found
