"""What differs between engines, as data: their SQL, types, limits and abilities."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import polars as pl
from sqlglot import exp

from common.core.errors import ConfigError, ContractError

TYPES: Mapping[type[pl.DataType], str] = {
    pl.String: "VARCHAR",
    pl.Boolean: "BOOLEAN",
    pl.Date: "DATE",
    pl.Float64: "DOUBLE",
    pl.Float32: "FLOAT",
    pl.Int8: "SMALLINT",
    pl.Int16: "SMALLINT",
    pl.Int32: "INT",
    pl.Int64: "BIGINT",
    pl.Int128: "DECIMAL(38, 0)",
}


class Widening(StrEnum):
    """What an engine can do for a number that needs more room."""

    ANY = "any"
    BEFORE_THE_POINT = "before the point"  # the digits after it stay as many as they are
    NONE = "none"


@dataclass(frozen=True)
class Dialect:
    """One engine's SQL and what it can do.

    `sql` is sqlglot's name of the language, `types` are the types that differ from the usual ones. `spelling` is how
    the engine spells every name. `longest_text`: how many bytes a text may have. `nul`: a text may hold U+0000. `pads`:
    texts that differ in trailing blanks alone are equal. `keys`: a table's key may be declared. `adds_missing`: ADD
    COLUMN knows IF NOT EXISTS. `widens`: which numbers of a table can be given more digits. `copies`: rows can be
    copied into any table inside a transaction. `staging`: what kind of table a staging table is. `ddl_commits`: a
    statement that defines something ends the transaction. `statements`: how many one commit takes.
    """

    sql: str
    types: Mapping[type[pl.DataType], str] = field(default_factory=dict)
    moments: tuple[str, str] = ("TIMESTAMP", "TIMESTAMPTZ")  # without and with a zone
    longest_name: int = 63
    spelling: Callable[[str], str] = str
    longest_text: int | None = None
    nul: bool = True
    pads: bool = False
    keys: bool = True
    adds_missing: bool = True
    widens: Widening = Widening.ANY
    copies: bool = True
    staging: type[exp.Property] | None = None
    ddl_commits: bool = False
    statements: int | None = None

    @property
    def temporary(self) -> bool:
        """Whether a staging table is of one session, which ends with it."""
        return self.staging is exp.TemporaryProperty

    def text(self, statement: exp.Expr) -> str:
        """Return a statement as the engine reads it."""
        spelled = statement if self.spelling is str else statement.transform(self._spelled)
        return spelled.sql(dialect=self.sql)

    def _spelled(self, node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Identifier):
            node.set("this", self.spelling(node.name))
        return node

    def column_type(self, dtype: pl.DataType) -> exp.DataType:
        """Return the SQL type of a polars type; raises ContractError where there is none."""
        if isinstance(dtype, pl.Decimal):
            return exp.DataType.build(f"DECIMAL({dtype.precision or 38}, {dtype.scale})")
        if isinstance(dtype, pl.Datetime):
            return exp.DataType.build(self.moments[bool(dtype.time_zone)], dialect=self.sql)
        known = {**TYPES, **self.types}
        if type(dtype) not in known:
            names = ", ".join(kind.__name__ for kind in known)
            raise ContractError(f"No column of {self.sql} holds {dtype}. Known: {names}, Decimal, Datetime.")
        return exp.DataType.build(known[type(dtype)])

    def check_name(self, name: str) -> None:
        """Refuse a name that the engine would cut; raises ConfigError."""
        if len(name.encode()) > self.longest_name:
            raise ConfigError(f"{self.sql} cuts names at {self.longest_name} bytes: '{name}' has {len(name.encode())}.")

    def check_columns(self, names: Iterable[str]) -> None:
        """Refuse names that the engine would cut or take for one; raises ConfigError."""
        spelled: dict[str, str] = {}
        for name in names:
            self.check_name(name)
            other = spelled.setdefault(self.spelling(name), name)
            if other != name:
                raise ConfigError(
                    f"{self.sql} takes the columns '{other}' and '{name}' for one, {self.spelling(name)}: rename one."
                )
