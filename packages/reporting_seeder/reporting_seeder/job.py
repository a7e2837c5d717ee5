"""Reports by agency and month, made of purchases and of the customers as they are now, in one transaction."""

from typing import Any

import psycopg

NOBODYS = "unknown"  # purchases of customers that no agency has
LOCK = 0x5EEDE2
MAKE = (
    "CREATE SCHEMA IF NOT EXISTS reporting",
    """CREATE TABLE IF NOT EXISTS reporting.agency_revenue (
        agency text, month text, customers bigint NOT NULL, purchases bigint NOT NULL, revenue numeric NOT NULL,
        seeded_at timestamptz NOT NULL, PRIMARY KEY (agency, month))""",
)
REPORTS = """WITH sold AS (
    SELECT coalesce(u.country, %(nobodys)s) AS agency, t.month, t.customer_id, t.amount
    FROM ecommerce.fact_transactions t
    LEFT JOIN ecommerce.users_history u ON u.customer_id = t.customer_id AND u.is_current
)
INSERT INTO reporting.agency_revenue
SELECT agency, month, count(DISTINCT customer_id), count(*), sum(amount), now()
FROM sold WHERE %(agency)s::text IS NULL OR agency = %(agency)s
GROUP BY agency, month"""
KNOWN = "SELECT DISTINCT country FROM ecommerce.users_history WHERE is_current AND country IS NOT NULL ORDER BY 1"


class JobError(Exception):
    """What whoever started the job can do something about."""


def refresh(url: str, agency: str | None) -> dict[str, Any]:
    """Make the reports of an agency, or of all, anew; readers see the old ones or the new ones. Raises JobError."""
    try:
        with psycopg.connect(url) as connection:
            return _refresh(connection, agency)
    except psycopg.errors.UndefinedTable as error:
        raise JobError(
            f"The warehouse lacks a table that reports are made of: {error.diag.message_primary}."
        ) from error
    except psycopg.Error as error:
        raise JobError(f"The warehouse: {error}") from error


def _refresh(connection: "psycopg.Connection[Any]", agency: str | None) -> dict[str, Any]:
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])  # one at a time: two would insert the same keys
    for statement in MAKE:
        connection.execute(statement)
    known = [country for (country,) in connection.execute(KNOWN)]
    if agency is not None and agency not in (*known, NOBODYS):
        raise JobError(f"There is no agency '{agency}'. Known: {', '.join(known)}, {NOBODYS}.")
    whose = {"agency": agency, "nobodys": NOBODYS}
    connection.execute(
        "DELETE FROM reporting.agency_revenue WHERE %(agency)s::text IS NULL OR agency = %(agency)s", whose
    )
    made = connection.execute(REPORTS, whose).rowcount
    ((purchases, revenue),) = connection.execute(
        "SELECT coalesce(sum(purchases), 0), coalesce(sum(revenue), 0) FROM reporting.agency_revenue"
    )
    return {"agency": agency or "all", "reports": made, "purchases": int(purchases), "revenue": str(revenue)}
