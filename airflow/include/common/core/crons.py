"""Cron schedules: when something should have come."""

from datetime import datetime

from croniter import croniter


def nth_last(cron: str, at: datetime, n: int) -> datetime:
    """Return the n-th last moment of a schedule before another: what was not seen since missed n times."""
    schedule = croniter(cron, at)
    for _ in range(n):
        found: datetime = schedule.get_prev(datetime)
    return found
