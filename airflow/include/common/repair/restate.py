"""Load chosen keys of a table again: what a warehouse has of them becomes what the lake has of them."""

from collections.abc import Sequence

from sqlalchemy import Connection

from common.contracts.contract import LoadStrategy
from common.core.errors import ConfigError
from common.core.places import Replay
from common.ledger.decisions import DerivedBatch
from common.load.chosen import key_of
from common.pipelines.kinds import all_consumers
from common.pipelines.loading import LoadStep
from common.repair.backfill import redone


def restated(connection: Connection, load: str, keys: Sequence[str]) -> list[DerivedBatch]:
    """Make the batch that loads keys again, each written `column=value`; none where nothing was loaded yet.

    Raises ConfigError where there is no such load, where it replaces all rows anyway, and for what is no key of it.
    """
    known = {consumer.name: consumer for consumer in all_consumers() if consumer.kind == "load"}
    if load not in known:
        raise ConfigError(f"No load '{load}'. Known: {', '.join(known)}.")
    step = LoadStep(known[load])
    if step.spec.strategy == LoadStrategy.FULL:
        raise ConfigError(f"{load} replaces all rows whenever it runs: see `watershed replay BATCH --to warehouse`.")
    key = {name: step.schema[name] for name in step.replaced_by}
    chosen = tuple(key_of(text, key) for text in keys)
    return redone(connection, known[load], Replay(keys=chosen))
