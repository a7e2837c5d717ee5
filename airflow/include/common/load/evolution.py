"""What becomes of a warehouse's table that is not what its load asks for, by the policy that the load states."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from common.contracts.contract import Evolution
from common.core.errors import Drifted, NotApplied, WatershedError
from common.warehouses.definition import REMAKE, mending
from common.warehouses.differences import Difference
from common.warehouses.warehouse import Warehouse

APPLY = "Run `watershed apply`."
ACCEPT = (
    f"To accept the difference, say `evolution: {Evolution.EVOLVE}` and run `watershed apply`, or alter the table "
    "yourself; else take the change of the contract, or of the table, back."
)
RESTATE = (
    "The contract is the one of the last load, so somebody altered the table: values that are gone come back by "
    "`watershed replay` of a batch of the table in the lake, with `--to warehouse`."
)


@dataclass(frozen=True)
class Policy:
    """How one load treats its table: the word of its contract, the table, and the columns that no row can lack."""

    word: str
    warehouse: Warehouse
    table: str
    identity: tuple[str, ...] = ()

    def alterations(self, found: Sequence[Difference]) -> list[exp.Expr]:
        """Return the statements by which `apply` may change the table; one that is missing is always made.

        Raises ContractError for what cannot be changed, Drifted for what may not be.
        """
        if self.word == Evolution.EVOLVE or any(difference.absent for difference in found):
            return mending(self.warehouse, self.table, found)
        if holding := self.holding(found):
            raise self.error(holding)
        return []

    def holding(self, found: Sequence[Difference], *, whole: bool = False) -> list[Difference]:
        """List the differences that keep a load from being done; a load of the `whole` table sets no row aside."""
        if self.word == Evolution.FREEZE:
            return list(found)
        return [one for one in found if not one.extra and (whole or not self._aside(one))]

    def aside(self, found: Sequence[Difference]) -> list[Difference]:
        """List the differences for which only those rows are set aside that have a value which does not fit."""
        return [one for one in found if self._aside(one)]

    def _aside(self, one: Difference) -> bool:
        sets = self.word == Evolution.QUARANTINE and not one.extra
        return sets and bool(one.column) and one.column not in self.identity

    def error(self, holding: Sequence[Difference], *, altered: bool = False, whole: bool = False) -> WatershedError:
        """Return why nothing was loaded, and what to do; `altered` where only the table can have changed."""
        what = (
            f"{self.table} in {self.warehouse} is not what its load asks for: {'; '.join(map(str, holding))}. Nothing "
            "was loaded; what waits is loaded once that is mended."
        )
        evolves = self.word == Evolution.EVOLVE or any(one.absent for one in holding)
        if evolves and all(one.mends for one in holding):
            return NotApplied(" ".join([what, APPLY, *([RESTATE] if altered else [])]))
        if evolves:
            return Drifted(f"{what} {REMAKE}")
        return Drifted(f"{what} {self._unaltered(whole=whole)} {ACCEPT}{self._by_hand(holding)}")

    def _unaltered(self, *, whole: bool) -> str:
        says = f"The load says `evolution: {self.word}`"
        if self.word == Evolution.FREEZE:
            return f"{says}: nothing alters the table."
        if whole:
            return f"{says}, but replaces all rows now, and would lose those that it sets aside."
        return f"{says}, but no row is without its key."

    def outlook(self, one: Difference) -> tuple[str, bool]:
        """Say what would be done about a difference, and whether nothing is loaded until it is mended."""
        sql = "; ".join(map(self.warehouse.dialect.text, one.mends))
        if one.extra and self.word != Evolution.FREEZE:
            return f"{one}: it stays, and is NULL in rows that are loaded", False
        if self._aside(one):
            return f"{one}: rows with a value that does not fit are set aside", False
        if one.absent or (self.word == Evolution.EVOLVE and one.mends):
            return f"{one}: `apply` would say {sql}", False
        if self.word == Evolution.EVOLVE:
            return f"{one}: it cannot be changed; drop the table and load it again, or take the contract back", True
        return f"{one}: the load is held (evolution: {self.word}){f'; to accept: {sql}' if sql else ''}", True

    def setting_aside(self, aside: Sequence[Difference]) -> str:
        """Say what becomes of rows while their table differs."""
        return (
            f"{self.table} in {self.warehouse} is not what its load asks for: {'; '.join(map(str, aside))}. Rows with "
            "a value that does not fit are set aside (`watershed quarantine ls`), the others are loaded. "
            f"{ACCEPT} Then `watershed quarantine redrive` brings the rows."
        )

    def _by_hand(self, holding: Sequence[Difference]) -> str:
        text = self.warehouse.dialect.text
        mends = "; ".join(text(statement) for one in holding for statement in one.mends)
        return f" The statements: {mends};" if mends else ""
