"""Why something waits: of each consumer with work that is not being done, one word and what to do next."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select

from common.core.errors import Drifted, NotApplied, QualityError, TransientError
from common.core.nouns import Consumer
from common.core.settings import settings
from common.ledger.failures import failures
from common.ledger.incidents import LEDGER_AHEAD, PARKED, STOPPED, UNFORESEEN
from common.ledger.partitions import waiting as waiting_slices
from common.ledger.tables import batch, consumer, hop, incident
from common.pipelines.dag_files import domains_without_dags
from common.pipelines.kinds import KINDS, all_consumers, dag_id, faults

OUTAGES = {kind.__name__ for kind in TransientError.__subclasses__()}
SHOWN = 200  # characters of an error; `status` lists incidents whole


@dataclass(frozen=True)
class Wait:
    """What waits, why in one word, and a sentence with the next step."""

    consumer: str
    word: str
    why: str
    partition: str = ""
    batches: int = 0
    since: datetime | None = None


def waits(connection: Connection, counted: Sequence[Mapping[str, Any]], beginning: str = "") -> list[Wait]:
    """Tell why the work waits that is not being done; `counted` are rows of `ledger.queries.consumers`."""
    declared = {item.name: item for item in all_consumers()}
    asked = _Asked(connection, declared)
    found = [*_undone(beginning), *asked.unapplied(beginning)]
    for row in counted:
        found += asked.of(row)
    return found


def _undone(beginning: str) -> Iterator[Wait]:
    for path, fault in faults().items():
        name = f"{path.parent.parent.name}.{path.stem}"
        if name.startswith(beginning):
            yield Wait(name, "faulty", f"{_short(fault)} Mend it; `watershed contract lint` tells all.")
    for domain, what_to_do in domains_without_dags().items():
        if f"{domain}.".startswith(beginning) or beginning.startswith(f"{domain}."):
            yield Wait(domain, "undriven", what_to_do)


class _Asked:
    """What the ledger says of all consumers, read once."""

    def __init__(self, connection: Connection, declared: Mapping[str, Consumer]) -> None:
        self.connection, self.declared = connection, declared
        self.failures = failures(connection)
        leased = func.coalesce(hop.c.lease_until > func.clock_timestamp(), False).label("leased")
        rows = connection.execute(select(hop, leased).where(hop.c.state == "open"))
        self.open = {row.consumer: row for row in rows}
        kinds = (LEDGER_AHEAD, STOPPED, UNFORESEEN)
        stopping = select(incident).where(incident.c.closed_at.is_(None), incident.c.kind.in_(kinds))
        least_first = sorted(connection.execute(stopping), key=lambda row: -kinds.index(row.kind))
        self.incident = {row.consumer: row for row in least_first}
        self.parked: dict[str, list[Row[Any]]] = {}
        held = select(incident, batch.c.partition).outerjoin(batch, batch.c.id == incident.c.batch)
        held = held.where(incident.c.kind == PARKED, incident.c.closed_at.is_(None)).order_by(incident.c.id)
        for row in connection.execute(held):
            self.parked.setdefault(row.consumer, []).append(row)

    def unapplied(self, beginning: str) -> Iterator[Wait]:
        """Tell which consumers `apply` has not made yet, and what it could not do for them."""
        known = set(self.connection.scalars(select(consumer.c.name)))
        silent = {self.declared[name].to: name for name in self.failures if name in self.declared}
        for name, item in self.declared.items():
            if name not in known and name.startswith(beginning):
                failed = self._failure(name) or self._failure(silent.get(item.to, ""))
                yield Wait(name, "unapplied", f"The ledger does not know it yet: run `watershed apply`.{failed}")

    def of(self, row: Mapping[str, Any]) -> Iterator[Wait]:
        """Tell of one consumer what waits."""
        name, count = row["consumer"], row["waiting"]
        if count or name in self.open:
            word, why, since = self._reason(name)
            yield Wait(name, word, why, batches=count, since=since)
        elif row["kind"] == "ingest" and name in self.declared and self._failure(name):
            word, why, since = self._failed(name, self.declared[name], self._failure(name))
            yield Wait(name, word, why, since=since)
        yield from self._set_aside(name)
        if row["kind"] == "model":
            yield from self._incomplete(name)

    def _reason(self, name: str) -> tuple[str, str, datetime | None]:
        """Say why the next hop of a consumer is not done: what nobody can help but a person comes first."""
        current, item = self.open.get(name), self.declared.get(name)
        if item is None:
            return "undeclared", "No contract or model without a fault declares it; mend it, or bring it back.", None
        opened = self.incident.get(name)
        if opened is not None and opened.kind != UNFORESEEN:
            next_step = "see 'The ledger is lost, or old' in docs/operations.md"
            if opened.kind == STOPPED:
                next_step = f"mend its cause; then {_next(item)}"
            return opened.kind, f"{_short(opened.detail)} Next: {next_step}.", opened.opened_at
        failed = self._failure(name)
        if current is not None and current.leased and not self._over(name, current):
            return "working", f"{current.owner} is at work on hop {current.n}.{failed}", current.opened_at
        if failed:
            return self._failed(name, item, failed)
        if opened is not None:
            return UNFORESEEN, f"{_short(opened.detail)} Next: {_next(item)}.", opened.opened_at
        if current is not None and current.attempt is not None:
            died = f"{current.owner} left hop {current.n} open and is gone ({current.deaths + 1} tries so far)."
            return "died", f"{died} Next: {_next(item)} takes it over.", current.lease_until
        return "due", f"Nothing keeps it. Next: {_next(item)}; if it stays so, DAG {dag_id(item)} may be paused.", None

    def _over(self, name: str, current: Row[Any]) -> bool:
        """Return whether the owner of a lease has failed since it renewed it: an unknown error leaves it to end."""
        last = self.failures.get(name)
        return last is not None and last.at > current.lease_until - timedelta(seconds=settings().lease_seconds)

    def _failure(self, name: str) -> str:
        last = self.failures.get(name)
        return (
            f" Its last failure, at {last.at:%Y-%m-%d %H:%M:%S} UTC: {last.kind}: {_short(last.detail)}" if last else ""
        )

    def _failed(self, name: str, item: Consumer, failed: str) -> tuple[str, str, datetime | None]:
        last = self.failures[name]
        if last.kind == NotApplied.__name__:
            return "unapplied", f"{_short(last.detail)} Next: `watershed apply`.", last.at
        if last.kind == Drifted.__name__:
            advice = f"`watershed contract diff {item.dataset}` says what differs and what to do"
            return "drifted", f"{_short(last.detail)} Next: {advice}.", last.at
        if last.kind in OUTAGES:
            return (
                "outage",
                f"{failed.strip()} Next: Airflow tries it again within minutes, then {_next(item)}.",
                last.at,
            )
        return "failed", f"{failed.strip()} Next: mend that; then {_next(item)}.", last.at

    def _set_aside(self, name: str) -> Iterator[Wait]:
        groups: dict[tuple[str, str], list[Row[Any]]] = {}
        for row in self.parked.get(name, []):
            word = "held" if row.detail.startswith(f"{QualityError.__name__}:") else "parked"
            groups.setdefault((word, row.partition or ""), []).append(row)
        for (word, partition), rows in groups.items():
            first = rows[0]
            advice = f"`watershed parked show {first.batch}`, then release or refuse it"
            why = f"{_short(first.detail)} Next: {advice}."
            yield Wait(name, word, why, partition, len(rows), first.opened_at)

    def _incomplete(self, name: str) -> Iterator[Wait]:
        output = self.declared[name].output if name in self.declared else name
        for part, datasets in waiting_slices(self.connection, output).items():
            missing = " and ".join(datasets)
            advice = f"land it, or `watershed backfill waive DATASET {part} --why ...`"
            why = f"The partition was not published by {missing}. Next: {advice}."
            yield Wait(name, "incomplete", why, part)


def _next(item: Consumer) -> str:
    """Name what does the consumer's hops next."""
    if KINDS[item.kind].look:
        return f"the next run of {dag_id(item)} by its schedule, or `watershed sweep {item.dataset.domain}` now"
    when = f"the next sweep ({settings().sweep_cron})" if settings().sweeps else "the next ring of its inputs"
    return f"{when}, or `watershed sweep {item.dataset.domain}` now"


def _short(text: str) -> str:
    plain = " ".join(text.split())
    plain = plain if len(plain) <= SHOWN else f"{plain[:SHOWN]}..."
    return plain if plain.endswith((".", "!", "?")) else f"{plain}."
