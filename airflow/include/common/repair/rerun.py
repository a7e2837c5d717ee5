"""Send records again: refused ones after a mend (re-drive), a batch or a partition as it is (replay)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, exists, select

from common.contracts.catalogue import contract_of, contracts
from common.core.assets import Asset, Zone, asset_name
from common.core.errors import ConfigError
from common.core.ids import batch_id
from common.core.nouns import Batch, Dataset
from common.core.places import BronzeFile, Replay, Rerun, StoredAt
from common.ledger.batches import batches_by_id
from common.ledger.consumers import lock
from common.ledger.decisions import DerivedBatch
from common.ledger.deliveries import whole_hops
from common.ledger.places import IS_RERUN, IS_WHOLE, carries
from common.ledger.refusals import DISCARDED, OPEN, refusals_of_file, refused_rows_of
from common.ledger.tables import batch, receipt, refusal
from common.load.aside import REASON as SET_ASIDE
from common.load.aside import UNDELIVERED
from common.pipelines.consumers import UNROUTED
from common.pipelines.look import partition_of
from common.pipelines.routing import dataset_of_file
from common.zones.store import ZoneStore

Rows = Sequence[dict[str, Any]]


def redriven(connection: Connection, refusals: Rows, to: Dataset | None = None) -> list[DerivedBatch]:
    """Make the batches that carry open refusals again: one for each batch they came from.

    Files are read from quarantine, to the dataset that their folder names now, or to `to`. Rows that a load has set
    aside, or that a target has refused, come with all of their table. Raises ConfigError where there is none.
    """
    of_loads = [row for row in refusals if row["reason"] in (SET_ASIDE, UNDELIVERED)]
    refusals = [row for row in refusals if row["reason"] not in (SET_ASIDE, UNDELIVERED)]
    whole = {name: whole_hops(connection, name) for name in {row["consumer"] for row in refusals}}

    def carrier(row: dict[str, Any]) -> tuple[str, str, bool]:
        return row["consumer"], row["batch"], row["hop"] in whole[row["consumer"]]

    derived = _loaded_again(connection, of_loads)
    for (consumer, origin, anew), group in groupby(sorted(refusals, key=carrier), key=carrier):
        rows = list(group)
        (known,) = batches_by_id(connection, [origin])
        known = _read_anew(known) if anew else known
        make = _rows_again if Asset.parse(consumer).zone is Zone.SILVER else _file_again
        derived.append(DerivedBatch(make(known, rows, to), tuple(row["id"] for row in rows)))
    return derived


def _loaded_again(connection: Connection, refusals: Rows) -> list[DerivedBatch]:
    """Make the batches that load whole tables again: rows that were set aside may have changed since."""
    derived = []
    for consumer, group in groupby(sorted(refusals, key=itemgetter("consumer")), key=itemgetter("consumer")):
        rows = list(group)
        (origin,) = batches_by_id(connection, [max(rows, key=itemgetter("hop"))["batch"]])
        rerun = replace(origin.rerun or Rerun(), replay=Replay(consumer=consumer))
        derived.append(DerivedBatch(_derived("redrive", origin, rerun, rows), tuple(row["id"] for row in rows)))
    return derived


def _read_anew(origin: Batch) -> Batch:
    """Let a file be read by the contract there is now, as the replay of all deliveries did that refused its records."""
    if origin.rerun and origin.rerun.file:  # mended rows are always read as they were written
        return origin
    return replace(origin, place=replace(origin.bronze, shape=None))


def _rows_again(origin: Batch, rows: Rows, to: Dataset | None) -> Batch:
    """Re-read only the refused records of a file; record numbers are valid only with the shape used then."""
    del to
    refused = tuple(refused_rows_of(row) for row in rows if row["of"] == "row")
    rerun = replace(origin.rerun or Rerun(), of=_root(origin))
    if refused:  # of a file that was read again these rows alone: the others stay as they are
        rerun = replace(rerun, only=refused, skip=None, replay=None)
    return _derived("redrive", origin, rerun, rows)


def _root(origin: Batch) -> str:
    return (origin.rerun and origin.rerun.of) or origin.id


def _file_again(origin: Batch, rows: Rows, to: Dataset | None) -> Batch:
    (row,) = rows
    at = stored_at(row["place"])
    target = to or _dataset(origin, at)
    rerun = replace(origin.rerun or Rerun(), at=at, of=_root(origin))
    again = _derived("redrive", origin, rerun, rows)
    if (asset := asset_name(target, Zone.RAW)) == origin.asset:
        return again
    return replace(again, asset=asset, partition=partition_of(contract_of(target), origin.raw.key))


def stored_at(uri: str) -> StoredAt:
    """Find a refused file: zone, key and ETag; raises ConfigError where it is gone.

    A person may have refused it unread on its way to silver: then bronze has it.
    """
    for store in (ZoneStore(Zone.QUARANTINE), ZoneStore(Zone.BRONZE)):
        key = store.key_of(uri)  # none, where what was refused unread is a replay of all deliveries
        if key and (found := store.head(key)):
            return StoredAt(found.key, found.etag, found.size, store.zone)
    raise ConfigError(f"{uri} is not there any more, so it cannot be sent again. Discard the refusal.")


def _dataset(origin: Batch, at: StoredAt) -> Dataset:
    """Find the dataset of a quarantined file by the contracts there are now."""
    dataset = Asset.parse(origin.asset).dataset
    if dataset.name != UNROUTED:
        return dataset
    key, known = origin.raw.key, contracts(dataset.domain)
    download = partial(ZoneStore(Zone(at.zone)).download, at.key, etag=at.etag)
    if name := dataset_of_file(known, key, download):
        return Dataset(dataset.domain, name)
    raise ConfigError(
        f"No dataset of domain '{dataset.domain}', or more than one, claims {key}. Add its contract, or say `files` in "
        f"one, and run `watershed apply`, or name the dataset with --to. Known: {', '.join(known)}."
    )


def _derived(what: str, origin: Batch, rerun: Rerun, rows: Rows) -> Batch:
    return replace(
        origin,
        id=batch_id(what, origin.id, *sorted(row["id"] for row in rows)),
        records=sum(row["count"] for row in rows),
        rerun=rerun,
        parents=(origin.id,),
    )


def mended(derived: DerivedBatch, stored: BronzeFile, file: str) -> DerivedBatch:
    """Let a re-driven batch of rows carry the mended rows of a file in bronze; `file` is where they came from."""
    return _carrying(derived, stored.etag, place=stored, rerun=replace(_rerun(derived), only=None, file=file))


def mended_file(derived: DerivedBatch, stored: StoredAt) -> DerivedBatch:
    """Use a mended copy, stored beside the refused file, in place of it."""
    return _carrying(derived, stored.etag, rerun=replace(_rerun(derived), at=stored))


def _carrying(derived: DerivedBatch, etag: str, **changed: Any) -> DerivedBatch:
    return replace(derived, batch=replace(derived.batch, id=batch_id(derived.batch.id, etag), **changed))


def _rerun(derived: DerivedBatch) -> Rerun:
    return derived.batch.rerun or Rerun()


def replayed(connection: Connection, origins: Iterable[Batch], request: str, replay: Replay) -> list[DerivedBatch]:
    """Make the batches that do whole batches again; the open refusals of their files end with them.

    `request` tells one replay from the next; `replay` narrows it, to a consumer or to slices.
    Records that a person has discarded or mended stay as that left them. Raises ConfigError for a batch that carries
    records of another one.
    """
    derived = []
    for origin in origins:
        if origin.rerun and origin.rerun.of:
            raise ConfigError(f"Batch {origin.id} carries records of batch {origin.rerun.of} again: replay that one.")
        again = replace(
            origin,
            id=batch_id("replay", origin.id, request),
            rerun=replace(origin.rerun or Rerun(), replay=replay),
            parents=(origin.id,),
        )
        if isinstance(origin.place, BronzeFile):
            derived.append(_file_replayed(connection, again, origin.id, origin.place))
        else:
            derived.append(DerivedBatch(again, () if replay.keys else _set_aside(connection, replay.consumer)))
    return derived


def _set_aside(connection: Connection, consumer: str) -> tuple[str, ...]:
    """Name the open refusals of rows that a load has set aside: they come when all of its table is loaded again."""
    open_ones = (refusal.c.consumer == consumer) & (refusal.c.reason == SET_ASIDE) & (refusal.c.state == OPEN)
    return tuple(connection.scalars(select(refusal.c.id).where(open_ones).order_by(refusal.c.id)))


def _file_replayed(connection: Connection, again: Batch, root: str, stored: BronzeFile) -> DerivedBatch:
    """Read a file by the contract there is now; records that a person has ended are left out."""
    consumer = asset_name(Asset.parse(again.asset).dataset, Zone.SILVER)
    _require_settled(connection, consumer, again.asset, stored.key, carries(stored.key))
    refused = refusals_of_file(connection, consumer, stored.key)
    skip = tuple(refused_rows_of(row._mapping) for row in refused if row.of == "row" and _settled(connection, row))
    rerun = replace(again.rerun or Rerun(), was=stored.shape, of=root, skip=skip)
    ended = tuple(row.id for row in refused if row.state == OPEN)
    return DerivedBatch(replace(again, place=replace(stored, shape=None), rerun=rerun), ended)


def replayed_whole(connection: Connection, dataset: Dataset, request: str) -> list[DerivedBatch]:
    """Make the batch that reads all deliveries of a dataset again at once; open refusals of their records end with it.

    Raises ConfigError while records that are sent again are still on their way.
    """
    consumer, asset = asset_name(dataset, Zone.SILVER), asset_name(dataset, Zone.BRONZE)
    _require_settled(connection, consumer, asset, "all deliveries", IS_RERUN | IS_WHOLE)
    opened = (refusal.c.consumer == consumer) & (refusal.c.state == OPEN) & (refusal.c["of"] == "row")
    ended = connection.scalars(select(refusal.c.id).where(opened).order_by(refusal.c.id)).all()
    again = Batch(batch_id("replay", asset, request), asset, rerun=Rerun(replay=Replay(whole=True)))
    return [DerivedBatch(again, tuple(ended))]


def _require_settled(
    connection: Connection, consumer: str, asset: str, what: str, carrying: ColumnElement[bool]
) -> None:
    """Refuse to read again what is still on its way in batches of the condition: it would be judged twice."""
    lock(connection, consumer)
    taken = exists().where(receipt.c.consumer == consumer, receipt.c.batch == batch.c.id)
    waiting = connection.scalars(select(batch.c.id).where(batch.c.asset == asset, carrying, ~taken)).all()
    if waiting:
        raise ConfigError(
            f"Batch {waiting[0]} carries records of {what}, and {consumer} has not taken it yet: wait "
            "for its hop (or `watershed sweep`), or end it with `watershed parked`, then replay."
        )


def _settled(connection: Connection, refused: Row[Any]) -> bool:
    """Return whether a person discarded the refused records, or mended them: reading the file again ends neither."""
    if refused.state == DISCARDED or not refused.redriven_as:
        return bool(refused.state == DISCARDED)
    (derived,) = batches_by_id(connection, [refused.redriven_as])
    return derived.rerun is not None and derived.rerun.file is not None
