"""Make what the contracts need: queues, ledger tables, lake tables, warehouse tables, tokens, consumer rows."""

from dataclasses import dataclass, field

from common.contracts.catalogue import domains
from common.core.settings import settings
from common.ledger.consumers import apply_consumer
from common.ledger.database import migrate, one_at_a_time, transaction
from common.pipelines.gold import ModelStep
from common.pipelines.hop import Step
from common.pipelines.loading import LoadStep
from common.pipelines.silver import SilverStep
from common.pipelines.steps import all_steps
from common.refine.clean import partition_columns, silver_schema
from common.warehouses.warehouse import create, create_token
from common.zones.queues import apply_queues


@dataclass
class Applied:
    """What is there now, by kind."""

    lake: list[str] = field(default_factory=list)
    warehouse: list[str] = field(default_factory=list)
    consumers: list[str] = field(default_factory=list)


def apply() -> Applied:
    """Bring ledger, lake and warehouses to what contracts and models say; again and again without harm.

    Loads never make tables: one that misses them says so and names this command.
    """
    done, config = Applied(), settings()
    with one_at_a_time():
        migrate()
        if config.watches_queue:
            apply_queues(domains(), config)
        for domain in domains():
            for step in all_steps(domain):
                _apply_step(step, done)
    return done


def _apply_step(step: Step, done: Applied) -> None:
    match step:
        case SilverStep():
            step.table.create(silver_schema(step.contract), partition_columns(step.contract))
            done.lake.append(step.table.uri)
        case ModelStep():
            step.table.create(step.schema(), step.model.partition)
            done.lake.append(step.table.uri)
        case LoadStep():
            create(step.warehouse, step.table, step.source.schema, step.source.key)
            create_token(step.warehouse, step.consumer.name)
            done.warehouse.append(step.consumer.output)
    with transaction() as connection:
        apply_consumer(connection, step.consumer, settings().hop_max_batches)
    done.consumers.append(step.consumer.name)
