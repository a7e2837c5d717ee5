"""What did not happen: work that waits, data that is late, sources that are silent, sweeps and queues that stand still.

A look lists what does not hold now. What has not held for its patience is an incident, and is over when it holds again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import httpx
from sqlalchemy import Connection, func, select

from common.contracts.catalogue import contract_of, contracts, domains
from common.core.assets import Zone, asset_name
from common.core.crons import nth_last
from common.core.errors import WatershedError
from common.core.settings import settings
from common.ledger.database import transaction
from common.ledger.heartbeats import SWEEP, WATCH, beat, clock, last_beat
from common.ledger.incidents import (
    FAILED,
    INCOMPLETE,
    LATE,
    MISSING,
    OVERDUE,
    SILENT,
    UNDRAINED,
    UNSWEPT,
    WAITING,
    close_incidents,
    open_incident,
    open_of,
)
from common.ledger.queries import consumers
from common.ledger.ranges import recorded_days
from common.ledger.tables import batch, consumer, waiver
from common.notify.direct import adopt_alerts
from common.notify.outbox import tell
from common.observe.log import logger
from common.pipelines.consumers import ingests
from common.pipelines.waits import waits
from common.sources.days import days_over, due_at, missing_days
from common.zones.queues import messages_waiting

log = logger(__name__)
PATIENCE = 60.0  # seconds for messages
FOUND_HERE = (LATE, SILENT, MISSING, WAITING, INCOMPLETE, UNSWEPT, UNDRAINED)
TOLD_ALREADY = (
    "working",
    "parked",
    "held",
    "stopped",
    "ledger_ahead",
    "unforeseen",
)  # words of other incidents, or none
SWEEPS_MISSED = 3
NO_PATIENCE = timedelta()


class Runs(Protocol):
    """What Airflow knows of runs."""

    def ended(self, dag_id: str, run_id: str) -> bool:
        """Return whether a run has ended."""
        ...

    def successes(self, dag_id: str) -> int:
        """Count the runs of a DAG that succeeded."""
        ...


@dataclass(frozen=True)
class Lack:
    """Something that does not hold, and for how long that is no incident."""

    kind: str
    consumer: str
    detail: str
    patience: timedelta
    batch: str = ""
    mark: str = ""  # of progress: while it changes, patience begins anew

    @property
    def name(self) -> str:
        """Return what it is remembered by."""
        return f"{self.kind} {self.consumer} {self.batch} {self.mark}"


def watch(runs: Runs) -> dict[str, int]:
    """Look once, tell people, and say that this watch is alive; return what is open by kind.

    Raises TargetUnavailable where the ledger does not answer: then nothing was looked at.
    """
    with transaction() as connection:
        last = last_beat(connection, WATCH)
        memory: dict[str, Any] = dict(last.value) if last else {}
        since = _judge(connection, list(_lacks(connection, memory)), memory.get("since", {}))
        counted = _close_ended(connection, runs, memory.get("successes", {}))
        found = open_of(connection, FOUND_HERE)
        at = clock(connection)
        begun = memory.get("begun") or at.isoformat()
        beat(connection, WATCH, {"since": since, "successes": counted, "begun": begun})
    try:
        adopt_alerts(at)
    except WatershedError as error:
        log.warning("alerts of an outage stay in the store", error=str(error))
    tell(PATIENCE)
    _say_alive()
    return {kind: sum(one.kind == kind for one in found) for kind in sorted({one.kind for one in found})}


def _judge(connection: Connection, lacks: list[Lack], since: dict[str, str]) -> dict[str, str]:
    """Open what has lasted, close what holds again, and return since when each lack is known."""
    at = clock(connection)
    known = {lack.name: since.get(lack.name, at.isoformat()) for lack in lacks}
    lasting = [lack for lack in lacks if at - datetime.fromisoformat(known[lack.name]) >= lack.patience]
    for lack in lasting:
        open_incident(connection, lack.kind, lack.consumer, lack.detail, lack.batch)
    still = {(lack.kind, lack.consumer, lack.batch) for lack in lasting}
    for one in open_of(connection, FOUND_HERE):
        if (one.kind, one.consumer, one.batch) not in still:
            close_incidents(connection, one.kind, one.consumer, [one.batch])
    return known


def _lacks(connection: Connection, memory: dict[str, Any]) -> Iterator[Lack]:
    yield from _waiting(connection)
    yield from _late(connection)
    yield from _missing(connection)
    yield from _unswept(connection, memory)
    yield from _undrained()


def _waiting(connection: Connection) -> Iterator[Lack]:
    patience = timedelta(minutes=settings().wait_minutes)
    counted = consumers(connection)
    hops = {row["consumer"]: str(row["hops"]) for row in counted}
    for wait in waits(connection, counted):
        if wait.word == "incomplete":
            yield Lack(INCOMPLETE, wait.consumer, wait.why, patience, wait.partition)
        elif wait.word not in TOLD_ALREADY:
            yield Lack(WAITING, wait.consumer, f"{wait.word}: {wait.why}", patience, mark=hops.get(wait.consumer, ""))


def _late(connection: Connection) -> Iterator[Lack]:
    """Compare each table's newest rows with the freshness that its contract promises."""
    at = clock(connection)
    for domain in domains():
        for contract in contracts(domain).values():
            if contract.freshness_hours is None:
                continue
            promised = timedelta(hours=contract.freshness_hours)
            landed, refined = (_newest(connection, asset_name(contract.dataset, z)) for z in (Zone.BRONZE, Zone.SILVER))
            begun = connection.scalar(
                select(consumer.c.applied_at).where(consumer.c.output == asset_name(contract.dataset, Zone.SILVER))
            )
            if begun is None or at - (refined or begun) <= promised:
                continue
            so_far = f"since {refined:%Y-%m-%d %H:%M} UTC" if refined else "ever"
            name, allowed = (
                str(contract.dataset),
                f"The contract promises some every {contract.freshness_hours:g} hours.",
            )
            if at - (landed or begun) > promised:
                yield Lack(SILENT, name, f"No file has landed {so_far}. {allowed}", NO_PATIENCE)
            else:
                yield Lack(
                    LATE,
                    name,
                    f"No rows have arrived in silver {so_far}, though files have landed. {allowed}",
                    NO_PATIENCE,
                )


