"""The warehouses that contracts and models may load into, by the word that they use."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from common.core.errors import ConfigError
from common.core.settings import limits

# How engines spell names, quoted or not; others keep them as they are.
SPELLING: Mapping[str, Callable[[str], str]] = {"redshift": str.lower, "snowflake": str.upper}


@dataclass(frozen=True)
class Target:
    """One warehouse: which engine it is, its Airflow Connection, and where the addresses of its assets begin."""

    engine: str
    conn: str
    uri: str

    def address(self, table: str) -> str:
        """Return the address of `schema.table`, as the engine spells it."""
        return f"{self.uri}/{SPELLING.get(self.engine, str)(table).replace('.', '/')}"


def targets() -> dict[str, Target]:
    """Return the warehouses by name, as they are set."""
    return {word: Target(at.engine, at.conn, at.uri) for word, at in limits().all_warehouses.items()}


def target(name: str) -> Target:
    """Return the warehouse of a name as it is set; raises ConfigError naming the known ones."""
    known = targets()
    if name not in known:
        raise ConfigError(f"No warehouse '{name}'. Known: {', '.join(known)}; WATERSHED_WAREHOUSES adds others.")
    return known[name]
