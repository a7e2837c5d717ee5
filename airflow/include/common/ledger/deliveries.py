"""Which deliveries a consumer has taken, by which contract it read them last, and how all of them are read again."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, func, select

from common.core.nouns import Batch
from common.core.places import RefusedRows, Rerun
from common.core.range_keys import VERSION
from common.ledger.batches import batch_of
from common.ledger.incidents import REFUSED
from common.ledger.places import IS_IN_BRONZE, IS_MENDED, IS_PARTIAL, IS_RERUN, IS_WHOLE, KEY
from common.ledger.refusals import DISCARDED, OPEN, REDRIVEN, refused_rows_of
from common.ledger.tables import batch, hop, receipt, refusal


def taken_deliveries(
    connection: Connection, name: str, asset: str, raw_keys: Collection[str], *, versions: bool = False
) -> list[Batch]:
    """Return the files of bronze that came from these raw keys and that a consumer has taken and not refused unread.

    With `versions` the keys are without those of a source, and every version counts.
    """
    raw = batch.c.place["raw"].astext
    raw = func.regexp_replace(raw, VERSION, "") if versions else raw
    refused = _refused_unread(name, refusal.c.state != REDRIVEN)
    from_keys = (batch.c.asset == asset) & IS_IN_BRONZE & (raw.in_(raw_keys))
    rows = connection.execute(select(batch).where(from_keys, ~IS_RERUN, _taken(name, batch.c.id), ~refused))
    return [batch_of(row) for row in rows]


def last_contract(connection: Connection, name: str, asset: str, key: str) -> str | None:
    """Return the contract by which a consumer last read a file of bronze as a whole, alone or with all others."""
    alone = (key == KEY) & ~IS_PARTIAL & ~IS_MENDED
    done = select(hop.c.contract).join(receipt, (receipt.c.consumer == hop.c.consumer) & (receipt.c.hop == hop.c.n))
    read = done.join(batch, batch.c.id == receipt.c.batch).where(hop.c.consumer == name, batch.c.asset == asset)
    read = read.where(alone | (IS_WHOLE & ~_refused_unread(name)))
    return connection.scalar(read.order_by(hop.c.n.desc()).limit(1))


def whole_hops(connection: Connection, name: str) -> dict[int, str]:
    """Return the hops of a consumer that read all deliveries again, oldest first, each with its contract."""
    done = select(hop.c.n, hop.c.contract).join(
        receipt, (receipt.c.consumer == hop.c.consumer) & (receipt.c.hop == hop.c.n)
    )
    read = done.join(batch, batch.c.id == receipt.c.batch).where(hop.c.consumer == name, IS_WHOLE)
    rows = connection.execute(read.where(~_refused_unread(name)).order_by(hop.c.n)).all()
    return {row.n: row.contract for row in rows}


def deliveries_again(connection: Connection, name: str, whole: Batch) -> list[Batch]:
    """Return the batches by which a replay of all deliveries reads them, in the order in which they were recorded.

    Each file that was taken and not refused unread is read once, each file of mended rows too. Of both those refused
    records are left out that a person has ended otherwise, or that are on their way in a batch of their own.
    """
    carries_all = (batch.c.asset == whole.asset) & IS_IN_BRONZE & ~IS_PARTIAL
    taken = carries_all & _taken(name, batch.c.id) & ~_refused_unread(name)
    files: dict[str, Batch] = {}
    for row in connection.execute(select(batch).where(taken).order_by(batch.c.number)):
        found = batch_of(row)
        files.setdefault(found.bronze.key, found)
    skipped = _left_out(connection, name, whole)
    return [_again(found, tuple(skipped.get(key, ()))) for key, found in files.items()]


def _again(found: Batch, skip: tuple[RefusedRows, ...]) -> Batch:
    """Read a file by the contract there is now; mended rows are read as they were written."""
    rerun, stored = found.rerun or Rerun(), found.bronze
    if rerun.file is not None:
        return replace(found, rerun=Rerun(of=rerun.of, skip=skip, file=rerun.file))
    was = stored.shape or rerun.was
    return replace(found, place=replace(stored, shape=None), rerun=Rerun(of=rerun.of or found.id, skip=skip, was=was))


def _left_out(connection: Connection, name: str, whole: Batch) -> dict[str, list[RefusedRows]]:
    """Return by file the refused records that stay as they are: discarded, mended, on their way, or refused since.

    An open refusal has ended with the decision to read all again, unless it is of a later hop; while that is only a
    plan, none has ended.
    """
    sent = batch.alias("sent")
    mended_or_waiting = sent.c.place.has_key("file") | ~_taken(name, sent.c.id)
    decided = connection.scalar(select(batch.c.id).where(batch.c.id == whole.id)) is not None
    ended = refusal.c.state.in_((DISCARDED, OPEN) if decided else (DISCARDED,)) | (
        (refusal.c.state == REDRIVEN) & (refusal.c.redriven_as != whole.id) & mended_or_waiting
    )
    rows: Any = connection.execute(
        select(refusal, KEY.label("key"))
        .join(batch, batch.c.id == refusal.c.batch)
        .outerjoin(sent, sent.c.id == refusal.c.redriven_as)
        .where(refusal.c.consumer == name, refusal.c["of"] == "row", ended)
    )
    found: dict[str, list[RefusedRows]] = {}
    for row in rows:
        found.setdefault(row.key, []).append(refused_rows_of(row._mapping))
    return found


def _taken(name: str, id_: ColumnElement[str]) -> ColumnElement[bool]:
    return exists().where(receipt.c.consumer == name, receipt.c.batch == id_)


def _refused_unread(name: str, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return whether a person refused a batch for a consumer before it was read."""
    of_batch = (refusal.c.consumer == name) & (refusal.c.batch == batch.c.id) & (refusal.c.reason == REFUSED)
    return exists().where(of_batch, *conditions)
