"""Tell people without the ledger, which is away: at once, once an hour for one reason, and kept if nobody is reached.

What was said is kept as objects beside the manifests, so that fifty processes tell of one outage once.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from common.core.assets import Zone
from common.core.clock import now
from common.core.errors import WatershedError
from common.ledger.database import transaction
from common.ledger.outbox import Recipient, queue_message
from common.notify.about import about, listed_facts
from common.notify.kinds import cause_of, kind_of
from common.notify.message import Message, Severity
from common.notify.routes import safe_routes
from common.notify.say import send_directly
from common.observe.log import logger
from common.zones.store import ZoneStore

log = logger(__name__)
FOLDER, ARRIVED = "alerts", ".arrived"
PATIENCE = 60.0  # seconds for a recipient, with retries
AT_IT = timedelta(minutes=15)  # as long, whoever began to tell may still be at it
NAMES = UUID("5b8f3f5e-0c55-4f0a-9a4b-6d0b6d1a9f57")  # of deliveries that come from such alerts


class Unwritten(NamedTuple):
    """An incident that the ledger does not know."""

    kind: str
    consumer: str
    detail: str
    facts: Mapping[str, str]


def tell_without_ledger(kind: str, consumer: str, detail: str, facts: Mapping[str, str]) -> None:
    """Tell of an incident without the ledger; never raises. Where nobody is reached, the ledger's return tells."""
    try:
        _tell(Unwritten(kind, consumer, detail, facts))
    except Exception:
        log.exception("alert could not be made")


def _tell(found: Unwritten) -> None:
    rules = safe_routes()
    known = about(found, rules)
    to, message = rules.of(known), _message(found, known.severity)
    key = f"{FOLDER}/{message.key}-{now():%Y%m%dT%H}.json"
    if not _first(key, {"message": message.json, "to": [asdict(one) for one in to]}):
        return
    if all([send_directly(message, one.channel, one.recipient, PATIENCE) for one in to]):
        _first(key + ARRIVED, {})


def _message(found: Unwritten, severity: Severity) -> Message:
    kind, cause = kind_of(found.kind), hashlib.sha256(cause_of(found).encode()).hexdigest()[:32]
    return Message(
        title=f"{kind.title}: {found.consumer}",
        severity=severity,
        facts=tuple(listed_facts(found.facts)),
        error=found.detail,
        advice=f"The ledger cannot be written. {kind.advice.format(batch='', consumer=found.consumer)}",
        link=found.facts.get("link", ""),
        key=cause,
        delivery=f"{cause[:8]}-{now():%Y%m%d%H}",
    ).bounded


def _first(key: str, content: Mapping[str, Any]) -> bool:
    """Keep an object; False where somebody has. A store that is away keeps nothing, and then everybody is first."""
    try:
        return ZoneStore(Zone.MANIFESTS).put_json(key, dict(content))
    except WatershedError:
        return True


def adopt_alerts(at: datetime) -> int:
    """Queue the alerts that reached nobody while the ledger was away; return how many there were.

    `at` is the time of the ledger's clock: this machine's may be wrong.
    """
    store, found = ZoneStore(Zone.MANIFESTS), 0
    objects = {item.key: item for item in store.list(f"{FOLDER}/")}
    for key, item in objects.items():
        if key.endswith(ARRIVED) or at - item.modified < AT_IT:
            continue
        arrived = objects.get(key + ARRIVED)
        if arrived is None and (content := store.read(key)):
            kept = json.loads(content)
            with transaction() as connection:
                for one in kept["to"]:
                    delivery = uuid5(NAMES, f"{key} {one}")  # the same where this is done again
                    queue_message(connection, kept["message"], Recipient(**one), delivery)
            found += 1
        for done in filter(None, (arrived, item)):
            store.delete(done.key, done.etag)
    return found
