"""The messages of a campaign: incidents that it makes up, senders that are killed, and what people were shown at last.

Every message of the struck world goes to the stand-in of Slack, which keeps what it is sent.
"""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple
from uuid import uuid4

import httpx
from sqlalchemy import text

from common.ledger.database import transaction
from common.ledger.incidents import PARKED, close_incidents, open_incident
from tests.faults.plan import OF_MESSAGES
from tests.faults.strikes import Scene
from tests.faults.workers import Outcome, Plan
from tests.world import World

MADE_UP = "made_up"  # the domain of consumers that do not exist
FAULTS = (("busy", False), ("broken", False), ("broken", True), ("gone", False), ("gone", True))  # after it was kept?
SHOWN = 3
LOOKS = 8  # until nothing is due any more
SHARE = 0.15  # of the strikes that hops suffer
EARLIER = (
    "UPDATE outbox SET due_at = due_at - interval '1 day', lease_until = lease_until - interval '1 day' "
    "WHERE ended_at IS NULL"
)
UNTOLD = (
    "SELECT kind, consumer, batch FROM incident i WHERE closed_at IS NULL AND NOT EXISTS "
    "(SELECT FROM outbox o WHERE o.episode = i.episode AND event = 'opened' AND outcome = 'sent')"
)
UNRESOLVED = (
    "SELECT o.id, o.episode FROM outbox o WHERE event = 'opened' AND outcome IN ('sent', 'unknown') AND NOT EXISTS "
    "(SELECT FROM outbox r WHERE r.episode = o.episode AND r.event = 'resolved' AND r.outcome = 'sent') "
    "AND NOT EXISTS (SELECT FROM incident i WHERE i.episode = o.episode AND (closed_at IS NULL OR resolution = 'told'))"
)


class Row(NamedTuple):
    """What the outbox says of a delivery."""

    delivery: str
    event: str
    outcome: str
    tries: int


def strike(scene: Scene) -> None:
    """Let incidents begin and end, and kill who tells of them; in some cases Slack fails, too."""
    chance = scene.chance
    with transaction() as connection:
        for _ in range(chance.randrange(2, 6)):
            open_incident(connection, PARKED, f"{MADE_UP}.{uuid4().hex}", "made up", "batch")
    if chance.random() < 0.5:
        _close(scene, chance.randrange(1, 4))
    if chance.random() < 0.4:
        fault, after = chance.choice(FAULTS)
        asked = {"channel": "slack", "fault": fault, "times": 1, "after": after}
        httpx.post(_address(scene.world, "faults"), json=asked).raise_for_status()
        scene.tally.faults["fault of Slack"] += 1
    point = chance.choice([point for point in OF_MESSAGES if point in scene.open_points] or OF_MESSAGES)
    scene.count(_tell(scene, [{"at": point, "do": "kill", "nth": chance.randrange(1, 3)}]), point)
    httpx.delete(_address(scene.world, "faults")).raise_for_status()


def judge(scene: Scene) -> list[str]:
    """Let everything be told, and the end of it, and name what people were not told, or told twice."""
    said = _settle(scene)
    said += [f"open, and nobody was told: {rows[:SHOWN]}"] if (rows := scene.world.rows(UNTOLD, "ledger")) else []
    _close(scene, None)
    said += _settle(scene)
    said += [f"over, and nobody was told: {rows[:SHOWN]}"] if (rows := scene.world.rows(UNRESOLVED, "ledger")) else []
    kept = scene.world.rows("SELECT id::text, event, outcome, tries FROM outbox", "ledger")
    rows, shown = [Row(*row) for row in kept], _shown(scene.world)
    new = [row for row in rows if row.delivery not in scene.deliveries]
    scene.deliveries |= {row.delivery for row in rows}
    scene.tally.messages += sum(row.outcome == "sent" for row in new)
    scene.tally.repeats += sum(max(shown[row.delivery] - 1, 0) for row in new)
    return said + faults(rows, shown)


def faults(rows: Iterable[Row], shown: Counter[str]) -> list[str]:
    """Compare what the outbox says with what was shown."""
    found = {
        "waits": lambda row: not row.outcome,
        "given up": lambda row: row.outcome == "given up",
        "sent and not shown": lambda row: row.outcome == "sent" and not shown[row.delivery],
        "shown and not needed": lambda row: row.outcome == "unneeded" and shown[row.delivery],
        "shown more often than tried": lambda row: shown[row.delivery] > row.tries,
    }
    all_rows = list(rows)
    wrong = {what: [row for row in all_rows if holds(row)] for what, holds in found.items()}
    return [f"messages {what}: {those[:SHOWN]}" for what, those in wrong.items() if those]


def _settle(scene: Scene) -> list[str]:
    """Let time pass and people be told until nothing is left to tell."""
    for _ in range(LOOKS):
        with transaction() as connection:
            connection.execute(text(EARLIER))
        outcome = _tell(scene)
        if outcome.code:
            return [f"who tells has failed: {outcome}"]
        ((left,),) = scene.world.rows("SELECT count(*) FROM outbox WHERE ended_at IS NULL", "ledger")
        if not left and not outcome.result["told"]:
            break
    return []


def _tell(scene: Scene, plan: Plan = ()) -> Outcome:
    return scene.forks.run({"do": "tell"}, scene.world.env, plan)


def _close(scene: Scene, most: int | None) -> None:
    """Close made-up incidents: some, or all."""
    asked = f"SELECT consumer FROM incident WHERE closed_at IS NULL AND consumer LIKE '{MADE_UP}.%' ORDER BY id"
    with transaction() as connection:
        for (name,) in scene.world.rows(asked, "ledger")[:most]:
            close_incidents(connection, PARKED, name, None)


def _shown(world: World) -> Counter[str]:
    answer = httpx.get(_address(world, "messages"), params={"service": "slack"}).raise_for_status()
    return Counter(found["metadata"]["event_payload"]["delivery"] for found in answer.json() if found.get("metadata"))


def _address(world: World, what: str) -> str:
    return f"{world.env['STANDINS_URL']}/{what}"
