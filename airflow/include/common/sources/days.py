"""The days of a zone, some of which have 23 or 25 hours: which are over, and when the table of one is due."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from common.contracts.sources import CLOCK, SIGN, SourceSpec

DAY = timedelta(days=1)


def at_local(day: date, clock: time, zone: str) -> datetime:
    """Return the moment at which a clock of the zone shows a time, the first of two; UTC.

    A time that no clock shows that day is taken as the same time since midnight: 02:30 is 03:30 then.
    """
    return datetime.combine(day, clock, ZoneInfo(zone)).astimezone(UTC)


def end_of(day: date, zone: str) -> datetime:
    """Return the moment at which a day of the zone is over."""
    return at_local(day + DAY, time(), zone)


def due_at(spec: SourceSpec, day: date) -> datetime | None:
    """Return by when the table of a day must be there; None where the contract does not say."""
    found = CLOCK.fullmatch(spec.due)
    return at_local(day + DAY, time(int(found[1]), int(found[2])), spec.zone) if found else None


def days_over(spec: SourceSpec, at: datetime) -> Iterator[date]:
    """Walk through the days that are over, from the first that has a table."""
    day = spec.first_day
    while end_of(day, spec.zone) <= at:
        yield day
        day += DAY


def table_of(pattern: str, day: date) -> str:
    """Return the name of the table of a day; texts around the signs stay as they are."""
    return SIGN.sub(lambda sign: day.strftime(sign[0]), pattern)


def missing_days(spec: SourceSpec, days: Sequence[date], at: datetime) -> Iterator[str]:
    """Say of each day whose table is not there whether it is waited for, or missing since when."""
    for day in days:
        due = due_at(spec, day)
        when = f"is due by {spec.due} of the next day ({spec.zone})"
        if due is not None and due <= at:
            when = f"was due by {due:%Y-%m-%d %H:%M} UTC"
        yield f"table {table_of(spec.table, day)} of {day} is not there" + (f": it {when}" if due else "")
