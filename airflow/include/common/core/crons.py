"""Cron schedules: whether a text is one, and when something should have come.

Its library is loaded when a schedule is read: DAG files are parsed without.
"""

from datetime import datetime


def is_cron(text: str) -> bool:
    """Return whether a text is a cron of five fields."""
    from croniter import croniter

    return len(text.split()) == 5 and bool(croniter.is_valid(text))


def next_after(cron: str, at: datetime) -> datetime:
    """Return the first moment of a schedule after another."""
    from croniter import croniter

    found: datetime = croniter(cron, at).get_next(datetime)
    return found


def nth_last(cron: str, at: datetime, n: int) -> datetime:
    """Return the n-th last moment of a schedule before another: what was not seen since missed n times."""
    from croniter import croniter

    schedule = croniter(cron, at)
    for _ in range(n):
        found: datetime = schedule.get_prev(datetime)
    return found
