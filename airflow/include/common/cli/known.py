"""Words of a command that must be known: a misspelt one is answered with those that are, not with an empty list."""

from collections.abc import Iterable
from difflib import get_close_matches

from sqlalchemy import Connection, func, select

from common.core.errors import ConfigError
from common.ledger.tables import consumer, refusal
from common.load.aside import REASON, UNDELIVERED
from common.quality.checks import RULES

HOP_STATES = ("open", "published")
REFUSAL_STATES = ("open", "redriven", "discarded")
LINES_AND_FILES = (  # docs/formats.md explains them; others that the ledger has are known as well
    "empty", "truncated", "corrupt", "binary", "encoding", "unrecognised", "header", "schema", "type", "too_large",
    "too_wide", "too_long", "short_row", "long_row", "stray_quote", "unclosed_quote", "stray_escape", "bad_encoding",
    "not_json", "not_an_object", "repeated_key", "too_deep",
)  # fmt: skip


def require_known(what: str, word: str, known: Iterable[str]) -> None:
    """Raise ConfigError where a word is given and is none of the known ones."""
    names = list(dict.fromkeys(known))
    if word and word not in names:
        near = get_close_matches(word, names, 1)
        hint = f" Is '{near[0]}' meant?" if near else ""
        raise ConfigError(f"No {what} '{word}'.{hint} Known: {', '.join(names) or 'none'}.")


def require_consumer(connection: Connection, beginning: str) -> None:
    """Raise ConfigError where no consumer's name begins so."""
    names = list(connection.scalars(select(consumer.c.name).order_by(consumer.c.name)))
    if beginning and not any(name.startswith(beginning) for name in names):
        require_known("consumer begins with", beginning, names)


def require_asset(connection: Connection, beginning: str) -> None:
    """Raise ConfigError where no asset's name begins so."""
    read = select(func.jsonb_array_elements_text(consumer.c.inputs))
    names = sorted({*connection.scalars(select(consumer.c.output)), *connection.scalars(read)})
    if beginning and not any(name.startswith(beginning) for name in names):
        require_known("asset begins with", beginning, names)


def require_reason(connection: Connection, reason: str) -> None:
    """Raise ConfigError where nothing is ever refused for such a reason."""
    recorded = connection.scalars(select(refusal.c.reason).distinct().order_by(refusal.c.reason))
    require_known("reason", reason, [*recorded, *RULES, *LINES_AND_FILES, REASON, UNDELIVERED])
