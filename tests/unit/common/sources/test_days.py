"""Days of a zone, those of 23 and 25 hours too."""

from datetime import UTC, date, datetime, timedelta

import pytest

from common.contracts.sources import SourceSpec
from common.sources.days import at_local, days_over, due_at, end_of, missing_days, table_of


def spec(zone: str = "Europe/Berlin", due: str = "06:00", since: str = "2026-03-27") -> SourceSpec:
    return SourceSpec("table", "c", "0 * * * *", zone, table="form_%Y_%m_%d", since=since, due=due)


@pytest.mark.parametrize(
    ("day", "hours"),
    [(date(2026, 3, 28), 24), (date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 7, 1), 24)],
)
def test_a_day_is_as_long_as_its_zone_says(day: date, hours: int) -> None:
    before = end_of(day - timedelta(days=1), "Europe/Berlin")
    assert end_of(day, "Europe/Berlin") - before == timedelta(hours=hours)


def test_a_table_is_due_by_the_clock_of_its_zone_whatever_the_offset() -> None:
    assert due_at(spec(), date(2026, 3, 28)) == datetime(2026, 3, 29, 4, tzinfo=UTC)  # summer time has begun
    assert due_at(spec(), date(2026, 10, 24)) == datetime(2026, 10, 25, 5, tzinfo=UTC)  # and ended
    assert due_at(spec(due=""), date(2026, 3, 28)) is None


def test_a_time_that_no_clock_shows_is_the_one_after_the_gap_and_one_shown_twice_the_first() -> None:
    from datetime import time

    assert at_local(date(2026, 3, 29), time(2, 30), "Europe/Berlin") == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert at_local(date(2026, 10, 25), time(2, 30), "Europe/Berlin") == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_day_is_over_at_midnight_of_its_zone() -> None:
    at = datetime(2026, 3, 29, 22, tzinfo=UTC)  # midnight in Berlin, in summer
    assert list(days_over(spec(), at)) == [date(2026, 3, 27), date(2026, 3, 28), date(2026, 3, 29)]
    assert list(days_over(spec(), at - timedelta(seconds=1))) == [date(2026, 3, 27), date(2026, 3, 28)]
    assert list(days_over(spec(zone="America/New_York"), at)) == [date(2026, 3, 27), date(2026, 3, 28)]


def test_the_name_of_a_table_keeps_what_is_no_sign() -> None:
    assert table_of("s.web_form_%Y_%m_%d_v2", date(2026, 1, 5)) == "s.web_form_2026_01_05_v2"
    assert table_of("t%Y%j", date(2026, 2, 1)) == "t2026032"


def test_what_is_missing_is_waited_for_until_it_is_due() -> None:
    day = date(2026, 3, 28)
    assert list(missing_days(spec(), [day], datetime(2026, 3, 29, 3, 59, tzinfo=UTC))) == [
        "table form_2026_03_28 of 2026-03-28 is not there: it is due by 06:00 of the next day (Europe/Berlin)"
    ]
    assert list(missing_days(spec(), [day], datetime(2026, 3, 29, 4, tzinfo=UTC))) == [
        "table form_2026_03_28 of 2026-03-28 is not there: it was due by 2026-03-29 04:00 UTC"
    ]
