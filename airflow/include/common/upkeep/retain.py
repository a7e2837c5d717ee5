"""What keeps the store small, beside running hops: small files joined, what only lost attempts have written removed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from common.core.assets import Zone
from common.core.clock import now
from common.core.errors import UnknownFeature
from common.core.settings import settings
from common.lake import upkeep
from common.ledger.consumers import lock
from common.ledger.database import transaction
from common.ledger.heartbeats import clock
from common.ledger.manifests import attempt_key, commit_key, read_manifest
from common.ledger.ranges import unrung_hops
from common.ledger.reconcile import known_head
from common.ledger.tables import consumer, hop, refusal
from common.pipelines.kinds import all_consumers, step_of
from common.pipelines.step import Step
from common.zones.store import Changed, StoredObject, ZoneStore


@dataclass
class Kept:
    """What upkeep did to a table or a zone."""

    where: str
    removed: int


def compact() -> list[Kept]:
    """Join the small files of every table of the lake; raises UnknownFeature when all others are done."""
    done, refused = list[Kept](), list[str]()
    for table in [step.table for step in map(step_of, all_consumers()) if step.table]:
        try:
            done.append(Kept(table.uri, upkeep.compact(table)))
        except UnknownFeature as error:
            refused.append(str(error))
    if refused:
        raise UnknownFeature("\n".join(refused))
    return done


def retain() -> list[Kept]:
    """Remove what lost attempts left, and table files that no consumer will read any more.

    What belongs to a published hop is known from its manifest and the ledger. The rest is removed once
    `retention_hours` have passed and no hop has been open for that long, which might still publish it; a table's file
    once the slowest consumer has read past it. Raises StoreUnavailable, TargetUnavailable.
    """
    keep, done = timedelta(hours=settings().retention_hours), []
    with transaction() as connection:
        at = clock(connection)
    ahead = max(now() - at, timedelta())  # by which this machine's clock, which vacuum goes by, may be wrong
    steps = [step for step in map(step_of, all_consumers()) if _known(step, keep)]
    for table in (step.table for step in steps if step.table):
        with transaction() as connection:
            needed = _slowest(connection, table.consumer)
        done.append(Kept(table.uri, 0 if needed is None else upkeep.vacuum(table.uri, needed, keep + ahead, now())))
    for zone in (Zone.QUARANTINE, Zone.MANIFESTS, Zone.STAGING):
        removed = sum(_remove(zone, step.consumer.name, at - keep) for step in steps)
        done.append(Kept(ZoneStore(zone).uri(), removed))
    return done


def _known(step: Step, keep: timedelta) -> bool:
    """Return whether the ledger knows all that a consumer has published and may still publish.

    A ledger that lacks a hop of its target would take what belongs to it for a lost attempt's; so would one whose hop
    has been open for so long that what it has staged looks left behind.
    """
    name = step.consumer.name
    with transaction() as connection:
        lock(connection, name)
        opened = (hop.c.consumer == name) & (hop.c.state == "open") & (hop.c.opened_at < func.now() - keep)
        if connection.execute(select(hop.c.n).where(opened)).first():
            return False
        return bool(step.head() == known_head(connection, name))


def _remove(zone: Zone, name: str, before: datetime) -> int:
    """Remove the objects of a consumer in a zone that are as old and belong to no published hop."""
    store, removed = ZoneStore(zone), 0
    with transaction() as connection:
        named = _named(connection, store, zone, name)
    under = [f"rows/{name}/", f"files/{name}/"] if zone is Zone.QUARANTINE else [f"{name}/"]
    for item in [item for folder in under for item in store.list(folder)]:
        if item.modified <= before and not _belongs(item, named):
            removed += _removed(store, item)
    return removed


def _removed(store: ZoneStore, item: StoredObject) -> bool:
    try:
        store.delete(item.key, item.etag)
    except Changed:  # somebody else removed it
        return False
    return True


def _belongs(item: StoredObject, named: set[str]) -> bool:
    """Return whether an object is named, or lies beside a file that is, as its reason does."""
    return item.key in named or f"{item.key.rpartition('/')[0]}/" in named


def _named(connection: Connection, store: ZoneStore, zone: Zone, name: str) -> set[str]:
    """Name what published hops need of a zone: of parts, those that a hop may still have to put into raw.

    Hops that were rung need none: a warehouse has copied them, raw has them.
    """
    if zone is Zone.STAGING:
        return {part for number, attempt in unrung_hops(connection, name) for part in _parts(name, number, attempt)}
    return _manifests(connection, name) if zone is Zone.MANIFESTS else _refused(connection, store, name)


def _parts(name: str, number: int, attempt: int) -> tuple[str, ...]:
    return read_manifest(name, number, attempt).parts


def _manifests(connection: Connection, name: str) -> set[str]:
    published = select(hop.c.n, hop.c.attempt).where(hop.c.consumer == name, hop.c.state == "published")
    rows = connection.execute(published).all()
    return {attempt_key(name, row.n, row.attempt) for row in rows} | {commit_key(name, row.n) for row in rows}


def _refused(connection: Connection, store: ZoneStore, name: str) -> set[str]:
    rows = connection.execute(select(refusal.c.place, refusal.c["of"]).where(refusal.c.consumer == name)).all()
    keys = {(store.key_of(row.place) or row.place, row.of) for row in rows}
    return {key for key, _ in keys} | {f"{key.rpartition('/')[0]}/" for key, kind in keys if kind == "file"}


def _slowest(connection: Connection, asset: str) -> int | None:
    """Return the oldest version of a table from which one of its consumers reads on; None where one never began."""
    versions: list[int] = []
    for name in connection.scalars(select(consumer.c.name).where(consumer.c.inputs.contains([asset]))):
        published = select(hop.c.pins).where(hop.c.consumer == name, hop.c.state == "published")
        pins = connection.scalar(published.order_by(hop.c.n.desc()).limit(1)) or {}
        if asset not in pins:
            return None
        versions.append(pins[asset][1])
    return min(versions, default=None)
