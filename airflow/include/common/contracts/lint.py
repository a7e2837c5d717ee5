"""What can be wrong with a contract that is well-formed YAML: every fault at once, in plain words."""

import re
from collections.abc import Iterator, Sequence

from common.contracts.column_rules import column_faults
from common.contracts.contract import (
    ARRIVAL,
    NAME,
    TIMES,
    Contract,
    Delivery,
    Evolution,
    Kind,
    LoadSpec,
    LoadStrategy,
    Refiner,
)
from common.contracts.deliver_rules import deliver_faults
from common.contracts.document import Fault
from common.contracts.files import file_faults
from common.contracts.patterns import problem
from common.contracts.scd2_rules import scd2_faults
from common.contracts.source_rules import source_faults
from common.core.targets import targets

BY = ("value", "day", "month", "year")
INEXACT: dict[str, str] = {
    LoadStrategy.FULL: "'full' replaces all rows by those that it carries, so the table would lose what it had of them",
    LoadStrategy.SCD2: "'scd2' makes intervals of all versions of a key, so without one of them the others are wrong",
}
LONGEST = 63  # bytes of a name, which PostgreSQL would cut


def faults(contract: Contract) -> list[Fault]:
    """List what is wrong with a contract, each with where, what was found and what is allowed."""
    parts = (
        _names,
        _columns,
        file_faults,
        _identity,
        _versions,
        _partition,
        _batch,
        _engine,
        _loads,
        source_faults,
        deliver_faults,
    )
    return [fault for part in parts for fault in part(contract)]


def warnings(contract: Contract) -> list[Fault]:
    """List what a contract says that works, but not as it may be meant."""
    return list(_warnings(contract))


def _warnings(contract: Contract) -> Iterator[Fault]:
    if contract.immutable:
        yield Fault(
            "/customProperties/immutable",
            "means nothing any more: a row is found in whichever partition holds it. Leave it out; it will be a fault.",
        )
    if contract.latest and ARRIVAL not in contract.latest:
        proposed = f"[{', '.join((*contract.latest, ARRIVAL))}]"
        yield Fault(
            "/customProperties/latest",
            f"does not say which of two different rows is newer that are equal in {', '.join(contract.latest)}; their "
            f"content decides, and they are counted. With {proposed} the row that came later is.",
        )
    part = contract.partition
    kinds = {column.name: column.kind for column in contract.columns}
    many = kinds.get(part.column or "") in (*TIMES, Kind.DOUBLE, Kind.DECIMAL) or contract.key == (part.column,)
    if part.column and part.by == "value" and many:
        yield Fault(
            "/customProperties/partition",
            f"makes a partition of every single value of '{part.column}', a {kinds.get(part.column)}; hundreds make "
            "every hop slow. Say by: day, month or year, or take a column of few values.",
        )


def _names(contract: Contract) -> Iterator[Fault]:
    for place, text in (("/domain", contract.dataset.domain), ("/schema/0/name", contract.dataset.name)):
        if text and not NAME.fullmatch(text):
            yield Fault(place, f"'{text}' is no name; use lower case letters, digits and underscores.")


def _columns(contract: Contract) -> Iterator[Fault]:
    names, sources = [c.name for c in contract.columns], [c.source for c in contract.columns]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Fault("/schema/0/properties", f"'{name}' stands more than once.")
    for source in sorted({source for source in sources if sources.count(source) > 1}):
        both = dict.fromkeys(column.name for column in contract.columns if column.source == source)
        if len(both) > 1:
            yield Fault(
                "/schema/0/properties",
                f"{' and '.join(both)} both read the column '{source}' of the files; a column is read once.",
            )
    for column in contract.columns:
        where = f"/schema/0/properties/{column.name}"
        if not NAME.fullmatch(column.name):
            yield Fault(where, "is no column name; use lower case letters, digits and underscores, a letter first.")
        yield from column_faults(column, where)


def _identity(contract: Contract) -> Iterator[Fault]:
    names, where = {column.name for column in contract.columns}, "/customProperties/latest"
    if contract.key and not contract.latest:
        yield Fault(
            where,
            "a dataset with a primary key must say which columns tell the newer of "
            f"two rows of one key, or '{ARRIVAL}' for the one that came last.",
        )
    if contract.latest and not contract.key:
        yield Fault(where, "tells the newer of two rows of one key, but no column is `primaryKey`.")
    for name in contract.latest:
        if name != ARRIVAL and name not in names:
            yield Fault(where, f"no column '{name}'. Known: {', '.join(sorted(names))}, {ARRIVAL}.")
    if len(set(contract.latest)) < len(contract.latest):
        yield Fault(where, f"names a column twice: {', '.join(contract.latest)}.")
    if ARRIVAL in contract.latest[:-1]:
        yield Fault(
            where,
            f"'{ARRIVAL}' stands before '{contract.latest[-1]}', which could never decide: no two records arrive at "
            f"once. Put '{ARRIVAL}' last, as in [updated_at, {ARRIVAL}], or leave it out.",
        )


