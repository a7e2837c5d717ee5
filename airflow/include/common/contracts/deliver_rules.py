"""What can be wrong with how the rows of a contract are delivered."""

import re
from collections.abc import Iterator

from common.contracts.contract import Column, Contract, Kind
from common.contracts.deliveries import DeliverSpec, Part
from common.contracts.document import Fault

WHERE = "/customProperties/deliver"
STUDY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,49}")  # what consumers, DAGs and keys of objects are called after


def deliver_faults(contract: Contract) -> Iterator[Fault]:
    """List what is wrong with the delivery of a contract, if it has one."""
    spec = contract.deliver
    if spec is None:
        return
    columns = {column.name: column for column in contract.columns}
    for word in ("conn", "form"):
        if not getattr(spec, word).strip():
            yield Fault(f"{WHERE}/{word}", "is empty.")
    yield from _study(spec, columns)
    for word, part in spec.parts():
        yield from _part(word, part, columns)
        of_the_event = word == "eventGroup" and part.column == spec.event.column  # the event tells it from others
        if not of_the_event and len(set(part.codes.values())) < len(part.codes):
            yield Fault(f"{WHERE}/{word}/codes", "says two values by one code, so they could not be told apart.")
    yield from _sequence(spec, columns)
    yield from _items(spec)
    yield from _identity(contract, spec)


def _study(spec: DeliverSpec, columns: dict[str, Column]) -> Iterator[Fault]:
    if spec.study not in columns:
        yield _unknown("study", spec.study, columns)
        return
    studies = columns[spec.study].accepted
    if not studies:
        yield Fault(f"{WHERE}/study", f"'{spec.study}' has no `enum`; its values are the studies that there are.")
    for study in (study for study in studies if not STUDY.fullmatch(str(study))):
        yield Fault(f"{WHERE}/study", f"'{study}' is no name of a study; use letters, digits, dash and underscore.")


def _part(word: str, part: Part, columns: dict[str, Column]) -> Iterator[Fault]:
    where = f"{WHERE}/{word}"
    if bool(part.column) == bool(part.value):
        yield Fault(where, "needs either `column` or `value`.")
    if part.column and part.column not in columns:
        yield _unknown(word, part.column, columns)
        return
    if not word.startswith("items/"):
        if part.unit:
            yield Fault(f"{where}/unit", "means nothing here; only items have units.")
        if part.column and not (columns[part.column].required):
            yield Fault(where, f"column '{part.column}' may lack a value; say `required` there.")
    if part.codes:
        yield from _codes(where, part, columns)


def _codes(where: str, part: Part, columns: dict[str, Column]) -> Iterator[Fault]:
    """List what keeps codes from saying each accepted value."""
    accepted = {str(value) for value in columns[part.column].accepted} if part.column else set()
    if not accepted:
        yield Fault(f"{where}/codes", "needs a column with an `enum`, whose values they are for.")
    elif accepted != set(part.codes):
        lacking, idle = sorted(accepted - set(part.codes)), sorted(set(part.codes) - accepted)
        yield Fault(f"{where}/codes", f"lacks {lacking} of the column's `enum`, and has {idle} that are none of it.")


def _sequence(spec: DeliverSpec, columns: dict[str, Column]) -> Iterator[Fault]:
    if not spec.sequence:
        return
    if spec.sequence not in columns:
        yield _unknown("formSequence", spec.sequence, columns)
    elif columns[spec.sequence].kind is not Kind.INTEGER or not (columns[spec.sequence].minimum or 0) >= 1:
        yield Fault(f"{WHERE}/formSequence", f"column '{spec.sequence}' is no integer with a `minimum` of 1.")


def _items(spec: DeliverSpec) -> Iterator[Fault]:
    names = [(item.group, item.item) for item in spec.items]
    if not names:
        yield Fault(f"{WHERE}/items", "is empty; name the items that are delivered.")
    for group, item in sorted({name for name in names if names.count(name) > 1}):
        yield Fault(f"{WHERE}/items", f"'{item}' of '{group}' stands more than once.")


def _identity(contract: Contract, spec: DeliverSpec) -> Iterator[Fault]:
    """A key and a form must be one and the same, or rows would undo each other, and corrections miss their form."""
    if set(contract.key) != set(spec.place):
        key = ", ".join(contract.key) or "none"
        yield Fault(
            WHERE,
            f"tells forms apart by {', '.join(spec.place)}, but the primary key is {key}. "
            "It must be these columns: then each row is a form of its own, and a correction finds it.",
        )


def _unknown(word: str, name: str, columns: dict[str, Column]) -> Fault:
    return Fault(f"{WHERE}/{word}", f"no column '{name}'. Known: {', '.join(columns)}.")
