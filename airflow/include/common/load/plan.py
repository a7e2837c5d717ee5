"""What a load strategy is told."""

from dataclasses import dataclass

from common.warehouses.warehouse import quoted

DELETED = "_deleted"


@dataclass(frozen=True)
class LoadPlan:
    """One load: staged rows into a table, identified by key; staged rows marked `_deleted` only remove theirs."""

    table: str
    staging: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    @property
    def target(self) -> str:
        """Give the quoted name of the table."""
        return quoted(self.table)

    @property
    def matches(self) -> str:
        """Give the condition that a staged row `s` has the key of a row `t` of the table."""
        return " AND ".join(f't."{name}" = s."{name}"' for name in self.key)

    @property
    def insert(self) -> str:
        """Give the statement that inserts every staged row that is not marked as deleted."""
        names = ", ".join(f'"{name}"' for name in self.columns)
        return (
            f"INSERT INTO {self.target} ({names}) "  # noqa: S608 - names come from contracts and are quoted
            f'SELECT {names} FROM "{self.staging}" WHERE NOT "{DELETED}"'
        )

    @property
    def count_known(self) -> str:
        """Give the query that counts the staged rows whose key the table has already."""
        return (
            f'SELECT count(*) FROM "{self.staging}" s WHERE EXISTS (SELECT 1 FROM {self.target} t WHERE {self.matches})'  # noqa: S608
        )
