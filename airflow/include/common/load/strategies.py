"""The load strategies by name."""

from collections.abc import Callable

from common.core.errors import ConfigError
from common.load import full, incremental
from common.load.plan import LoadPlan

STRATEGIES: dict[str, Callable[[LoadPlan], list[str]]] = {
    "full": full.statements,
    "incremental": incremental.statements,
}


def strategy(name: str) -> Callable[[LoadPlan], list[str]]:
    """Give the strategy of a name; raises ConfigError naming the known ones."""
    if name not in STRATEGIES:
        raise ConfigError(f"No load strategy named '{name}'. Known: {', '.join(STRATEGIES)}.")
    return STRATEGIES[name]
