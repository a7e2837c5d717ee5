"""What arrived: answers from the warehouse, counts and refusals from the ledger."""

from typing import Any

from rich.console import Console
from rich.table import Table

from common.core.errors import WatershedError
from devstack.follow import counts_table, progress

QUESTIONS = {
    "purchases": "SELECT count(*) FROM ecommerce.fact_transactions",
    "customers": "SELECT count(DISTINCT customer_id) FROM ecommerce.fact_transactions",
    "revenue": "SELECT sum(revenue) FROM ecommerce.daily_revenue",
    "cds": "SELECT sum(cds)::bigint FROM ecommerce.fact_transactions",
}
TOP = "SELECT customer_id, revenue FROM ecommerce.user_ltv ORDER BY revenue DESC, customer_id LIMIT 3"
WAREHOUSE = ("load", "transform")  # kinds whose tables are a warehouse's
LAST = (*WAREHOUSE, "deliver")  # kinds that a domain ends with
COUNTED = ("kind", "good", "merged", "refused", "hops")
REFUSED = ("consumer", "origin", "reason", "column", "count", "of", "place")
BEST = "SELECT month, sum(revenue) AS total FROM ecommerce.daily_revenue GROUP BY month ORDER BY total DESC LIMIT 1"


def summarise(domain: str, last_put: float, seconds: dict[str, float]) -> dict[str, Any]:
    """Collect what the demo is about; `last_put` is the time of the last file put, in seconds since the epoch.

    Raises WatershedError where no hop of the last stage was ever done.
    """
    from common.ledger.database import transaction
    from common.ledger.refusals import Filter, matching

    rows = progress(domain)
    with transaction() as connection:
        refused = matching(connection, Filter(consumer=f"{domain}."))
    ends = [row["last"].timestamp() for row in rows if row["kind"] in LAST and row["last"]]
    if not ends:
        raise WatershedError(
            f"Nothing of {domain} has reached the end of its way, though nothing waits: were its contracts or models "
            "changed while the demo ran? `watershed status` shows what there is now."
        )
    seconds = seconds | {"put_to_warehouse": max(ends) - last_put}
    reasons: dict[str, int] = {}
    for row in refused:
        reasons[row["reason"]] = reasons.get(row["reason"], 0) + row["count"]
    return {
        "warehouse": warehouse_rows(rows),
        "hops": [
            {"consumer": row["consumer"], "in": row["taken"], **{name: row[name] for name in COUNTED}} for row in rows
        ],
        "refusals": dict(sorted(reasons.items())),
        "refused": [{name: row[name] for name in REFUSED} for row in refused],
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
    }


def answers() -> dict[str, Any]:
    """Ask the warehouse what a shopkeeper would."""
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    from common.core.settings import settings

    hook = PostgresHook(postgres_conn_id=settings().warehouse_conn)
    found: dict[str, Any] = {name: hook.get_first(question)[0] for name, question in QUESTIONS.items()}
    best = hook.get_first(BEST)
    return {
        **found,
        "revenue": float(found["revenue"] or 0),
        "top_customers": [{"customer": c, "revenue": float(r)} for c, r in hook.get_records(TOP)],
        "best_month": {"month": best[0], "revenue": float(best[1])} if best else None,
    }


def warehouse_rows(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Count the rows of every table that is loaded, by `table` for the first target and `table@target` for others."""
    from common.core.targets import targets
    from common.warehouses.registry import warehouse
    from common.warehouses.sql import count

    found = {}
    for row in rows:
        if row["kind"] in WAREHOUSE:
            table, _, to = row["consumer"].partition("@")
            name = table if to == next(iter(targets())) else row["consumer"]
            found[name] = int(warehouse(to).query(count(table))[0][0])
    return found


def show_summary(console: Console, found: dict[str, Any]) -> None:
    """Tell a person what arrived of the shop, what was refused, and where to look."""
    show_arrived(console, found)
    answers = found["answers"]
    top = ", ".join(f"{c['customer']} ({c['revenue']:,.2f})" for c in answers["top_customers"])
    console.print(
        f"\n[bold]{answers['purchases']:,} purchases[/] of {answers['customers']:,} customers: "
        f"{answers['cds']:,} CDs for {answers['revenue']:,.2f} dollars.\n"
        f"Revenue: {answers['revenue']:,.2f}. Top customers: {top}. "
        f"Best month: {answers['best_month']['month']} ({answers['best_month']['revenue']:,.2f}).\n"
        f"Slack received: {found['alert']}\n"
        f"{'and then: ' + found['resolved'] + chr(10) if found['resolved'] else ''}"
        f"{took(found['seconds'])}",
        highlight=False,
    )


def show_arrived(console: Console, found: dict[str, Any]) -> None:
    """Tell what each step has done, what was refused and why, and what the warehouses have."""
    hops = [{**hop, "taken": hop["in"], "waiting": 0} for hop in found["hops"]]
    console.print(counts_table(hops, "\nEvery step: in = new + also + refused"))
    console.print(_refusals(found["refused"]))
    console.print(
        "Refused files lie below quarantine/files/ with their reason, refused rows below quarantine/rows/ with file, "
        "line, byte offset and original text.",
        style="dim",
    )
    if found["warehouse"]:
        console.print(_warehouse(found["warehouse"]))


def took(seconds: dict[str, float]) -> str:
    """Say how long it took from the last file to the last row."""
    if seconds["put_to_warehouse"] < 0:
        return "The warehouse had all of it before: the same files again change nothing."
    return f"From the last file put to the last warehouse row: {seconds['put_to_warehouse']:.1f} s."


def _refusals(refused: list[dict[str, Any]]) -> Table:
    table = Table(title="\nRefused: files, and rows of files", title_justify="left", box=None, header_style="dim")
    table.add_column("file or consumer", overflow="fold")
    table.add_column("why")
    causes: dict[str, list[str]] = {}
    for row in sorted(refused, key=lambda r: (r["origin"] or r["consumer"], r["reason"], r["column"] or "")):
        where = f" in {row['column']}" if row["column"] else ""
        # Rows that a target refuses come from a table of the lake, and not from one file.
        causes.setdefault(row["origin"] or row["consumer"], []).append(f"{row['count']} {row['reason']}{where}")
    for origin, found in causes.items():
        table.add_row(origin, ", ".join(found))
    return table


def _warehouse(rows: dict[str, int]) -> Table:
    table = Table(
        title="\nWarehouses: PostgreSQL, and others by their name", title_justify="left", box=None, header_style="dim"
    )
    table.add_column("table", no_wrap=True)
    table.add_column("rows", justify="right")
    for name, count in rows.items():
        table.add_row(name, f"{count:,}")
    return table
