"""Names that a person gives by their beginning."""

from collections.abc import Iterable

from common.core.errors import ConfigError


def meant(what: str, text: str, known: Iterable[str], more: str = "") -> str:
    """Return the known name that a text is, or else the only one that begins so.

    Raises ConfigError naming those that begin so, or all that are known where none does; `more` is added to it.
    """
    names = list(dict.fromkeys(known))
    found = [name for name in names if name == text] or [name for name in names if text and name.startswith(text)]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(f"Several {what}s begin with '{text}': {', '.join(found)}. Give more of the name.{more}")
    raise ConfigError(f"No {what} '{text}'. Known: {', '.join(names) or 'none'}.{more}")
