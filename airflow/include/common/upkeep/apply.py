"""Make what the contracts need: queues, ledger tables, lake tables, warehouse tables, tokens, consumer rows."""

from dataclasses import dataclass

from common.contracts.catalogue import domains
from common.core.errors import ConfigError, TargetUnavailable, WatershedError
from common.core.nouns import Consumer
from common.core.settings import settings
from common.ledger.consumers import apply_consumer
from common.ledger.database import migrate, one_at_a_time, transaction
from common.ledger.failures import forget_failure, keep_failure
from common.pipelines.kinds import all_consumers, equal_names, faults, step_of
from common.pipelines.warehouse_step import WarehouseStep
from common.zones.queues import apply_queues


@dataclass(frozen=True)
class Applied:
    """What was made, and what is wrong with the rest; `errors` are of consumers, `faults` of contracts and models."""

    done: tuple[Consumer, ...]
    faults: tuple[str, ...] = ()
    errors: tuple[WatershedError, ...] = ()


def apply() -> list[Consumer]:
    """Bring ledger, lake and warehouses to what contracts and models say; return the consumers.

    Raises what is wrong with one of them after all others are made.
    """
    found = apply_all()
    if len(found.errors) == 1 and not found.faults:
        raise found.errors[0]
    if wrong := [*found.faults, *map(str, found.errors)]:
        raise ConfigError("\n".join(wrong))
    return list(found.done)


def apply_all() -> Applied:
    """Bring ledger, lake and warehouses to what contracts and models say, as far as these can be kept.

    It may be done again and again without harm. Loads never make tables: one that misses them says so and names this
    command. Where two consumers would write one table, neither is made.
    """
    config, done, errors = settings(), list[Consumer](), list[WatershedError]()
    equal = equal_names()
    silent = set[str]()  # warehouses that did not answer: to ask each table's again would take minutes
    with one_at_a_time():
        migrate()
        if config.watches_queue:
            apply_queues(domains(), config)
        for consumer in all_consumers():
            if consumer.name.casefold() in equal or consumer.to in silent:
                continue
            try:
                done.append(_applied(consumer, config.hop_max_batches))
            except WatershedError as error:
                errors.append(error)
                if isinstance(error, TargetUnavailable) and consumer.to:
                    silent.add(consumer.to)
                with transaction() as connection:
                    keep_failure(connection, consumer.name, type(error).__name__, str(error))
    return Applied(tuple(done), (*faults().values(), *equal.values()), tuple(errors))


@dataclass(frozen=True)
class Planned:
    """What `apply` would do to tables of warehouses: SQL by consumer, what would be kept as it is, what is wrong."""

    changes: dict[str, list[str]]
    kept: dict[str, str]
    faults: list[str]


def planned() -> Planned:
    """Look what `apply` would do to tables of warehouses, and change nothing."""
    found, kept, wrong = dict[str, list[str]](), dict[str, str](), [*faults().values(), *equal_names().values()]
    for consumer in (consumer for consumer in all_consumers() if consumer.to):
        try:
            step = step_of(consumer)
            if not isinstance(step, WarehouseStep):
                continue
            if statements := step.changes():
                found[consumer.name] = statements
            if why := step.kept():
                kept[consumer.name] = why
        except WatershedError as error:
            wrong.append(f"{type(error).__name__}: {error}")
    return Planned(found, kept, wrong)


def _applied(consumer: Consumer, width: int) -> Consumer:
    step = step_of(consumer)
    step.apply()
    with transaction() as connection:
        apply_consumer(connection, step.consumer, width)
        forget_failure(connection, step.consumer.name)
    return step.consumer
