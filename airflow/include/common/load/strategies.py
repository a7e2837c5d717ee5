"""The load strategies by name."""

from common.contracts.contract import LoadStrategy
from common.core.errors import ConfigError
from common.load import full, incremental, scd2
from common.load.plan import Strategy

STRATEGIES: dict[str, Strategy] = {
    LoadStrategy.FULL: full.statements,
    LoadStrategy.INCREMENTAL: incremental.statements,
    LoadStrategy.SCD2: scd2.statements,
}


def strategy(name: str) -> Strategy:
    """Return the strategy of a name; raises ConfigError naming the known ones."""
    if name not in STRATEGIES:
        raise ConfigError(f"No load strategy named '{name}'. Known: {', '.join(STRATEGIES)}.")
    return STRATEGIES[name]
