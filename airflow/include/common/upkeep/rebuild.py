"""Rebuild the ledger from what the targets say: every consumer reconciled, every decision taken over."""

from dataclasses import dataclass, field

from common.contracts.catalogue import domains
from common.core.errors import LedgerAhead
from common.ledger.consumers import lock
from common.ledger.database import drop_tables, transaction
from common.ledger.decisions import note, recover
from common.ledger.reconcile import reconcile, report_ahead
from common.pipelines.kinds import all_consumers, require_sound, step_of
from common.pipelines.look import look
from common.upkeep.apply import apply


@dataclass
class Rebuilt:
    """What was found: hops by consumer, decisions of people, consumers whose ledger is ahead of its target."""

    hops: dict[str, int] = field(default_factory=dict)
    decisions: int = 0
    ahead: list[str] = field(default_factory=list)


def rebuild(who: str, *, from_nothing: bool = False) -> Rebuilt:
    """Bring a lost or an old ledger to what is true: targets first, then decisions, then what waits in raw.

    With `from_nothing` every table is dropped first. Runs beside traffic: a hop that is at work loses its lease, or
    publishes by compare and set and is found by the next reconcile. Raises ContractError where a contract or model has
    a fault: what it has published would be missing.
    """
    require_sound()
    if from_nothing:
        drop_tables()
    apply()
    done = Rebuilt()
    for consumer in all_consumers():
        name = consumer.name
        try:
            with transaction() as connection:
                lock(connection, name)
                done.hops[name] = len(reconcile(connection, name, step_of(consumer)))
        except LedgerAhead as error:
            done.ahead.append(str(error))
            with transaction() as connection:
                report_ahead(connection, name, error)
    with transaction() as connection:
        done.decisions = recover(connection)
        note(connection, "ledger.rebuild", {"hops": sum(done.hops.values()), "from_nothing": from_nothing}, who)
    for domain in domains():
        look(domain)
    return done
