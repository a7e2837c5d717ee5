"""What can be wrong with a contract that is well-formed YAML: every fault at once, in plain words."""

import re
from collections.abc import Iterator, Sequence

from common.contracts.contract import ARRIVAL, Column, Contract, Delivery, Kind, LoadSpec, LoadStrategy
from common.core.targets import TARGETS

BY = ("value", "day", "month", "year")
CASES = (None, "lower", "upper", "title")
NORMALISERS = (None, "email", "phone")
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def faults(contract: Contract) -> list[str]:
    """List what is wrong with a contract, each with where, what was found and what is allowed."""
    parts = (_columns, _identity, _versions, _partition, _batch, _loads)
    return [fault for part in parts for fault in part(contract)]


def _columns(contract: Contract) -> Iterator[str]:
    names = [column.name for column in contract.columns]
    for part, text in (("domain", contract.dataset.domain), ("schema/0/name", contract.dataset.name)):
        if not NAME.fullmatch(text):
            yield f"/{part}: '{text}' is no name; use lower case letters, digits and underscores."
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"/schema/0/properties: '{name}' stands more than once."
    for column in contract.columns:
        yield from _column(column, f"/schema/0/properties/{column.name}")


def _column(column: Column, where: str) -> Iterator[str]:
    if not NAME.fullmatch(column.name):
        yield f"{where}: is no column name; use lower case letters, digits and underscores, a letter first."
    if column.case not in CASES:
        yield f"{where}/case: no '{column.case}'. Known: lower, upper, title."
    if column.normalise not in NORMALISERS:
        yield f"{where}/normalise: no '{column.normalise}'. Known: email, phone."
    if column.pattern is not None and not _compiles(column.pattern):
        yield f"{where}/logicalTypeOptions/pattern: '{column.pattern}' is no regular expression."
    if not 1 <= column.precision <= 38 or not 0 <= column.scale <= column.precision:
        found = f"decimal({column.precision},{column.scale})"
        yield f"{where}/physicalType: {found}: precision is 1 to 38, scale at most precision."


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _identity(contract: Contract) -> Iterator[str]:
    names = {column.name for column in contract.columns}
    if contract.key and not contract.latest:
        yield (
            "/customProperties/latest: a dataset with a primary key must say which columns tell the newer of "
            "two rows of one key, or 'arrival' for the one that came last."
        )
    for name in contract.latest:
        if name != ARRIVAL and name not in names:
            yield f"/customProperties/latest: no column '{name}'. Known: {', '.join(sorted(names))}, {ARRIVAL}."
    if ARRIVAL in contract.latest[:-1]:
        yield (
            f"/customProperties/latest: '{ARRIVAL}' stands before '{contract.latest[-1]}', which could never decide: "
            f"no two records arrive at once. Put '{ARRIVAL}' last, as in [updated_at, {ARRIVAL}], or leave it out."
        )


def _versions(contract: Contract) -> Iterator[str]:
    where = "/customProperties"
    if not isinstance(contract.history, bool):
        yield f"{where}/history: found {contract.history!r}; allowed are true and false."
    elif contract.history and not contract.key:
        yield f"{where}/history: keeps the versions of a key, but no column is `primaryKey`."
    if contract.delivery not in list(Delivery):
        yield f"{where}/delivery: no '{contract.delivery}'. Known: {', '.join(Delivery)}."
    elif contract.delivery == Delivery.REPLACE and contract.key:
        yield (
            f"{where}/delivery: '{Delivery.REPLACE}' takes away the rows of earlier deliveries, but rows with a key "
            "are replaced by key. Leave it out, or leave out `primaryKey`."
        )
    if contract.deleted is not None:
        yield from _deleted(contract, f"{where}/deleted")


def _deleted(contract: Contract, where: str) -> Iterator[str]:
    marker, names = contract.deleted, [column.name for column in contract.columns]
    if marker is None:
        return
    if not contract.key:
        yield f"{where}: says that a key is gone, but no column is `primaryKey`."
    if marker.column not in names:
        yield f"{where}/column: no column '{marker.column}'. Known: {', '.join(names)}."
    if not marker.values:
        yield f"{where}/values: is empty; name at least one value that says that the key is gone."


def _partition(contract: Contract) -> Iterator[str]:
    partition, columns = contract.partition, {column.name: column for column in contract.columns}
    if partition.by not in BY:
        yield f"/customProperties/partition/by: no '{partition.by}'. Known: {', '.join(BY)}."
    if partition.path is not None and (not _compiles(partition.path) or re.compile(partition.path).groups != 1):
        yield f"/customProperties/partition/path: '{partition.path}' is not a regular expression with one group."
    if partition.column is None:
        return
    if partition.column not in columns:
        yield f"/customProperties/partition/column: no column '{partition.column}'. Known: {', '.join(columns)}."
    elif partition.by in BY[1:] and columns[partition.column].kind not in (Kind.DATE, Kind.TIMESTAMP):
        yield f"/customProperties/partition/by: '{partition.by}' needs a date, '{partition.column}' is none."
    elif contract.key and partition.column not in (*contract.key, *contract.immutable):
        yield (
            f"/customProperties/partition/column: '{partition.column}' is not part of the key, so a row could "
            "move between partitions; make it part of the key or list it under `immutable`."
        )


def _batch(contract: Contract) -> Iterator[str]:
    rules, where = contract.batch, "/customProperties/batch"
    numbers = [rules.max_refused_share, *rules.rows, *rules.of_median, rules.max_age_hours]
    if any(n is not None and (isinstance(n, bool) or not isinstance(n, int | float) or n < 0) for n in numbers):
        yield f"{where}: limits are numbers from 0 on; found {numbers}."
    if (rules.max_age_hours is None) != (rules.age_column is None):
        yield f"{where}: maxAgeHours and ageColumn belong together: the age of the newest value of that column."
    times = [c.name for c in contract.columns if c.kind in (Kind.DATE, Kind.TIMESTAMP)]
    if rules.age_column is not None and rules.age_column not in times:
        yield f"{where}/ageColumn: '{rules.age_column}' is no date or timestamp. Known: {', '.join(times) or 'none'}."


def _loads(contract: Contract) -> Iterator[str]:
    yield from (f"/customProperties/load: {fault}" for fault in load_faults(contract.loads))


def load_faults(loads: Sequence[LoadSpec]) -> Iterator[str]:
    """List what is wrong with the loads of a contract or model."""
    tables = [(load.to, (load.table or "").casefold()) for load in loads]
    for to, table in sorted({pair for pair in tables if tables.count(pair) > 1}):
        yield f"two loads write one table of '{to}'{f', {table}' if table else ''}: give each a `table` of its own."
    for load in loads:
        if load.strategy not in list(LoadStrategy):
            yield f"no strategy '{load.strategy}'. Known: {', '.join(LoadStrategy)}."
        if load.to not in TARGETS:
            yield f"no warehouse '{load.to}'. Known: {', '.join(TARGETS)}."