def _missing(connection: Connection) -> Iterator[Lack]:
    """List the days whose table was not found by when it is due, and that nobody has waived.

    Days before the first that was found are none of the source's yet. One that was applied a moment ago has a day to
    catch up, but a day is missed as soon as a later one is there.
    """
    at = clock(connection)
    for item in (item for domain in domains() for item in ingests(domain)):
        spec = contract_of(item.dataset).source
        begun = connection.scalar(select(consumer.c.applied_at).where(consumer.c.name == item.name))
        if spec is None or not (spec.daily and spec.due) or begun is None:
            continue
        waived = set(connection.scalars(select(waiver.c.partition).where(waiver.c.dataset == str(item.dataset))))
        known = recorded_days(connection, item.name, *item.inputs) | waived
        over = list(days_over(spec, at))
        begin, last = min(known, default=str(over[-1]) if over else ""), max(known, default="")
        for day in (day for day in over if str(day) >= begin and str(day) not in known):
            due = due_at(spec, day)
            patience = begun + timedelta(days=1) if due and due <= begun and str(day) > last else begun
            if due and max(due, patience) <= at:
                (detail,) = missing_days(spec, [day], at)
                yield Lack(MISSING, str(item.dataset), f"The {detail[0].lower()}{detail[1:]}.", NO_PATIENCE, str(day))


def _newest(connection: Connection, asset: str) -> datetime | None:
    newest: datetime | None = connection.scalar(select(func.max(batch.c.created_at)).where(batch.c.asset == asset))
    return newest


def _unswept(connection: Connection, memory: dict[str, Any]) -> Iterator[Lack]:
    config, at = settings(), clock(connection)
    if not config.sweeps or "begun" not in memory:
        return
    expected = nth_last(config.sweep_cron, at, SWEEPS_MISSED)
    for domain in domains():
        last = last_beat(connection, SWEEP.format(domain=domain))
        seen = last.at if last else datetime.fromisoformat(memory["begun"])
        if seen < expected:
            when = f"the last one was at {last.at:%Y-%m-%d %H:%M} UTC" if last else "there was none yet"
            detail = f"{SWEEPS_MISSED} sweeps by '{config.sweep_cron}' did not come; {when}. Only bells start work now."
            yield Lack(UNSWEPT, f"{domain}_sweep", detail, NO_PATIENCE)


def _undrained() -> Iterator[Lack]:
    config = settings()
    if not config.watches_queue:
        return
    for domain in domains():
        try:
            count = messages_waiting(config.queue_url(domain))
        except WatershedError as error:
            yield Lack(UNDRAINED, domain, f"The queue does not answer: {error}", timedelta(minutes=config.wait_minutes))
            continue
        if count:
            detail = f"Messages lie in {config.queue_name(domain)} and nobody takes them all."
            yield Lack(UNDRAINED, domain, detail, timedelta(minutes=config.wait_minutes))


def _close_ended(connection: Connection, runs: Runs, before: dict[str, int]) -> dict[str, int]:
    """Close what Airflow knows to be over: runs that have ended, DAGs that have succeeded since they failed."""
    for late in open_of(connection, [OVERDUE]):
        if runs.ended(late.consumer, late.batch):
            close_incidents(connection, OVERDUE, late.consumer, [late.batch])
    counted: dict[str, int] = {}
    for failed in open_of(connection, [FAILED]):
        if "Task" in failed.facts:
            continue
        name, successes = failed.consumer, runs.successes(failed.consumer)
        if successes > before.get(name, successes):
            close_incidents(connection, FAILED, name)
        else:
            counted[name] = min(successes, before.get(name, successes))
    return counted


def _say_alive() -> None:
    """Ask the address of a dead man's switch, where there is one, so that somebody elsewhere hears of silence."""
    if not (address := settings().heartbeat_url):
        return
    try:
        httpx.get(address, timeout=10).raise_for_status()
    except httpx.HTTPError as error:
        code = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else None
        log.warning("the dead man's switch does not answer as it should", error=type(error).__name__, code=code)
