"""What a message says of incidents: made when it is sent, of what is true then."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row

from common.ledger import outbox
from common.ledger.incidents import TOLD
from common.notify.kinds import key_of, kind_of, subject
from common.notify.message import Message, Severity, State
from common.notify.routes import About, Routes, owner_of

SHOWN = 10  # of the incidents that one message is about
OF_RUNS = ("DAG", "Task", "Run", "Try")  # facts of a failure in their order, which JSON in the ledger does not keep
PLACED = ("owner", "domain", "link")  # facts that have a place of their own in a message


def about(incident: Any, rules: Routes) -> About:
    """Return what routes ask of an incident: that of a consumer is its dataset's owner's."""
    domain, _, rest = incident.consumer.partition(".")
    domain = incident.facts.get("domain") or domain
    owner = incident.facts.get("owner") or owner_of(domain, rest.partition(".")[0])
    return About(kind=incident.kind, severity=rules.severity_of(incident.kind), owner=owner, domain=domain)


def message_of(connection: Connection, row: Row[Any], rules: Routes) -> Message | None:
    """Make the message of a row of the outbox; None where nothing has to be said any more."""
    if row.message is not None:
        return Message.from_json(row.message | {"delivery": str(row.id)})
    everyone = outbox.members(connection, row.episode, still_open=False)
    state = State(row.event)
    those = everyone
    if state is not State.RESOLVED:
        those = [one for one in everyone if one.closed_at is None or one.resolution == TOLD]
    return _message(those, everyone, state, rules, str(row.id)) if those else None


def _message(those: Sequence[Any], everyone: Sequence[Any], state: State, rules: Routes, delivery: str) -> Message:
    first, over = those[0], state is State.RESOLVED
    known = about(first, rules)
    return Message(
        title=subject(those),
        state=state,
        severity=Severity.INFO
        if over
        else max((about(o, rules).severity for o in those[:SHOWN]), key=lambda s: s.rank),
        facts=tuple(_facts(those, known, over=over)),
        error="" if over else first.detail,
        advice="" if over else kind_of(first.kind).advice.format(batch=first.batch, consumer=first.consumer),
        link=first.facts.get("link", ""),
        key=key_of(first.episode, everyone[0].opened_at),
        delivery=delivery,
    )


def listed_facts(facts: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the facts of an incident that a message lists, in their order."""
    names = [*(name for name in OF_RUNS if name in facts), *sorted(facts.keys() - {*OF_RUNS, *PLACED})]
    return [(name, facts[name]) for name in names]


def _facts(those: Sequence[Any], known: About, *, over: bool) -> list[tuple[str, str]]:
    first = those[0]
    own = listed_facts(first.facts)
    found = own if "DAG" in first.facts else [("Consumer", first.consumer), *own]
    if first.batch and "DAG" not in first.facts:
        found.append(("Batch", first.batch))
    if len(those) > 1:
        found.append((f"All {len(those)}", _listed(those)))
    found += [
        ("Incident", str(first.id)),
        ("Owner", known.owner),
        ("Since", f"{first.opened_at:%Y-%m-%d %H:%M:%S} UTC"),
    ]
    if over:
        ended = max(one.closed_at for one in those)
        how = ", ".join(sorted({one.resolution for one in those if one.resolution}))
        found.append(("Over since", f"{ended:%Y-%m-%d %H:%M:%S} UTC"))
        found += [("Ended as", how)] if how else []
    return found


def _listed(those: Sequence[Any]) -> str:
    names = list(dict.fromkeys(f"{one.consumer} {one.batch}".strip() for one in those))
    more = f", and {len(names) - SHOWN:,} more: `watershed incidents ls`" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
