"""What can be wrong with a load by `scd2`: it needs versions in time, and names for what it adds."""

from collections.abc import Iterator

from common.contracts.contract import (
    ARRIVAL,
    ARRIVAL_COLUMN,
    FILE_COLUMN,
    NAME,
    RECORD_COLUMN,
    TIMES,
    Contract,
    LoadSpec,
    LoadStrategy,
)
from common.contracts.document import Fault

LOADS = "/customProperties/load"
WORDS = ("validFrom", "validTo", "isCurrent")


def scd2_faults(contract: Contract) -> Iterator[Fault]:
    """List what keeps the loads of a contract from keeping intervals, and words that mean nothing without `scd2`."""
    for position, load in enumerate(contract.loads):
        where = f"{LOADS}/{position}"
        if load.strategy != LoadStrategy.SCD2:
            yield from _strangers(load, where)
            continue
        yield from _versions(contract, load, where)
        yield from _tracked(contract, load, where)
        yield from _names(contract, load, where)


def _strangers(load: LoadSpec, where: str) -> Iterator[Fault]:
    given = dict(zip(("track", *WORDS), (load.track, load.valid_from, load.valid_to, load.is_current), strict=True))
    for word in [word for word, value in given.items() if value is not None]:
        yield Fault(f"{where}/{word}", f"means something for strategy 'scd2' alone; this load is '{load.strategy}'.")


def _versions(contract: Contract, load: LoadSpec, where: str) -> Iterator[Fault]:
    if not contract.history:
        yield Fault(
            f"{where}/strategy",
            "'scd2' makes rows of the versions of a key, and the table keeps the newest alone: say {property: history, "
            "value: true} under customProperties, too (docs/contracts.md, Slowly changing dimensions), or load by "
            "'incremental'.",
        )
    if load.history:
        yield Fault(f"{where}/history", "makes a row of each version, 'scd2' one of each interval: leave it out.")
    kinds = {column.name: column.kind for column in contract.columns}
    time = contract.versions[0] if contract.versions else None
    if time in kinds and kinds[time] not in TIMES:
        yield Fault(
            f"{where}/strategy",
            f"'scd2' needs to know since when a version is valid, and the first column of `latest`, '{time}', is "
            f"{kinds[time]}. Put a date or a timestamp there, or '{ARRIVAL}' alone for the time of the delivery.",
        )


def _tracked(contract: Contract, load: LoadSpec, where: str) -> Iterator[Fault]:
    where, track = f"{where}/track", load.track
    known = [c.name for c in contract.columns if c.name not in (*contract.key, *contract.versions)]
    if track == ():
        yield Fault(where, "is empty, so that no change would open a row; leave it out to track all columns.")
    for name in dict.fromkeys(track or ()):
        if name in contract.key:
            yield Fault(where, f"'{name}' is of the key, which is the same in all rows of a key: leave it out.")
        elif name in contract.versions:
            yield Fault(where, f"'{name}' tells versions apart, so that each would open a row: leave it out.")
        elif name not in known:
            yield Fault(where, f"no column '{name}'. Known: {', '.join(known)}.")
        elif track and track.count(name) > 1:
            yield Fault(where, f"names '{name}' twice.")


def _names(contract: Contract, load: LoadSpec, where: str) -> Iterator[Fault]:
    taken = {column.name for column in contract.columns} | {FILE_COLUMN, RECORD_COLUMN, ARRIVAL_COLUMN}
    taken |= {contract.partition.derived} if contract.partition.derived else set()
    names = (load.valid_from, load.valid_to, load.is_current)
    for word, given, name in zip(WORDS, names, load.interval, strict=True):
        if given is not None and not NAME.fullmatch(given):
            yield Fault(f"{where}/{word}", f"'{given}' is no name; use lower case letters, digits and underscores.")
        if name in taken:
            yield Fault(f"{where}/{word}", f"the table has a column '{name}' already; give this one another name.")
    for name in sorted({name for name in load.interval if load.interval.count(name) > 1}):
        yield Fault(where, f"'{name}' would be the name of two columns: {', '.join(WORDS)} need one each.")
