"""The one place that asks for the time."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the current time in UTC, in microseconds."""
    return datetime.now(UTC)  # noqa: TID251 - this is the function the rule points to
