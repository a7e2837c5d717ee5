"""Days of the call centre in the order in which they are delivered, with what goes wrong on the way."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from domains.telecoms.samples.complaints import (
    CATEGORY,
    CUSTOMER,
    STATUS,
    People,
    Row,
    calls,
    calls_csv,
    forms,
    posts,
    posts_json,
)
from domains.telecoms.samples.people import (
    CUSTOMERS,
    agents,
    as_csv,
    customers,
    moved,
    relocated,
    spoiled_customers,
)

SHEET, TAB = "agents", "Agents"
TABLE = "web_form_request_{:%Y_%m_%d}"
BORN = date(1950, 1, 1)
# Which of the days these things happen to, where there are as many.
LATE, REPEATED, MISSING, CORRECTED = 1, 3, 2, 4


@dataclass(frozen=True)
class Drop:
    """One file as it lands: its key below the domain's raw prefix, and its bytes."""

    key: str
    content: bytes


@dataclass(frozen=True)
class DayTable:
    """One day's table of the web form: its name, and its rows."""

    name: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class Deliveries:
    """All that the systems of the call centre hand over: revisions of a sheet, tables, and files in their order."""

    sheets: Sequence[Sequence[Sequence[object]]]
    tables: Sequence[DayTable]
    drops: Sequence[Drop]
    missing: Sequence[date]  # days that have no table


@dataclass(frozen=True)
class Size:
    """How much there is: customers and agents, and complaints a day by channel."""

    customers: int = 2_000
    agents: int = 60
    calls: int = 300
    posts: int = 120
    forms: int = 80


def deliveries(days: int, seed: int, last: date, size: Size | None = None) -> Deliveries:
    """Make the days that end with `last`; the same for the same arguments."""
    size, chance = size or Size(), random.Random(seed)
    sheet, known = agents(size.agents, chance), customers(size.customers, chance, BORN)
    people = People([row["customer_id"] for row in known], [int(str(row[0])) for row in sheet[1:]])
    dates = [last - timedelta(days=days - 1 - number) for number in range(days)]
    missing = dates[MISSING : MISSING + 1] if days > MISSING else []
    return Deliveries(
        sheets=(sheet, moved(sheet, chance)),
        tables=[
            DayTable(TABLE.format(day), forms(day, size.forms, people, chance)) for day in dates if day not in missing
        ],
        drops=[
            Drop("customers/customers-1.csv", as_csv([*known, *spoiled_customers()], CUSTOMERS)),
            *_files(dates, size, people, chance),
            Drop("customers/customers-2.csv", as_csv(relocated(known, chance), CUSTOMERS)),
        ],
        missing=missing,
    )


def _files(dates: Sequence[date], size: Size, people: People, chance: random.Random) -> Iterator[Drop]:
    """Give each day's files: one comes after all others, one twice, one again with corrections, some with bad rows."""
    late: list[Drop] = []
    for number, day in enumerate(dates):
        log = _calls_of(day, size, people, chance, spoil=number == 0)
        if number == LATE:
            late.append(log)
        else:
            yield log
        if number == REPEATED:
            yield Drop(f"call logs/call_logs_{day:%Y-%m-%d}_again.csv", log.content)
        said = posts(day, size.posts, people, chance)
        yield Drop(
            f"social_media/media_complaint_day_{day:%Y-%m-%d}.json", posts_json([*said, *_spoiled(number, said)])
        )
        if number == CORRECTED:
            late.append(
                Drop(f"social_media/media_complaint_day_{day:%Y-%m-%d}_corrected.json", posts_json(_right(said)))
            )
    yield from late


def _calls_of(day: date, size: Size, people: People, chance: random.Random, *, spoil: bool) -> Drop:
    content = calls_csv(calls(day, size.calls, people, chance))
    if spoil:
        content += b"7,K-short,C000001\r\n"  # a line that was cut off
    return Drop(f"call logs/call_logs_{day:%Y-%m-%d}.csv", content)


def _spoiled(number: int, said: Sequence[Row]) -> list[Row]:
    """Return complaints that cannot be kept, on the first day: of no category that is known, of nobody."""
    if number or not said:
        return []
    return [
        said[0] | {"complaint_id": "M-odd", CATEGORY: "Weather"},
        said[0] | {"complaint_id": "M-nobody", CUSTOMER: ""},
    ]


def _right(said: Sequence[Row]) -> list[Row]:
    """Return a tenth of a day's complaints as they should have been: resolved at once."""
    return [row | {STATUS: "Resolved", "resolution_date": row["request_date"]} for row in said[::10]]
