"""Which column of a file is which of a contract: exactly, or else without case and Unicode form where that is clear."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from common.contracts.contract import Contract
from common.core.shape import Shape
from common.formats.names import RECORD


@dataclass(frozen=True)
class Match:
    """The columns of a file beside those of a contract.

    `files` has the file's column for each of the contract's by name; `unknown` are columns of the file that the
    contract lacks, `missing` columns of the contract that the file lacks, by the name expected in files. `unclear` has
    the names of the file that could each be a column.
    """

    files: dict[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unclear: dict[str, tuple[str, ...]] = field(default_factory=dict)


def folded(name: str) -> str:
    """Return a name without case and Unicode form."""
    composed = unicodedata.normalize("NFC", name)
    return unicodedata.normalize("NFC", composed.casefold())


def matched(columns: Sequence[str], contract: Contract) -> Match:
    """Match the columns of a file with those of a contract."""
    present = dict.fromkeys(columns)
    files = {column.name: _wanted(column.source) for column in contract.columns if _wanted(column.source) in present}
    left = [name for name in present if name not in files.values()]
    by_fold: dict[str, list[str]] = {}
    for name in left:
        by_fold.setdefault(folded(name), []).append(name)
    wanted: dict[str, list[str]] = {}
    for column in contract.columns:
        if column.name not in files:
            wanted.setdefault(folded(column.source), []).append(column.name)
    unclear: dict[str, tuple[str, ...]] = {}
    for form, names in wanted.items():
        candidates = by_fold.get(form, [])
        if len(candidates) == 1 == len(names):
            files[names[0]] = candidates[0]
        elif candidates:
            unclear |= {contract.column(name).source: tuple(candidates) for name in names}
    return Match(
        files,
        tuple(name for name in present if name not in files.values()),
        tuple(column.source for column in contract.columns if column.name not in files),
        unclear,
    )


def _wanted(source: str) -> str:
    """Return the name that a column has once it is read: one name is reserved for the number of a record."""
    return f"{RECORD}_2" if source == RECORD else source


def of_shape(shape: Shape, contract: Contract) -> Match:
    """Match the columns that were seen in a file with those of a contract."""
    return matched([name for name in shape.columns if name not in shape.absent], contract)
