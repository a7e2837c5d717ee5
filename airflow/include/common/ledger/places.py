"""Places of batches in SQL: the few expressions over the JSON that `core.places` writes."""

from typing import Any

from sqlalchemy import BigInteger, func

from common.ledger.tables import batch

KEY = batch.c.place["key"].astext  # of a file in raw or bronze
RAW_KEY = func.coalesce(batch.c.place["raw"].astext, KEY)
VERSION = batch.c.place["version"].astext
PARTITIONS = batch.c.place["partitions"]
ARRIVAL = batch.c.place["arrival"].astext.cast(BigInteger)
IS_DELIVERY = batch.c.place.has_key("modified")
IS_IN_BRONZE = batch.c.place.has_key("landed")
IS_UNDATED = IS_IN_BRONZE & ~batch.c.place.has_key("arrival")
ORIGIN = func.coalesce(RAW_KEY, batch.c.place["table"].astext, batch.c.place["source"].astext)
IS_RERUN = batch.c.place.has_key("of")
IS_REPLAY = batch.c.place.has_key("replay")
IS_WHOLE = func.coalesce(batch.c.place["replay"].has_key("whole"), False)  # a replay of all deliveries
IS_REMADE = batch.c.place.has_key("remade")
IS_UNRESTORED = batch.c.place.has_key("unrestored")
TIED = batch.c.place["tied"].astext.cast(BigInteger)
UNKNOWN = batch.c.place["unknown"].astext.cast(BigInteger)
IS_PARTIAL = batch.c.place.has_key("only")
IS_MENDED = batch.c.place.has_key("file")
HAS_PARTITIONS = batch.c.place.has_key("partitions")
WAITS = batch.c.place.has_key("waiting")


def touches(partition: str) -> Any:
    """Return whether a commit of a table touched a partition."""
    return PARTITIONS.has_key(partition)


def carries(key: str) -> Any:
    """Return whether a batch holds records of a file in bronze: itself, mended, or as one of all."""
    return (key == KEY) | (batch.c.place["file"].astext == key) | IS_WHOLE


def key_ends(text: str) -> list[Any]:
    """Return the conditions that a key in raw or in bronze ends so."""
    return [batch.c.place[name].astext.endswith(text, autoescape=True) for name in ("key", "raw")]
