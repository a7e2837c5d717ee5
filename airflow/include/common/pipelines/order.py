"""The order of a study's deliveries: a row waits for earlier records of its subject that are refused and open.

The order is that of arrivals: rows of one delivery do not wait for each other, and a correction does not wait for what
it corrects. Where a record is refused for a column that says whose it is, nobody knows whose it is: nothing waits.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from sqlalchemy import Row

from common.contracts.contract import ARRIVAL_COLUMN, FILE_COLUMN, RECORD_COLUMN
from common.contracts.deliveries import DeliverSpec
from common.core.arrivals import microseconds
from common.lake.schema import KEY, key_text
from common.lake.source import LakeSource
from common.lake.table import reading
from common.ledger.refusals import WAITING, refused_rows_of
from common.load.aside import UNDELIVERED
from common.refine.refused import rows_of

WITHDRAWN = "withdrawn"  # rule of a row that silver lacks again: CDMS keeps its form, and a person decides
HERE = "of this hop"


@dataclass(frozen=True)
class Refused:
    """A refused record: key, subject, arrival, the refusal that it is part of, and the place where it stood."""

    key: str
    subject: str
    arrival: int
    refusal: str
    origin: tuple[str, int] = ("", 0)
    by_target: bool = True


@dataclass
class Order:
    """What is refused and open of a study at one version of silver, and which of its rows wait for it.

    `waiting` holds the keys of rows that wait since earlier hops, `undelivered` those of rows that CDMS has refused and
    that are in silver still: each by refusal.
    """

    spec: DeliverSpec
    waiting: Mapping[str, Sequence[str]] = field(default_factory=dict)
    undelivered: Mapping[str, Sequence[str]] = field(default_factory=dict)
    _lasting: dict[str, list[Refused]] = field(default_factory=lambda: defaultdict(list))
    _sendable: dict[str, dict[str, Refused]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, one: Refused, *, sendable: bool) -> None:
        """Let later rows wait for a record; a sendable one is in silver, or what it became, and may be sent itself."""
        if not sendable:
            self._lasting[one.subject].append(one)
        elif one.arrival <= self._sendable[one.subject].get(one.key, one).arrival:
            self._sendable[one.subject][one.key] = one

    def corrects(self, row: Mapping[str, Any]) -> bool:
        """Return whether a row is what a refused record became, or is that record: it waits for nothing."""
        return row[KEY] in self._sendable[subject_of(self.spec, row)]

    def waits_for(self, row: Mapping[str, Any], sent: Collection[str] = ()) -> str:
        """Name the refusal that a row waits for, but for those whose keys are sent; nothing where it need not wait."""
        if self.corrects(row):
            return ""
        subject, arrival = subject_of(self.spec, row), _arrival(row)
        unsent = (one for key, one in self._sendable[subject].items() if key not in sent)
        return next((one.refusal for one in (*self._lasting[subject], *unsent) if one.arrival < arrival), "")

    def settle(self, row: Mapping[str, Any], *, refused: bool) -> None:
        """Remember that a row was sent: later ones wait for it now, or no more."""
        subject = subject_of(self.spec, row)
        if refused:
            self.add(Refused(row[KEY], subject, _arrival(row), HERE), sendable=True)
        else:
            self._sendable[subject].pop(row[KEY], None)


def order_of(
    spec: DeliverSpec, study: str, source: LakeSource, version: int, refusals: Sequence[Row[Any]], sent: Collection[str]
) -> Order:
    """Look what of a study is refused and open, and where it stands in silver; `sent` are the keys to be delivered."""
    waiting, undelivered = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    order = Order(spec, waiting, undelivered)
    found = [(refusal, one) for refusal in refusals for one in _records(spec, study, refusal)]
    places = _places(spec, study, source, version, {one.key for _, one in found}) if found else {}
    for refusal, one in found:
        arrival, origin = places.get(one.key, (0, ("", 0)))
        if refusal.rule == WAITING:
            waiting[one.refusal].append(one.key)
            continue
        still = origin == one.origin if one.by_target else (arrival, origin[1]) <= (one.arrival, one.origin[1])
        if one.by_target:
            undelivered[one.refusal] += [one.key] if still else []
        if refusal.waived is None and (still or one.key in sent) and (one.key in places or not one.by_target):
            order.add(one, sendable=one.by_target or not still)
    return order


def subject_of(spec: DeliverSpec, row: Mapping[str, Any]) -> str:
    """Return whose a row is."""
    return str(row[spec.subject.column]) if spec.subject.column else ""


def _arrival(row: Mapping[str, Any]) -> int:
    """Return when a row arrived; one from before there were arrivals waits for nothing."""
    return microseconds(str(row[ARRIVAL_COLUMN])) if row[ARRIVAL_COLUMN] else 0


def _records(spec: DeliverSpec, study: str, refusal: Row[Any]) -> Iterator[Refused]:
    """Give the records of a refusal that are surely of the study, each with whose it is."""
    by_target = refusal.reason == UNDELIVERED
    if refusal.rule == WITHDRAWN or (not by_target and refusal.column in spec.whose):
        return
    with reading(refusal.place):
        rows = rows_of(refused_rows_of(refusal._mapping))
        if KEY not in rows.collect_schema():  # it was refused before quarantine kept keys
            return
        kept = rows.select("file", "record", KEY, "text").filter(pl.col(KEY).is_not_null()).collect()
    for file, record, text, row in kept.iter_rows():
        values = json.loads(text)
        if values[spec.study] != study or (spec.subject.column and values[spec.subject.column] is None):
            continue
        arrival = _arrival(json.loads(row)) if by_target else int(refusal.arrival or 0)
        yield Refused(text, subject_of(spec, values), arrival, refusal.id, (file, record), by_target)


def _places(
    spec: DeliverSpec, study: str, source: LakeSource, version: int, keys: Collection[str]
) -> dict[str, tuple[int, tuple[str, int]]]:
    """Return when the rows that silver has of some keys arrived, and where they stood."""
    with reading(source.uri):
        rows = source.at(version).filter(pl.col(spec.study).cast(pl.String) == study).with_columns(key_text(source.key))
        there = rows.filter(pl.col(KEY).is_in(list(keys))).select(KEY, FILE_COLUMN, RECORD_COLUMN, ARRIVAL_COLUMN)
        return {row[KEY]: (_arrival(row), (row[FILE_COLUMN], row[RECORD_COLUMN])) for row in there.collect().to_dicts()}
