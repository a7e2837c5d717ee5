"""Partitions in the ledger: which a dataset has published, which gold waits for, which a person waived."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, func, select

from common.core.nouns import Dataset
from common.ledger.tables import batch, waiver


def published(connection: Connection, asset: str, names: Iterable[str] | None = None) -> set[str]:
    """Name the partitions that any batch of an asset touched; of these or of all."""
    touched = func.jsonb_array_elements_text(batch.c.place["partitions"])
    found = select(touched.label("name")).where(batch.c.asset == asset, batch.c.place.has_key("partitions")).subquery()
    query = select(found.c.name).distinct()
    if names is not None:
        query = query.where(found.c.name == func.any(list(names)))
    return set(connection.scalars(query))


def waived(connection: Connection, dataset: Dataset) -> set[str]:
    """Name the partitions of a dataset that nobody waits for any more."""
    return set(connection.scalars(select(waiver.c.partition).where(waiver.c.dataset == str(dataset))))


def incomplete(connection: Connection, needed: Sequence[Dataset], slices: Iterable[str]) -> dict[str, list[str]]:
    """Tell for each slice that is not complete which datasets have neither published nor waived it."""
    wanted = sorted(slices)
    there = {
        dataset: published(connection, f"{dataset}.silver", wanted) | waived(connection, dataset) for dataset in needed
    }
    missing = {name: [str(d) for d in needed if name not in there[d]] for name in wanted}
    return {name: datasets for name, datasets in missing.items() if datasets}


def waiting(connection: Connection, asset: str) -> dict[str, list[str]]:
    """Tell which slices of a gold table wait for which datasets, as its newest hops saw it."""
    rows = connection.execute(
        select(batch.c.place).where(batch.c.asset == asset, batch.c.place.has_key("waiting")).order_by(batch.c.number)
    )
    found: dict[str, list[str]] = {}
    for (place,) in rows:
        found = {name: lacks for name, lacks in found.items() if name not in place["partitions"]} | place["waiting"]
    return found
