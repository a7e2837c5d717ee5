"""The audit log: what people decided, chained by hashes, and kept as write-once objects beside the manifests.

An entry is written to the store before its transaction commits: so a lost ledger gets its decisions back, and whoever
changes or removes rows of the table is found out by the copy.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select

from common.core.assets import Zone
from common.core.clock import now
from common.core.versions import read_versioned
from common.ledger.tables import audit_log
from common.zones.store import ZoneStore

JOURNAL_LOCK = 0x57A7E2543
FOLDER = "audit"
VERSION = 1  # of the details of an entry


@dataclass(frozen=True)
class Entry:
    """One decision: the n-th, by whom, when (ISO 8601, UTC), what, with its facts, and the chain's hashes."""

    n: int
    at: str
    who: str
    what: str
    detail: dict[str, Any]
    previous: str
    hash: str = ""

    @property
    def computed(self) -> str:
        """Compute the hash of everything but the hash."""
        hashed = [self.n, self.at, self.who, self.what, self.detail, self.previous]
        return hashlib.sha256(json.dumps(hashed, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


Effects = Mapping[str, Callable[[Connection, Entry], None]]


def decide(connection: Connection, what: str, detail: dict[str, Any], who: str, effects: Effects) -> Entry:
    """Enter a decision and do what follows from it, in the caller's transaction."""
    adopt(connection, effects)
    last = _last(connection)
    fresh = Entry(
        n=last.n + 1 if last else 1,
        at=now().isoformat(),
        who=who,
        what=what,
        detail={"v": VERSION, **json.loads(json.dumps(detail, default=str))},
        previous=last.hash if last else "",
    )
    entry = Entry(**asdict(fresh) | {"hash": fresh.computed})
    if not ZoneStore(Zone.MANIFESTS).put_json(_key(entry.n), asdict(entry)) and stored(entry.n) != entry:
        adopt(connection, effects)  # somebody else's entry was written while its ledger was lost
        return decide(connection, what, detail, who, effects)
    enter(connection, entry, effects)
    return entry


def adopt(connection: Connection, effects: Effects) -> int:
    """Take over the decisions that the store has and the ledger lacks; return how many there were.

    Raises NewerVersion where one was written by a version that this one cannot read.
    """
    connection.execute(select(func.pg_advisory_xact_lock(JOURNAL_LOCK)))
    last = _last(connection)
    n = found = last.n if last else 0
    while entry := stored(found + 1):
        enter(connection, entry, effects)
        found += 1
    return found - n


def enter(connection: Connection, entry: Entry, effects: Effects) -> None:
    """Write an entry that the store has into the ledger, and do what follows from it."""
    read_versioned(entry.detail, {VERSION: dict}, f"Entry {entry.n} of the audit log")
    connection.execute(insert(audit_log).values(**asdict(entry) | {"at": datetime.fromisoformat(entry.at)}))
    if effect := effects.get(entry.what):
        effect(connection, entry)


def _last(connection: Connection) -> Any:
    return connection.execute(select(audit_log).order_by(audit_log.c.n.desc()).limit(1)).first()


def _key(n: int) -> str:
    return f"{FOLDER}/{n:08d}.json"


def stored(n: int) -> Entry | None:
    """Read the store's copy of an entry; None where there is none."""
    content = ZoneStore(Zone.MANIFESTS).read(_key(n))
    return Entry(**json.loads(content)) if content else None


def entries(connection: Connection, limit: int | None = None) -> list[Entry]:
    """List the newest entries of the ledger in their order."""
    rows = connection.execute(select(audit_log).order_by(audit_log.c.n.desc()).limit(limit)).mappings()
    return [Entry(**dict(row) | {"at": row["at"].isoformat()}) for row in rows][::-1]


def tampered(connection: Connection) -> list[str]:
    """Return what was changed, removed or added in the audit log, in plain words; an empty list where nothing was."""
    there = entries(connection)
    found = [*broken(there), *(fault for entry in there for fault in _against_copy(entry))]
    after = there[-1].n + 1 if there else 1
    return [*found, f"entries from {after} on are missing; the object store has them"] if stored(after) else found


def broken(chain: Iterable[Entry]) -> Iterator[str]:
    """Say where a chain of entries, which begins with the first, is not what was once written."""
    previous, expected = "", 1
    for entry in chain:
        if entry.n > expected:
            yield f"entries {expected} to {entry.n - 1} are missing"
        elif entry.n < expected:
            yield f"entry {entry.n} stands after entry {expected - 1}"
        elif entry.previous != previous:
            yield f"entry {entry.n} does not follow the entry before it"
        if entry.hash != entry.computed:
            yield f"entry {entry.n} ({entry.what} by {entry.who}) was changed after it was written"
        previous, expected = entry.hash, entry.n + 1


def _against_copy(entry: Entry) -> list[str]:
    copy = stored(entry.n)
    if copy is None:
        return [f"the object store's copy of entry {entry.n} is missing"]
    return [] if copy == entry else [f"entry {entry.n} differs from the object store's copy"]
