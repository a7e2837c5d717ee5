"""Do the due hops of several consumers one after the other: to start a process for each would cost more."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from common.core.errors import TerminalError
from common.core.nouns import Consumer
from common.ledger.database import transaction
from common.ledger.rings import Ring, due
from common.ledger.small import small
from common.observe.log import bound, logger
from common.pipelines.kinds import consumers
from common.pipelines.work import due_of, work

log = logger(__name__)
SECONDS = 20  # for all of them: what is not begun by then has a process of its own


@dataclass
class Together:
    """What was done together: of whom, and what is to be rung; and who is left, to be done each in its own process."""

    done: list[str] = field(default_factory=list)
    rings: list[Ring] = field(default_factory=list)
    apart: list[str] = field(default_factory=list)


def work_together(domain: str, stage: str, owner: str, run_id: str) -> Together:
    """Drain the consumers of a stage that have little to do, each once, also those that become due by it.

    Left are those with more to do, with a hop that is open (somebody is at work on it, or has failed or died), and
    those that fail here: then their own task tells people and is tried again, and they hold up no other. `owner` is of
    the run, so that it can take over there what was begun here.
    """
    told, ends = Together(), time.monotonic() + SECONDS
    known = {consumer.name: consumer for consumer in consumers(domain, stage)}
    waiting = due_of(domain, stage)
    while waiting:
        with transaction() as connection:
            chosen = small(connection, waiting)
        told.apart += [consumer.name for consumer in waiting if consumer not in chosen]
        for consumer in chosen:
            if time.monotonic() > ends:
                told.apart.append(consumer.name)
            else:
                _work(consumer, f"{owner}/{consumer.name}", run_id, told)
        with transaction() as connection:
            waiting = [known[name] for name in due(connection, known) if name not in (*told.done, *told.apart)]
    return told


def _work(consumer: Consumer, owner: str, run_id: str, told: Together) -> None:
    try:
        _, ring = work(consumer, owner, run_id)
    except Exception:
        with bound(consumer=consumer.name, run_id=run_id):
            log.exception("it failed here, and is tried in a process of its own")
        told.apart.append(consumer.name)
        return
    told.done.append(consumer.name)
    told.rings += [ring] if ring else []


def work_each(those: Sequence[Consumer], owner: str, run_id: str) -> list[Ring]:
    """Drain some consumers, each once, and give what is to be rung; one that fails holds up no other.

    Raises what one of them failed with once all were tried: of several errors the first that a retry can help, since a
    retry does what is still due of all of them, and rings what was done here.
    """
    rings, errors = list[Ring](), list[Exception]()
    for consumer in those:
        try:
            _, ring = work(consumer, f"{owner}/{consumer.name}", run_id)
        except Exception as error:
            with bound(consumer=consumer.name, run_id=run_id):
                log.exception("it failed; the others are tried before this task fails")
            errors.append(error)
            continue
        rings += [ring] if ring else []
    if errors:
        raise min(errors, key=lambda one: isinstance(one, TerminalError))
    return rings
