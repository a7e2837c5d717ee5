"""What a person asks for, each in one transaction of the ledger: on refusals, replays, backfills, waivers."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection

from common.contracts.catalogue import contract_of
from common.core.assets import Zone
from common.core.errors import ConfigError
from common.core.nouns import Dataset, Reason
from common.core.places import StoredAt
from common.ledger import decisions
from common.ledger.batches import batches_by_id
from common.ledger.database import transaction
from common.ledger.decisions import DerivedBatch, note, recover, send_again
from common.ledger.journal import entries
from common.ledger.refusals import Filter, not_waived, still_open
from common.ledger.seals import private_key, sealed, sealed_lines
from common.repair.backfill import ONLY, backfilled, backfilled_whole, released, replays, waiting_for, waived_for
from common.repair.mend import export, mended_batches, refusals_in
from common.repair.partitions import PartitionState, partitions
from common.repair.queries import queries
from common.repair.rerun import mended_file, redriven, stored_at
from common.repair.restate import restated
from common.zones.store import ZoneStore


@contextmanager
def _deciding() -> Iterator[Connection]:
    """Open a transaction that knows every decision before it, and keeps others from deciding until it ends.

    What is still open is looked at inside of it: two people at once, or somebody who asks again after a crash between
    the journal and the ledger, would end a refusal twice else, in two ways.
    """
    with transaction() as connection:
        recover(connection)  # committed, so that what is refused below is refused for a reason the ledger shows
    with transaction() as connection:
        recover(connection)
        yield connection


def exported(wanted: Filter, to: Path, who: str) -> tuple[int, str]:
    """Write open refusals to a CSV file (rows) or a folder (files); return how many and of what.

    It is in the audit log before anything is written, so that nobody reads what nobody entered.
    """
    with _deciding() as connection:
        found = still_open(connection, wanted)
        files = [row["place"] for row in found if row["of"] == "file"]
        if files and len(files) < len(found):
            raise ConfigError("These are rows and whole files: export them one after the other, see `--reason`.")
        derived = [] if files else redriven(connection, found)
        note(connection, "quarantine.export", {"refusals": [row["id"] for row in found], "to": str(to)}, who)
    with _local(to):
        return (_export_files(files, to), "files") if files else (export(found, derived, to), "rows")


def export_queries(under: str, to: Path, who: str) -> int:
    """Write what whoever sent files below a folder of raw is asked to a CSV file, audited; return how many rows."""
    found = queries(under)
    with _deciding() as connection:
        note(connection, "quarantine.queries", {"under": under, "rows": found.height, "to": str(to)}, who)
    with _local(to):
        found.write_csv(to)
    return found.height


def export_audit_log(to: Path, key: Path, by: Reason) -> int:
    """Write the audit log to a file, sealed by the private key in another; return how many entries it has.

    The export is an entry, too. Raises ConfigError where the file exists, or the key is none.
    """
    signer = private_key(key)
    if to.exists():
        raise ConfigError(f"{to} exists, and an export is never overwritten: name another file.")
    with _deciding() as connection:
        note(connection, "audit.export", {"to": str(to), "why": by.why}, by.who)
    with transaction() as connection:
        chain = entries(connection)
    seal = sealed(chain, signer)
    with _local(to), to.open("x", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in sealed_lines(chain, seal))
    return len(chain)


@contextmanager
def _local(path: Path) -> Iterator[None]:
    """Translate what the file system says of a path that a person has named; raises ConfigError."""
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{path} cannot be read or written: {error.strerror or error}.") from error


def _export_files(places: Sequence[str], to: Path) -> int:
    to.mkdir(parents=True, exist_ok=True)
    for number, place in enumerate(places):
        found = stored_at(place)
        name = found.key.rpartition("/")[2][-200:]
        ZoneStore(Zone(found.zone)).download(found.key, to / f"{number:03d}-{name}", found.etag)
    return len(places)


def redrive(
    wanted: Filter, by: Reason, *, rows: Path | None = None, file: Path | None = None, to: str = ""
) -> list[DerivedBatch]:
    """Send open refusals again; raises ConfigError where one has ended, or what is sent does not fit it."""
    if rows is not None:
        wanted = Filter(ids=tuple(refusals_in(rows)))
    with _deciding() as connection:
        found = still_open(connection, wanted)
        derived = redriven(connection, found, contract_of(Dataset.parse(to)).dataset if to else None)
        if rows is not None:
            derived = mended_batches(found, derived, rows)
        if file is not None:
            with _local(file):
                derived = [_with_file(derived, file)]
        send_again(connection, "quarantine.redrive", derived, by)
    return derived


def _with_file(derived: list[DerivedBatch], file: Path) -> DerivedBatch:
    """Put a mended file beside the refused one; its key is made of its content."""
    if len(derived) != 1 or not (derived[0].batch.rerun and derived[0].batch.rerun.at):
        raise ConfigError(f"--file mends one refused file; {len(derived)} batches were meant, or rows of one.")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    key = f"files/mended/{digest}/{file.name[-200:]}"
    stored = ZoneStore(Zone.QUARANTINE).upload(file, key)
    return mended_file(derived[0], StoredAt(key, stored.etag, stored.size, Zone.QUARANTINE))


def discard(wanted: Filter, by: Reason) -> int:
    """End open refusals for good; return how many. Rows of a study that wait for them go on."""
    with _deciding() as connection:
        found = still_open(connection, wanted)
        decisions.discard(connection, [row["id"] for row in found], by, released(connection, found))
    return len(found)


def waive_refusals(wanted: Filter, by: Reason) -> list[DerivedBatch]:
    """Let rows of a study wait no more for open refusals; raises ConfigError where no delivery would."""
    with _deciding() as connection:
        found = not_waived(connection, wanted)
        if idle := next((row for row in found if not waiting_for([row])), None):
            raise ConfigError(
                f"Nothing waits for refusal {idle['id']} of {idle['consumer']}: only deliveries keep an order. "
                "End it by `watershed quarantine redrive` or `discard`; nothing was changed."
            )
        derived = released(connection, found)
        decisions.waive_refusals(connection, [row["id"] for row in found], by, derived)
    return derived


def end_parked(consumer: str, batch: str, resolution: str, by: Reason) -> None:
    """Release or refuse a batch that is parked for a consumer."""
    with _deciding() as connection:
        decisions.end_parked(connection, consumer, batch, resolution, by)


def replay(batch: str, to: str, by: Reason) -> list[DerivedBatch]:
    """Do a batch again, up to the hops that write a zone; raises ConfigError naming what can be replayed."""
    with _deciding() as connection:
        derived = planned_replay(connection, batch, to)
        send_again(connection, "replay", derived, by)
    return derived


def planned_replay(connection: Connection, batch: str, to: str = "") -> list[DerivedBatch]:
    """Make the batches of a replay without recording them."""
    try:
        (origin,) = batches_by_id(connection, [batch])
    except KeyError as error:
        raise ConfigError(f"There is no batch {batch}. See `watershed batches`.") from error
    return replays(connection, origin, to)


def restate(load: str, keys: Sequence[str], by: Reason) -> list[DerivedBatch]:
    """Load chosen keys of a warehouse's table again; raises ConfigError as `restated` does."""
    with _deciding() as connection:
        derived = restated(connection, load, keys)
        if derived:
            send_again(connection, "replay", derived, by)
    return derived


