"""What a hop would do, before it does it."""

from collections.abc import Sequence

from common.core.nouns import Batch, Counts
from common.ledger.batches import batches_by_id
from common.ledger.claims import next_claim, open_hop
from common.ledger.consumers import lock
from common.ledger.database import transaction
from common.pipelines.step import Step


def plan(step: Step, batches: Sequence[Batch] | None = None) -> Counts | None:
    """Count what the next hop would take, or one over these batches, and what would become of it; writes nothing.

    None means that there is nothing to take. Raises what the hop itself would.
    """
    step.head()  # loads the target as it is now, which `plan` reads
    with transaction() as connection:
        lock(connection, step.consumer.name)
        current = open_hop(connection, step.consumer.name) if batches is None else None
        pinned = batches_by_id(connection, current.batches) if current else batches
        held = next_claim(connection, step.consumer, "plan", pinned)
    return step.plan(held) if held else None
