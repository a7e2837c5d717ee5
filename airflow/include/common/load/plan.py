"""What a load strategy is told, and what its statements are made of."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from common.lake.changes import GONE
from common.warehouses import sql
from common.warehouses.warehouse import Copy, Rows, Statement


@dataclass(frozen=True)
class LoadPlan:
    """One load: rows into a table, where staged ones replace all that have their key; those marked `_gone` only remove.

    `padded` are those columns of the key that the engine compares without their trailing blanks. `direct` are the rows
    themselves, where all of them go straight into the table and none is staged.
    """

    table: str
    staging: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    padded: tuple[str, ...] = ()
    direct: Rows | None = None

    @property
    def same_key(self) -> exp.Expr:
        """Return the condition that a staged row has the key of the table's row; keys never hold NULL."""
        both = {name: (sql.column(name, self.staging), sql.column(name, self.table)) for name in self.key}
        pairs = [exp.EQ(this=staged, expression=known) for staged, known in both.values()]
        lengths = [tuple(exp.Length(this=side.copy()) for side in both[name]) for name in self.padded]
        return exp.and_(*pairs, *(exp.EQ(this=staged, expression=known) for staged, known in lengths))

    @property
    def touched(self) -> exp.Expr:
        """Return the condition that a row of the table has the key of a staged row.

        By EXISTS: not every engine knows an alias for the target of DELETE.
        """
        return exp.Exists(this=exp.select("1").from_(sql.table(self.staging)).where(self.same_key))

    @property
    def insert(self) -> Statement:
        """Return the statement that inserts the rows, but those that are marked as deleted."""
        if self.direct is not None:
            return Copy(self.table, self.direct)
        staged = exp.select(*map(sql.column, self.columns)).from_(sql.table(self.staging))
        stays = staged.where(exp.Not(this=sql.column(GONE)))
        return exp.insert(stays, sql.table(self.table), columns=[sql.name(name) for name in self.columns])


Strategy = Callable[[LoadPlan], list[Statement]]
