"""What keeps the store small, beside running hops: small files joined, what only lost attempts have written removed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, select

from common.contracts.catalogue import domains
from common.core.assets import Zone
from common.core.clock import now
from common.core.settings import settings
from common.lake import upkeep
from common.ledger.database import transaction
from common.ledger.tables import consumer, hop
from common.pipelines.gold import ModelStep
from common.pipelines.silver import SilverStep
from common.pipelines.steps import all_steps
from common.zones.store import Changed, StoredObject, ZoneStore

PART = re.compile(r"(?:^|/)(?P<n>\d+)/(?P<attempt>\d+)/[^/]+\.parquet$")
SIDE = re.compile(r"^(?:rows|files)/(?P<consumer>[^/]+)/(?P<n>\d+)/(?P<attempt>\d+)/")
MANIFEST = re.compile(r"^(?P<consumer>[^/]+)/(?P<n>\d+)/(?P<attempt>\d+)\.json$")


@dataclass
class Kept:
    """What upkeep did to a table or a zone."""

    where: str
    removed: int


def compact() -> list[Kept]:
    """Join the small files of every table of the lake."""
    return [Kept(step.table.uri, upkeep.compact(step.table.uri)) for step in _lake_steps()]


def retain() -> list[Kept]:
    """Remove parts that lost attempts left, and table files that no consumer will read any more.

    A part is removed once its hop is closed, another attempt won it and `retention_hours` have passed; a table's file
    once the slowest consumer has read past it. Raises StoreUnavailable, TargetUnavailable.
    """
    keep, done = timedelta(hours=settings().retention_hours), []
    with transaction() as connection:
        published = select(hop.c.consumer, hop.c.n, hop.c.attempt).where(hop.c.state == "published")
        winners = {(name, n): attempt for name, n, attempt in connection.execute(published)}
    for step in _lake_steps():
        name, store = step.consumer.name, step.table.store
        orphans = [item for item in store.list(f"{step.table.folder}/") if _lost(PART, item, winners, keep, name)]
        done.append(Kept(step.table.uri, _remove(store, orphans)))
        with transaction() as connection:
            needed = _slowest(connection, step.consumer.output)
        if needed is not None:
            done[-1].removed += upkeep.vacuum(step.table.uri, needed, keep, now())
    for zone, pattern in ((Zone.QUARANTINE, SIDE), (Zone.MANIFESTS, MANIFEST)):
        store = ZoneStore(zone)
        done.append(Kept(store.uri(), _remove(store, [i for i in store.list() if _lost(pattern, i, winners, keep)])))
    return done


def _lake_steps() -> Iterator[SilverStep | ModelStep]:
    for domain in domains():
        for step in all_steps(domain):
            if isinstance(step, SilverStep | ModelStep):
                yield step


def _lost(
    pattern: re.Pattern[str], item: StoredObject, winners: dict[tuple[str, int], int], keep: timedelta, name: str = ""
) -> bool:
    """Tell whether an object belongs to an attempt that lost its hop, long enough ago."""
    found = pattern.search(item.key)
    if found is None or now() - item.modified < keep:
        return False
    winner = winners.get((name or found["consumer"], int(found["n"])))
    return winner is not None and winner != int(found["attempt"])


def _remove(store: ZoneStore, items: list[StoredObject]) -> int:
    for item in items:
        try:
            store.delete(item.key, item.etag)
        except Changed:  # somebody else removed it
            continue
    return len(items)


def _slowest(connection: Connection, asset: str) -> int | None:
    """Tell the oldest version of a table from which one of its consumers reads on; None where one never began."""
    versions: list[int] = []
    for name in connection.scalars(select(consumer.c.name).where(consumer.c.inputs.contains([asset]))):
        published = select(hop.c.pins).where(hop.c.consumer == name, hop.c.state == "published")
        pins = connection.scalar(published.order_by(hop.c.n.desc()).limit(1)) or {}
        if asset not in pins:
            return None
        versions.append(pins[asset][1])
    return min(versions, default=None)
