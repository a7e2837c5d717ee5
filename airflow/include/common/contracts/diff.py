"""What changes between two contracts, and whether a reader or a file would break."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

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
    for name in [name for name in before if name not in after]:
        yield Difference(name, "column removed", breaking=True)
    for name in [name for name in after if name not in before]:
        yield Difference(name, "column added", breaking=after[name].required)
    for name in [c.name for c in old.columns if c.name in after]:
        yield from _column(before[name], after[name])


def _column(old: Column, new: Column) -> Iterator[Difference]:
    for item in fields(Column):
        was, now = getattr(old, item.name), getattr(new, item.name)
        if was != now:
            optional_now = item.name == "required" and not now
            change = f"{_in_words(was)} -> {_in_words(now)}"
            yield Difference(f"{old.name}.{item.name}", change, item.name not in LOOSER and not optional_now)


def _table(old: Contract, new: Contract) -> Iterator[Difference]:
    meaning = ("key", "latest", "history", "deleted", "delivery", "partition")
    for name in (*meaning, "dialect", "files", "batch", "source"):
        was, now = getattr(old, name), getattr(new, name)
        if was != now:
            yield Difference(name, f"{_in_words(was)} -> {_in_words(now)}", breaking=name in meaning)


def _in_words(value: Any) -> str:
    """Write a value of a contract as a person would say it."""
    match value:
        case None | () | frozenset():
            return "nothing"
        case bool():
            return "yes" if value else "no"
        case "":
            return "the empty text"
        case tuple() | list() | set():
            return ", ".join(map(_in_words, value))
    if is_dataclass(value):
        set_apart = [item.name for item in fields(value) if getattr(value, item.name) != item.default]
        return "; ".join(f"{name}: {_in_words(getattr(value, name))}" for name in set_apart) or "nothing"
    return str(value)
