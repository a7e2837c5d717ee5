"""What changes between two contracts, and whether a reader or a file would break."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from common.contracts.contract import Column, Contract

LOOSER = {"description", "personal", "formats", "nulls"}


@dataclass(frozen=True)
class Difference:
    """One change; `breaking` when old files or readers of the table may fail."""

    where: str
    change: str
    breaking: bool


def differences(old: Contract, new: Contract) -> list[Difference]:
    """List what is different, column by column, then for the table as a whole."""
    return [*_columns(old, new), *_table(old, new)]


def _columns(old: Contract, new: Contract) -> Iterator[Difference]:
    before, after = ({c.name: c for c in contract.columns} for contract in (old, new))
    for name in before.keys() - after.keys():
        yield Difference(name, "column removed", breaking=True)
    for name in after.keys() - before.keys():
        yield Difference(name, "column added", breaking=after[name].required)
    for name in [c.name for c in old.columns if c.name in after]:
        yield from _column(before[name], after[name])


def _column(old: Column, new: Column) -> Iterator[Difference]:
    for item in fields(Column):
        was, now = getattr(old, item.name), getattr(new, item.name)
        if was != now:
            optional_now = item.name == "required" and not now
            yield Difference(f"{old.name}.{item.name}", f"{was} -> {now}", item.name not in LOOSER and not optional_now)


def _table(old: Contract, new: Contract) -> Iterator[Difference]:
    meaning = ("key", "latest", "history", "deleted", "delivery", "partition")
    for name in (*meaning, "dialect", "batch"):
        was, now = getattr(old, name), getattr(new, name)
        if was != now:
            yield Difference(name, f"{was} -> {now}", breaking=name in meaning)
