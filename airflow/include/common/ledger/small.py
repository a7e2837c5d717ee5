"""Which consumers have so little to do that a process of their own would cost more than their hop."""

from collections.abc import Sequence

from sqlalchemy import Connection, text

from common.core.nouns import Consumer
from common.ledger.incidents import PARKED
from common.ledger.untaken import FIRST_WINDOW, SETTLED

# What waits for one of them at most; and of its last hop, since a model may read much for a few new rows and a
# warehouse be slow, how many rows it read and how many seconds it took.
BATCHES, RECORDS, BYTES = FIRST_WINDOW, 10_000, 8 << 20
READ, SECONDS = 250_000, 10
SMALL = text(f"""
SELECT consumer.name, last.contract FROM consumer
LEFT JOIN LATERAL (
    SELECT contract, taken, extract(epoch FROM published_at - opened_at) AS took FROM hop
    WHERE hop.consumer = consumer.name AND state = 'published' ORDER BY n DESC LIMIT 1) AS last ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS batches, sum(records) AS records, sum(bytes) AS bytes,
        bool_or(place ?| ARRAY['replay', 'remade']) AS whole
    FROM jsonb_array_elements_text(consumer.inputs) AS input (asset), LATERAL (
        SELECT id, records, bytes, place FROM batch
        WHERE batch.asset = input.asset AND number > coalesce((consumer.marks ->> input.asset)::bigint, 0)
        ORDER BY number LIMIT :batches) AS above
    WHERE NOT {SETTLED.format(consumer="consumer.name")}) AS waiting ON true
WHERE consumer.name = ANY(:names)
    AND NOT EXISTS (SELECT FROM hop WHERE hop.consumer = consumer.name AND state = 'open')
    AND NOT EXISTS (SELECT FROM failure WHERE failure.consumer = consumer.name)
    AND coalesce(took, 0) <= :seconds AND coalesce(taken, 0) <= :read AND NOT coalesce(whole, false)
    AND batches < :batches AND coalesce(records, 0) <= :records AND coalesce(bytes, 0) <= :bytes
ORDER BY coalesce(took, :seconds)""")  # noqa: S608


def small(connection: Connection, those: Sequence[Consumer]) -> list[Consumer]:
    """Return those of some consumers that have little to do, the quickest first.

    Never those with a hop that is open, since somebody is at work on it or has died; whose last try has failed; that
    have to read a table whole, because of a replay or of another contract.
    """
    limits = {"batches": BATCHES, "records": RECORDS, "bytes": BYTES, "read": READ, "seconds": SECONDS}
    known = {consumer.name: consumer for consumer in those}
    rows = connection.execute(SMALL, {"names": list(known), "parked": PARKED, **limits})
    return [known[row.name] for row in rows if row.contract in (None, known[row.name].contract)]
