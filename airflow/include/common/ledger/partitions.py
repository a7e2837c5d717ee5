"""Partitions in the ledger: which a dataset has published, which gold waits for, which a person waived."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, func, select

from common.core.assets import Zone, asset_name
from common.core.nouns import Dataset
from common.core.places import TableVersion, from_json
from common.ledger.places import HAS_PARTITIONS, PARTITIONS, WAITS
from common.ledger.tables import batch, waiver


def published(connection: Connection, asset: str, names: Iterable[str] | None = None) -> set[str]:
    """Name the partitions that any batch of an asset touched; of these or of all."""
    touched = func.jsonb_array_elements_text(PARTITIONS)
    found = select(touched.label("name")).where(batch.c.asset == asset, HAS_PARTITIONS).subquery()
    query = select(found.c.name).distinct()
    if names is not None:
        query = query.where(found.c.name == func.any(list(names)))
    return set(connection.scalars(query))


def waived(connection: Connection, dataset: Dataset) -> set[str]:
    """Name the partitions of a dataset that nobody waits for any more."""
    return set(connection.scalars(select(waiver.c.partition).where(waiver.c.dataset == str(dataset))))


def incomplete(connection: Connection, needed: Sequence[Dataset], slices: Iterable[str]) -> dict[str, list[str]]:
    """Return for each slice that is not complete which datasets have neither published nor waived it."""
    wanted = sorted(slices)
    silver = {dataset: asset_name(dataset, Zone.SILVER) for dataset in needed}
    available = {d: published(connection, name, wanted) | waived(connection, d) for d, name in silver.items()}
    missing = {name: [str(d) for d in needed if name not in available[d]] for name in wanted}
    return {name: datasets for name, datasets in missing.items() if datasets}


def waiting(connection: Connection, asset: str) -> dict[str, list[str]]:
    """Return which slices of a gold table wait for which datasets, as its newest hops saw it."""
    rows = connection.scalars(select(batch.c.place).where(batch.c.asset == asset, WAITS).order_by(batch.c.number))
    found: dict[str, list[str]] = {}
    for place, _ in (from_json(stored) for stored in rows):
        if isinstance(place, TableVersion):
            found = {name: lacks for name, lacks in found.items() if name not in place.partitions}
            found |= place.waiting or {}
    return found
