"""Names that columns of a file get, and the marks that reading gives a meaning."""

from collections.abc import Iterable

RECORD = "_record"  # the number of a record in its file; no column of a file may be called so
BLANKS = " "  # the delimiter that stands for any run of blanks and tabs


def unique_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return column names that are neither empty, repeated nor reserved, in order."""
    taken = {RECORD}
    copies: dict[str, int] = {}  # so that equal names take linear time
    unique: list[str] = []
    for position, name in enumerate(names, start=1):
        wanted = name.strip() or f"column_{position}"
        candidate, copy = wanted, copies.get(wanted, 1)
        while candidate in taken:
            copy += 1
            candidate = f"{wanted}_{copy}"
        copies[wanted] = copy
        taken.add(candidate)
        unique.append(candidate)
    return tuple(unique)
