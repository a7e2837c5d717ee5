"""Do again what is chosen by partition, table or batch: the batches that make it so."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, select

from common.core.assets import Asset, Zone, asset_name
from common.core.errors import ConfigError
from common.core.nouns import Batch, Consumer, Dataset
from common.core.places import BronzeFile, Replay, TableVersion
from common.ledger.batches import batch_of, batches_by_id
from common.ledger.decisions import DerivedBatch
from common.ledger.places import IS_REPLAY
from common.ledger.tables import batch
from common.models.model import Model, models
from common.pipelines.consumers import declared
from common.pipelines.kinds import KINDS, Kind, consumer_named, consumers, depends_on
from common.repair.partitions import FAILED, MISSING, STALE, PartitionState
from common.repair.rerun import replayed, replayed_whole

ONLY = (MISSING, FAILED, STALE)


def backfilled(connection: Connection, table: Dataset, states: Sequence[PartitionState]) -> list[DerivedBatch]:
    """Make the batches that do partitions again: their files for a silver table, their slices for a gold one."""
    declaration = declared(table)
    if not isinstance(declaration, Model):
        ids = list(dict.fromkeys(one for state in states for one in state.batches))
        return replayed(connection, batches_by_id(connection, ids), uuid4().hex, Replay())
    if not states:
        return []
    return recomputed(connection, declaration, Replay(first=states[0].partition, last=states[-1].partition))


def backfilled_whole(connection: Connection, table: Dataset) -> list[DerivedBatch]:
    """Make the batch that does a whole table again, in one commit: all deliveries for silver, all slices for gold."""
    declaration = declared(table)
    if isinstance(declaration, Model):
        return recomputed(connection, declaration, Replay())
    return replayed_whole(connection, table, uuid4().hex)


def recomputed(connection: Connection, model: Model, replay: Replay) -> list[DerivedBatch]:
    """Make the batch that lets one model compute slices again, or all of them; none where it has no input yet."""
    return redone(connection, consumer_named(asset_name(model.dataset, Zone.GOLD)), replay)


def redone(connection: Connection, consumer: Consumer, replay: Replay) -> list[DerivedBatch]:
    """Make the batch that lets one consumer do its table or slices again; none where it has no input yet."""
    for asset in consumer.inputs:
        if origin := _newest(connection, asset):
            return replayed(connection, [origin], uuid4().hex, replace(replay, consumer=consumer.name))
    return []


def waived_for(connection: Connection, dataset: Dataset, partition: str) -> list[DerivedBatch]:
    """Make the batches that let the models which wait for a partition of a dataset look at it again."""
    waiting = [model for model in models(dataset.domain).values() if dataset in model.complete]
    replay = Replay(first=partition, last=partition)
    return [again for model in waiting for again in recomputed(connection, model, replay)]


def released(connection: Connection, refusals: Sequence[Mapping[str, Any]]) -> list[DerivedBatch]:
    """Make the batches that let deliveries look again at rows which wait for these refusals."""
    return [again for one in waiting_for(refusals) for again in redone(connection, one, Replay(waiting=True))]


def waiting_for(refusals: Sequence[Mapping[str, Any]]) -> list[Consumer]:
    """List the consumers whose rows may wait for these refusals: deliveries of what was refused, or that refused it."""
    names = {row["consumer"] for row in refusals if row["of"] == "row"}
    found = [
        one for domain in sorted({name.partition(".")[0] for name in names}) for one in consumers(domain, "deliver")
    ]
    return [one for one in found if names & {one.name, asset_name(one.dataset, Zone.SILVER)}]


def replays(connection: Connection, origin: Batch, to: str) -> list[DerivedBatch]:
    """Make the batches that do one batch again, up to the hops that write zone `to`; by default the next ones.

    What changes flows on by itself; naming a later zone does its hops again whatever changed. Raises ConfigError for
    a batch of raw (bronze holds the same bytes) or of a warehouse, and for a zone that does not follow.
    """
    redoing = _redoing()
    dataset, zone = _where(origin, [kind.redoes for kind in redoing.values()])
    names = list(redoing)
    after = names[[kind.redoes for kind in redoing.values()].index(zone) :]
    if to and to not in after:
        raise ConfigError(f"Zone '{to}' does not come after {zone}. Known: {', '.join(after)}.")
    found = replayed(connection, [origin], uuid4().hex, Replay())
    for later in after[1 : after.index(to or after[0]) + 1]:
        for consumer in redoing[later].consumers(dataset.domain):
            if depends_on(consumer, dataset):
                found += redone(connection, consumer, Replay())
    return found


def _redoing() -> dict[str, Kind]:
    """Return the kinds that do a batch again, by the word for what they write."""
    return {kind.writes: kind for kind in KINDS.values() if kind.redoes}


def _where(origin: Batch, known: Sequence[Zone | None]) -> tuple[Dataset, Zone]:
    if isinstance(origin.place, BronzeFile | TableVersion) and (asset := Asset.parse(origin.asset)).zone in known:
        return asset.dataset, asset.zone
    if origin.rerun and origin.rerun.replay and origin.rerun.replay.whole:
        raise ConfigError(
            f"Batch {origin.id} is itself a replay of all deliveries: `watershed backfill run ... --all`."
        )
    raise ConfigError(
        f"Batch {origin.id} is of {origin.asset}: only batches of {', '.join(map(str, known))} are replayed. A file in "
        "raw is in bronze too, or in quarantine: `watershed quarantine redrive`."
    )


def _newest(connection: Connection, asset: str) -> Batch | None:
    made = select(batch).where(batch.c.asset == asset, ~IS_REPLAY)
    row = connection.execute(made.order_by(batch.c.number.desc()).limit(1)).first()
    return batch_of(row) if row else None
