"""Send records again: refused ones after a mend (re-drive), a batch or a partition as it is (replay)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, exists, select

from common.contracts.catalogue import contract_of, contracts
from common.core.errors import ConfigError
from common.core.ids import batch_id
from common.core.nouns import Batch, Dataset
from common.ledger.batches import batches_by_id
from common.ledger.consumers import lock
from common.ledger.decisions import Again
from common.ledger.refusals import DISCARDED, OPEN, refusals_of_file
from common.ledger.tables import batch, receipt
from common.pipelines.domain import UNROUTED
from common.pipelines.look import partition_of
from common.refine.refused import NAMED_BY
from common.zones.store import ZoneStore
from common.zones.zone import Zone, asset_name

Rows = Sequence[dict[str, Any]]


def redriven(connection: Connection, refusals: Rows, to: Dataset | None = None) -> list[Again]:
    """Make the batches that carry open refusals again: one for each batch they came from.

    Files are read from quarantine, to the dataset that their folder names now, or to `to`. Raises ConfigError where
    there is none.
    """
    found = sorted(refusals, key=lambda row: (row["consumer"], row["batch"]))
    carriers = []
    for (consumer, origin), group in groupby(found, key=lambda row: (row["consumer"], row["batch"])):
        rows = list(group)
        (known,) = batches_by_id(connection, [origin])
        make = _rows_again if consumer.endswith(f".{Zone.SILVER}") else _file_again
        carriers.append(Again(make(known, rows, to), tuple(row["id"] for row in rows)))
    return carriers


def _rows_again(origin: Batch, rows: Rows, to: Dataset | None) -> Batch:
    """Read the file of a batch again, and of it the refused records only: their numbers hold in its old shape."""
    del to
    refused = [{name: row[name] for name in NAMED_BY} for row in rows if "/rows/" in row["place"]]
    place = {**origin.place, "of": origin.place.get("of", origin.id)}
    if refused:  # of a file that was read again these rows alone: the others stay as they are
        place = {name: said for name, said in place.items() if name not in ("replay", "skip")} | {"only": refused}
    return _derived("redrive", origin, place, rows)


def _file_again(origin: Batch, rows: Rows, to: Dataset | None) -> Batch:
    (row,) = rows
    found = stored_at(row["place"])
    target = to or _dataset(origin)
    place = {**origin.place, "at": found, "of": origin.place.get("of", origin.id)}
    again = _derived("redrive", origin, place, rows)
    if (asset := asset_name(target, Zone.RAW)) == origin.asset:
        return again
    return replace(again, asset=asset, partition=partition_of(contract_of(target), place["key"]))


def stored_at(uri: str) -> dict[str, Any]:
    """Find a refused file: zone, key and ETag; raises ConfigError where it is gone.

    A person may have refused it unread on its way to silver: then bronze has it.
    """
    zone = Zone.BRONZE if uri.startswith(ZoneStore(Zone.BRONZE).uri()) else Zone.QUARANTINE
    store = ZoneStore(zone)
    found = store.head(uri.removeprefix(store.uri()))
    if found is None:
        raise ConfigError(f"{uri} is not there any more, so it cannot be sent again. Discard the refusal.")
    return {"key": found.key, "etag": found.etag, "size": found.size, "zone": zone}


def _dataset(origin: Batch) -> Dataset:
    """Find the dataset of a quarantined file by the contracts there are now."""
    said = Dataset.parse(origin.asset.removesuffix(f".{Zone.RAW}"))
    if said.name != UNROUTED:
        return said
    parts = origin.place["key"].split("/")
    if len(parts) > 2 and parts[1] in contracts(said.domain):
        return Dataset(said.domain, parts[1])
    raise ConfigError(
        f"No dataset of domain '{said.domain}' has the folder of {origin.place['key']}. Add its contract and run "
        f"`watershed apply`, or name the dataset with --to. Known: {', '.join(contracts(said.domain))}."
    )


def _derived(what: str, origin: Batch, place: dict[str, Any], rows: Rows, records: int = 0) -> Batch:
    return replace(
        origin,
        id=batch_id(what, origin.id, *sorted(row["id"] for row in rows)),
        records=records or sum(row["count"] for row in rows),
        place=place,
        parents=(origin.id,),
    )


def mended(carrier: Again, stored: dict[str, Any], file: str) -> Again:
    """Let a re-driven batch of rows carry the mended rows of a file in bronze; `file` is where they came from."""
    place = {k: v for k, v in carrier.batch.place.items() if k != "only"} | stored | {"file": file}
    return replace(carrier, batch=replace(carrier.batch, place=place, id=batch_id(carrier.batch.id, stored["etag"])))


def mended_file(carrier: Again, stored: dict[str, Any]) -> Again:
    """Let a re-driven file be another one, which lies in quarantine beside it."""
    at = stored | {"zone": Zone.QUARANTINE}
    told = replace(carrier.batch, place=carrier.batch.place | {"at": at}, id=batch_id(carrier.batch.id, at["etag"]))
    return replace(carrier, batch=told)


def replayed(connection: Connection, origins: Iterable[Batch], request: str, asked: dict[str, str]) -> list[Again]:
    """Make the batches that do whole batches again; the open refusals of their files end with them.

    `request` tells one replay from the next; `asked` narrows it: to a consumer (`for`), to slices (`from`, `to`).
    Records that a person has discarded or mended stay as that left them. Raises ConfigError for a batch that carries
    records of another one.
    """
    carriers = []
    for origin in origins:
        if root := origin.place.get("of"):
            raise ConfigError(f"Batch {origin.id} carries records of batch {root} again: replay that one.")
        place, ended = {**origin.place, "replay": asked}, tuple[str, ...]()
        if origin.asset.endswith(f".{Zone.BRONZE}"):
            consumer = f"{origin.asset.removesuffix(Zone.BRONZE)}{Zone.SILVER}"
            _require_settled(connection, consumer, origin)
            refused = refusals_of_file(connection, consumer, place["key"])
            ended = tuple(row.id for row in refused if row.state == OPEN)
            skip = [row for row in refused if "/rows/" in row.place and _settled(connection, row)]
            place |= {"shape": None, "was": place["shape"], "of": origin.id}
            place["skip"] = [{name: row._mapping[name] for name in NAMED_BY} for row in skip]
        again = replace(origin, id=batch_id("replay", origin.id, request), place=place, parents=(origin.id,))
        carriers.append(Again(again, ended))
    return carriers


def _require_settled(connection: Connection, consumer: str, origin: Batch) -> None:
    """Refuse to read a file again while its records are still on their way: they would be judged twice."""
    lock(connection, consumer)
    place = batch.c.place
    carries = (place["key"].astext == origin.place["key"]) | (place["file"].astext == origin.place["key"])
    taken = exists().where(receipt.c.consumer == consumer, receipt.c.batch == batch.c.id)
    waiting = connection.scalars(select(batch.c.id).where(batch.c.asset == origin.asset, carries, ~taken)).all()
    if waiting:
        raise ConfigError(
            f"Batch {waiting[0]} carries records of {origin.place['key']}, and {consumer} has not taken it yet: wait "
            "for its hop (or `watershed sweep`), or end it with `watershed parked`, then replay."
        )


def _settled(connection: Connection, refused: Row[Any]) -> bool:
    """Tell whether a person discarded the refused records, or mended them: reading the file again ends neither."""
    if refused.state == DISCARDED or not refused.redriven_as:
        return bool(refused.state == DISCARDED)
    (carrier,) = batches_by_id(connection, [refused.redriven_as])
    return "file" in carrier.place