def chosen(connection: Connection, table: Dataset, first: str, last: str, only: Sequence[str]) -> list[PartitionState]:
    """List the partitions that a backfill would do; raises ConfigError for an unknown state."""
    if first and last and first > last:
        raise ConfigError(f"--from {first} comes after --to {last}: there is nothing between. Change them over.")
    if unknown := set(only) - set(ONLY):
        raise ConfigError(f"No state {', '.join(sorted(unknown))} to backfill. Known: {', '.join(ONLY)}.")
    return [state for state in partitions(connection, table, first, last) if not only or state.state in only]


def backfill(table: Dataset, first: str, last: str, only: Sequence[str], by: Reason) -> list[DerivedBatch]:
    """Do partitions again; those that are missing have nothing to be done with."""
    with _deciding() as connection:
        derived = backfilled(connection, table, chosen(connection, table, first, last, only))
        if derived:
            send_again(connection, "replay", derived, by)
    return derived


def backfill_whole(table: Dataset, by: Reason) -> list[DerivedBatch]:
    """Do a whole table again in one commit; raises ConfigError while records of it are on their way."""
    with _deciding() as connection:
        derived = backfilled_whole(connection, table)
        if derived:
            send_again(connection, "replay", derived, by)
    return derived


def waive(dataset: Dataset, partition: str, by: Reason) -> None:
    """Let gold go on without a partition of a dataset."""
    with _deciding() as connection:
        decisions.waive(connection, str(dataset), partition, waived_for(connection, dataset, partition), by)
