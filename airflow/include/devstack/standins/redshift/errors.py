"""What goes wrong, as Redshift and its Data API say it."""

import psycopg
from psycopg import errors


class Failed(Exception):
    """A statement failed; the text is what DescribeStatement shows."""


class Refused(Exception):
    """The API refuses a call, by one of its exceptions."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def wording(error: psycopg.Error) -> str:
    """Return an error of PostgreSQL in Redshift's words."""
    # No key is enforced: a unique index that is violated is one of the catalogue, where two define the same at once.
    if isinstance(error, errors.SerializationFailure | errors.DeadlockDetected | errors.UniqueViolation):
        return "ERROR: 1023\n  DETAIL: Serializable isolation violation on a table, transactions form a cycle"
    if isinstance(error, errors.CheckViolation):  # made of a VARCHAR's length, see `types`
        return "ERROR: value too long for type character varying"
    return f"ERROR: {error.diag.message_primary or error}"
