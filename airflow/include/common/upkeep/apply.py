"""Make what the contracts need: queues, ledger tables, lake tables, warehouse tables, tokens, consumer rows."""

from common.contracts.catalogue import domains
from common.core.errors import ConfigError
from common.core.nouns import Consumer
from common.core.settings import settings
from common.ledger.consumers import apply_consumer
from common.ledger.database import migrate, one_at_a_time, transaction
from common.pipelines.kinds import all_consumers, equal_names, step_of
from common.zones.queues import apply_queues


def apply() -> list[Consumer]:
    """Bring ledger, lake and warehouses to what contracts and models say; return the consumers.

    It may be done again and again without harm. Loads never make tables: one that misses them says so and names this
    command. Raises ConfigError where two consumers would write one table; then nothing is made.
    """
    if faults := list(equal_names()):
        raise ConfigError(" ".join(faults))
    config, done = settings(), list[Consumer]()
    with one_at_a_time():
        migrate()
        if config.watches_queue:
            apply_queues(domains(), config)
        for consumer in all_consumers():
            step = step_of(consumer)
            step.apply()
            with transaction() as connection:
                apply_consumer(connection, step.consumer, config.hop_max_batches)
            done.append(step.consumer)
    return done
