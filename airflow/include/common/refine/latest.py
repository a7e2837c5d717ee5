"""Keep the latest row of each key: the maximum by one order, whatever the order and the grouping of hops."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from common.contracts.contract import ARRIVAL_COLUMN, FILE_COLUMN, RECORD_COLUMN, Contract, Kind
from common.lake.changes import GONE
from common.lake.schema import silver_schema
from common.lake.statistics import between, extremes
from common.refine.rows import TOGETHER, compact

CONTENT, KNOWN, MARK = "_content", "_known", "_mark"
FEW = 10_000  # keys by which engines look for rows before they read all columns
PLACE = (ARRIVAL_COLUMN, FILE_COLUMN, RECORD_COLUMN)


class Fresh(Protocol):
    """New rows that can be read several times, some at a time."""

    count: int

    def frames(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """Return the rows, or only some columns of them."""


@dataclass(frozen=True)
class Winners:
    """What new rows do to a table.

    `new_rows` are rows whose key the table does not have, written as they are. `settled` are the rows that won a key
    of several rows and change the table; `inserted` counts keys that are new, `replaced` the rows of the table that
    `settled` replaces. All rows together are `inserted` and `replaced`. `tied` counts the keys of which several rows
    have the latest version and differ: their content has decided.
    """

    new_rows: Iterable[pl.DataFrame]
    settled: pl.DataFrame
    inserted: int
    replaced: int
    tied: int

    @property
    def rows(self) -> int:
        """Return how many rows there must be to write."""
        return self.inserted + self.replaced


def winners(contract: Contract, fresh: Fresh, table: pl.LazyFrame) -> Winners:
    """Find the latest row of each key among new rows and those of the table.

    Of a row that is alone with its key only a mark is held in memory: 64 bits, equal for equal keys. Rows of an equal
    mark, few of which can be of different keys, are then compared by their keys.
    """
    key = list(contract.identity)
    if not fresh.count:
        return Winners([], pl.DataFrame(schema=silver_schema(contract)), 0, 0, 0)
    mark = _mark(contract, key)
    found = [(rows.select(mark), extremes(rows.select(key))) for rows in fresh.frames(key)]
    marks = pl.concat([marks for marks, _ in found]).sort(MARK)
    table = table.filter(between(pl.concat([ends for _, ends in found])))
    shared = pl.concat([marks.filter(pl.col(MARK) == pl.col(MARK).shift(1)), _known(table, mark, marks)]).unique()
    disputed = [compact(rows.filter(_among(mark, shared))) for rows in together(fresh)] if shared.height else []
    new = pl.concat([pl.DataFrame(schema=silver_schema(contract)), *disputed]).lazy()
    few = table.filter(_among(mark, shared)) if shared.height <= FEW else table
    old = few.with_columns(mark).join(shared.lazy(), on=MARK, how="semi")
    candidates = _candidates(contract, new, old)
    settled = _latest(contract, key, candidates)
    keys = candidates.filter(~pl.col(KNOWN)).select(key).unique()
    known = keys.join(candidates.filter(pl.col(KNOWN)), on=key, how="semi")
    changed = settled.filter(~pl.col(KNOWN)).select(list(silver_schema(contract)))
    replaced = changed.join(known, on=key, how="semi").height
    alone = _Alone(fresh, mark, shared)
    inserted = fresh.count - sum(rows.height for rows in disputed) + keys.height - known.height
    return Winners(alone, changed, inserted, replaced, _tied(contract, key, candidates, settled))


def together(fresh: Fresh) -> Iterator[pl.DataFrame]:
    """Read rows some hundred thousand at once."""
    held: list[pl.DataFrame] = []
    for rows in fresh.frames():
        held.append(rows)
        if sum(some.height for some in held) >= TOGETHER:
            yield pl.concat(held)
            held = []
    if held:
        yield pl.concat(held)


@dataclass(frozen=True)
class _Alone:
    """The rows whose key no other has."""

    fresh: Fresh
    mark: pl.Expr
    shared: pl.DataFrame

    def __iter__(self) -> Iterator[pl.DataFrame]:
        for rows in together(self.fresh):
            yield rows.filter(~_among(self.mark, self.shared)) if self.shared.height else rows


def _mark(contract: Contract, key: Sequence[str]) -> pl.Expr:
    if len(key) == 1 and contract.column(key[0]).kind is Kind.INTEGER:
        return pl.col(key[0]).alias(MARK)
    return pl.struct(key).hash(seed=0).alias(MARK)


def _among(mark: pl.Expr, marks: pl.DataFrame) -> pl.Expr:
    return mark.is_in(marks[MARK].implode())


def _known(table: pl.LazyFrame, mark: pl.Expr, marks: pl.DataFrame) -> pl.DataFrame:
    """Return the marks that the table has as well."""
    first, last = marks[MARK][0], marks[MARK][-1]
    found = table.filter(mark.is_between(first, last)).select(mark)
    return found.join(marks.lazy(), on=MARK, how="semi").collect(engine="streaming")


def _candidates(contract: Contract, fresh: pl.LazyFrame, table: pl.LazyFrame) -> pl.DataFrame:
    """Return new rows and rows of the table, with their content; `_known` marks those that the table has already."""
    columns = list(silver_schema(contract))
    both = [rows.select(*columns, pl.lit(known).alias(KNOWN)) for rows, known in ((fresh, False), (table, True))]
    return pl.concat(both).collect(engine="streaming").with_columns(_content(contract).alias(CONTENT))


def _tied(contract: Contract, key: list[str], rows: pl.DataFrame, settled: pl.DataFrame) -> int:
    """Count the keys whose latest version has several contents, where the order of deliveries does not decide."""
    if contract.by_arrival:
        return 0
    latest = list(dict.fromkeys([*key, *contract.versions]))
    same = rows.join(settled.select(latest), on=latest, how="semi", nulls_equal=True)
    return same.group_by(key).agg(pl.col(CONTENT).n_unique()).filter(pl.col(CONTENT) > 1).height


def _content(contract: Contract) -> pl.Expr:
    return pl.concat_str([pl.col(c.name).cast(pl.String).fill_null("\0") for c in contract.columns], separator="\x1f")


def _latest(contract: Contract, key: list[str], rows: pl.DataFrame) -> pl.DataFrame:
    """Return the greatest row of each key: by version, null first, then by place or by content; last, the table's own.

    Where places do not decide, the earliest of equal rows is kept, so that a copy changes nothing.
    """
    earliest = () if contract.by_arrival else PLACE
    by = [*contract.versions, *(PLACE if contract.by_arrival else (CONTENT, *PLACE)), KNOWN]
    ordered = rows.sort(by, descending=[name in earliest for name in by], nulls_last=False)
    return ordered.unique(subset=key, keep="last", maintain_order=True)


@dataclass(frozen=True)
class Redone:
    """What reading a file again does to the table: rows to write, or to remove where `_gone`, one a key.

    `inserted` counts keys that the table did not have, `unrestored` those whose row was withdrawn and may have had a
    predecessor that would be the latest now: it is not kept.
    """

    rows: pl.DataFrame
    inserted: int
    unrestored: int


def redone(contract: Contract, fresh: pl.LazyFrame, table: pl.LazyFrame, gave: pl.Expr) -> Redone:
    """Withdraw the table's rows for which `gave` is true, and fold in rows that are fresh."""
    key, columns = list(contract.identity), list(silver_schema(contract))
    before = table.filter(gave).select(columns).collect(engine="streaming")
    keys = fresh.select(key).unique().collect(engine="streaming")
    of_keys = [rows.join(keys.lazy(), on=key, how="semi") for rows in (fresh, table.filter(~gave))]
    settled = _latest(contract, key, _candidates(contract, *of_keys))
    settled = settled.filter(~pl.col(KNOWN)).select(columns)
    changed = settled.join(before, on=columns, how="anti", nulls_equal=True)
    gone = before.join(settled, on=key, how="anti")
    old = keys.lazy().join(table.select(key), on=key, how="semi").collect(engine="streaming")
    rows = [changed.with_columns(pl.lit(value=False).alias(GONE)), gone.with_columns(pl.lit(value=True).alias(GONE))]
    unrestored = _unrestored(contract, before, settled) if contract.key else 0
    return Redone(pl.concat(rows), keys.height - old.height, unrestored)


def _unrestored(contract: Contract, before: pl.DataFrame, after: pl.DataFrame) -> int:
    """Count the keys whose withdrawn row has no successor that any predecessor must yield to as well."""
    key, places = list(contract.identity), PLACE if contract.by_arrival else ()
    order = [*contract.versions, *places, KNOWN]
    both = [rows.with_columns(pl.lit(known).alias(KNOWN)) for rows, known in ((before, False), (after, True))]
    last = pl.concat(both).sort(order, nulls_last=False).unique(subset=key, keep="last", maintain_order=True)
    return last.filter(~pl.col(KNOWN)).height
