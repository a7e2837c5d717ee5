"""Look at a source: record in the ledger what there is to fetch, before anything is fetched."""

from common.contracts.catalogue import contract_of
from common.core.ids import batch_id
from common.core.nouns import Batch, Consumer
from common.core.places import SourceRange
from common.ledger.database import transaction
from common.ledger.heartbeats import clock
from common.ledger.ranges import last_range, record_ranges
from common.observe.verbs import verb
from common.pipelines.ingest import IngestStep
from common.sources.registry import source_of
from common.sources.source import CHAINED, Known


def look_at_source(consumer: Consumer) -> str:
    """Record the ranges that a source has and the ledger does not; return why there is none, or nothing.

    What an earlier hop owes raw is put there first. Raises ConfigError where there is no such source, SourceError,
    SourceUnavailable.
    """
    IngestStep(consumer).deliver()
    with verb(consumer.kind, "look"):
        with transaction() as connection:
            last, came = last_range(connection, consumer)
            at = clock(connection)
        found = source_of(contract_of(consumer.dataset)).look(Known(at, last.range if last else None, came))
        batches = [_batch(consumer, pinned, last) for pinned in found.ranges]
        with transaction() as connection:
            fresh = record_ranges(connection, consumer, batches, last)
    return "" if fresh else found.why or "another look was first, or all of it is recorded"


def _batch(consumer: Consumer, pinned: SourceRange, last: Batch | None) -> Batch:
    (asset,) = consumer.inputs
    chain = (last.id if last else None,) if pinned.range in CHAINED else ()
    return Batch(
        id=batch_id(asset, pinned.range, pinned.source, pinned.after, pinned.upto, pinned.seen, *chain),
        asset=asset,
        records=1,
        partition=pinned.upto if pinned.range == "day" else None,
        contract=consumer.contract,
        place=pinned,
    )