def _versions(contract: Contract) -> Iterator[Fault]:
    where = "/customProperties"
    if contract.history and not contract.key:
        yield Fault(f"{where}/history", "keeps the versions of a key, but no column is `primaryKey`.")
    if contract.delivery not in list(Delivery):
        yield Fault(f"{where}/delivery", f"no '{contract.delivery}'. Known: {', '.join(Delivery)}.")
    elif contract.delivery == Delivery.REPLACE and contract.key:
        yield Fault(
            f"{where}/delivery",
            f"'{Delivery.REPLACE}' takes away the rows of earlier deliveries, but rows with a key are replaced by "
            "key. Leave it out, or leave out `primaryKey`.",
        )
    if contract.deleted is None:
        return
    names = [column.name for column in contract.columns]
    if not contract.key:
        yield Fault(f"{where}/deleted", "says that a key is gone, but no column is `primaryKey`.")
    if contract.deleted.column not in names:
        yield Fault(f"{where}/deleted/column", f"no column '{contract.deleted.column}'. Known: {', '.join(names)}.")
    if not contract.deleted.values:
        yield Fault(f"{where}/deleted/values", "is empty; name at least one value that says that the key is gone.")


def _partition(contract: Contract) -> Iterator[Fault]:
    partition, columns = contract.partition, {column.name: column for column in contract.columns}
    where = "/customProperties/partition"
    if partition.by not in BY:
        yield Fault(f"{where}/by", f"no '{partition.by}'. Known: {', '.join(BY)}.")
    if partition.path is not None and (problem(partition.path) or re.compile(partition.path).groups != 1):
        yield Fault(f"{where}/path", f"'{partition.path}' is not a regular expression with one group.")
    if partition.column is None:
        return
    if partition.column not in columns:
        yield Fault(f"{where}/column", f"no column '{partition.column}'. Known: {', '.join(columns)}.")
    elif partition.by in BY[1:] and columns[partition.column].kind not in TIMES:
        yield Fault(f"{where}/by", f"'{partition.by}' needs a date, '{partition.column}' is none.")
    derived = partition.derived or ""
    if derived in columns:
        yield Fault(where, f"makes a column '{derived}', which the contract has; give that one another name.")
    if len(derived.encode()) > LONGEST:
        yield Fault(where, f"makes a column '{derived}', longer than the {LONGEST} bytes that warehouses keep.")


def _batch(contract: Contract) -> Iterator[Fault]:
    rules, where = contract.batch, "/customProperties/batch"
    share = rules.max_refused_share
    for name, limit in (
        ("maxRefusedShare", share), ("minRows", rules.rows[0]), ("maxRows", rules.rows[1]),
        ("minOfMedian", rules.of_median[0]), ("maxOfMedian", rules.of_median[1]), ("maxAgeHours", rules.max_age_hours),
    ):  # fmt: skip
        if limit is not None and not 0 <= limit < float("inf"):
            yield Fault(f"{where}/{name}", f"found {limit}; limits are numbers from 0 on.")
    if share is not None and share > 1:
        yield Fault(f"{where}/maxRefusedShare", f"found {share}; a share is 0 to 1, as 0.05 for five in a hundred.")
    for (least, most), words in (
        (rules.rows, ("minRows", "maxRows")),
        (rules.of_median, ("minOfMedian", "maxOfMedian")),
    ):
        if least is not None and most is not None and least > most:
            yield Fault(f"{where}/{words[0]}", f"is {least}, above {words[1]} {most}: every batch would be held back.")
    if (rules.max_age_hours is None) != (rules.age_column is None):
        yield Fault(where, "maxAgeHours and ageColumn belong together: the age of the newest value of that column.")
    times = [c.name for c in contract.columns if c.kind in TIMES]
    if rules.age_column is not None and rules.age_column not in times:
        known = ", ".join(times) or "none"
        yield Fault(f"{where}/ageColumn", f"'{rules.age_column}' is no date or timestamp. Known: {known}.")


def _engine(contract: Contract) -> Iterator[Fault]:
    if contract.engine is not None and contract.engine not in list(Refiner):
        yield Fault("/customProperties/engine", f"no '{contract.engine}'. Known: {', '.join(Refiner)}.")


def _loads(contract: Contract) -> Iterator[Fault]:
    yield from (Fault("/customProperties/load", fault) for fault in load_faults(contract.loads))
    yield from scd2_faults(contract)


def load_faults(loads: Sequence[LoadSpec]) -> Iterator[str]:
    """List what is wrong with the loads of a contract or model."""
    tables = [(load.to, (load.table or "").casefold()) for load in loads]
    for to, table in sorted({pair for pair in tables if tables.count(pair) > 1}):
        yield f"two loads write one table of '{to}'{f', {table}' if table else ''}: give each a `table` of its own."
    for load in loads:
        if load.strategy not in list(LoadStrategy):
            yield f"no strategy '{load.strategy}'. Known: {', '.join(LoadStrategy)}."
        if load.to not in targets():
            yield f"no warehouse '{load.to}'. Known: {', '.join(targets())}."
        if load.evolution not in list(Evolution):
            yield f"no evolution '{load.evolution}'. Known: {', '.join(Evolution)}."
        elif load.evolution == Evolution.QUARANTINE and load.strategy in INEXACT:
            yield f"evolution 'quarantine' sets rows aside, and {INEXACT[load.strategy]}. Say 'freeze' or 'evolve'."
