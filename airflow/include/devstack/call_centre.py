"""The call centre's systems, made to hand over generated days, and a tour that follows them into Snowflake."""

import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import httpx
from rich.console import Console
from sqlglot import exp

from common.core.clock import now
from common.core.errors import ConfigError
from devstack.follow import Following, progress, settled
from devstack.summary import show_arrived, summarise, took
from devstack.tour import SLOW, api, messages, put, slack, start, wait_for, why
from domains.telecoms.samples.days import SHEET, TAB, DayTable, Deliveries, deliveries

DOMAIN = "telecoms"
DAYS, SEED = 7, 2026
AGENTS, FORMS = f"{DOMAIN}_agents_ingest", f"{DOMAIN}_web_forms_ingest"
SHEETS, WEB = "google_sheets", "telecoms_web"
COLUMNS = {
    "request_id": "text PRIMARY KEY",
    "customeR iD": "text",
    "COMPLAINT_catego ry": "text",
    "agent ID": "integer",
    "resolutionstatus": "text",
    "request_date": "timestamp",
    "resolution_date": "timestamp",
    "webFormGenerationDate": "date",
}


def generated(days: int, seed: int) -> Deliveries:
    """Make the days that end yesterday."""
    return deliveries(days, seed, now().date() - timedelta(days=1))


def hand_over(found: Deliveries) -> int:
    """Let the systems of a stack have all of it, the sheet as it is last; tell how many files were put."""
    share(found.sheets[-1])
    make_tables(found.tables)
    return put(DOMAIN, found.drops)


def share(sheet: Sequence[Sequence[object]]) -> None:
    """Replace the agents' sheet in the stand-in; raises ConfigError where the connection leads to Google itself."""
    from airflow.sdk import BaseHook

    address = BaseHook.get_connection(SHEETS).extra_dejson.get("api_endpoint")
    if not address:
        raise ConfigError(f"Connection '{SHEETS}' leads to Google itself; sample days are for the stand-in.")
    sheets = {"sheets": {TAB: [list(row) for row in sheet]}}
    httpx.put(f"{address}sheets/{SHEET}", json=sheets, timeout=SLOW).raise_for_status()


def make_tables(tables: Sequence[DayTable]) -> None:
    """Make the tables of the web form's days that are not there yet, each with its rows."""
    import psycopg
    from airflow.providers.postgres.hooks.postgres import PostgresHook
    from psycopg import sql

    names = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
    shape = sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(n), sql.SQL(t)) for n, t in COLUMNS.items())
    values = sql.SQL(", ").join([sql.Placeholder()] * len(COLUMNS))
    connection: psycopg.Connection[Any]
    with PostgresHook(postgres_conn_id=WEB).get_conn() as connection, connection.cursor() as cursor:
        for table in tables:
            name = sql.Identifier(table.name)
            if cursor.execute("SELECT to_regclass(%s)", [table.name]).fetchone() != (None,):
                continue
            cursor.execute(sql.SQL("CREATE TABLE {} ({})").format(name, shape))
            rows = [[row[column] or None for column in COLUMNS] for row in table.rows]
            cursor.executemany(sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(name, names, values), rows)


def tour(console: Console) -> dict[str, Any]:
    """Hand over a week to the stack that the environment reaches, and give the summary of what arrived.

    The agents' sheet is changed once its first revision is taken. Raises TourFailed where patience ends.
    """
    began, found = time.monotonic(), generated(DAYS, SEED)
    share(found.sheets[0])
    make_tables(found.tables)
    files = put(DOMAIN, found.drops)
    for dag_id in (AGENTS, FORMS):
        start(api(), dag_id)
    with Following(console, DOMAIN, files) as following:
        taken = partial(_taken, {"agents": 1, "web_forms": len(found.tables)})
        wait_for(taken, following.show, "the week to arrive in Snowflake", partial(why, DOMAIN))
        last_put = time.time()
        share(found.sheets[1])
        start(api(), AGENTS)
        taken = partial(_taken, {"agents": 2})
        wait_for(taken, following.show, "the changed sheet to arrive in Snowflake", partial(why, DOMAIN))
    seconds = {"pipelines": time.monotonic() - began}
    return summarise(DOMAIN, last_put, seconds) | {"answers": answers(), "alert": _alert(found)}


def _taken(ranges: dict[str, int]) -> bool:
    """Return whether so many ranges of sources are taken, and nothing is left to do."""
    done = {row["consumer"]: row["taken"] for row in progress(DOMAIN)}
    return all(done.get(f"{DOMAIN}.{name}.raw", 0) >= count for name, count in ranges.items()) and settled(DOMAIN)


def _alert(found: Deliveries) -> str:
    """Wait for what Slack is told of the day that has no table; nothing where alerts go to Slack itself."""
    if not slack():
        return ""
    start(api(), "watershed_watch")
    day = str(found.missing[0])
    told = wait_for(
        lambda: [m["text"] for m in messages() if day in m["text"]], lambda: None, f"the alert of {day} to reach Slack"
    )
    return str(told[0])


def answers() -> dict[str, Any]:
    """Ask Snowflake what the head of the call centre would."""
    from common.warehouses import sql
    from common.warehouses.registry import warehouse

    snowflake, column = warehouse("snowflake"), sql.column
    counted = exp.Count(this=exp.Star())
    channels = (
        exp.select(column("channel"), counted).from_(sql.table(f"{DOMAIN}.complaints")).group_by("1").order_by("1")
    )
    moved = exp.select(column("agent_id"), column("state")).from_(sql.table(f"{DOMAIN}.agents"))
    ended = (
        exp.select(column("agent_id")).from_(sql.table(f"{DOMAIN}.agents")).where(exp.Not(this=column("is_current")))
    )
    moved = moved.where(exp.In(this=column("agent_id"), query=ended.subquery()))
    versions: dict[str, list[str]] = {}
    for agent, state in snowflake.query(moved.order_by(column("agent_id"), column("valid_from"))):
        versions.setdefault(str(agent), []).append(state)
    waiting = snowflake.query(sql.count(f"{DOMAIN}.customers_waiting"))[0][0]
    return {"complaints": dict(snowflake.query(channels)), "moved": versions, "waiting": int(waiting)}


def show_summary(console: Console, found: dict[str, Any]) -> None:
    """Tell a person what arrived of the call centre, what was refused, and where to look."""
    show_arrived(console, found)
    answers = found["answers"]
    channels = ", ".join(f"{count:,} by {channel}" for channel, count in answers["complaints"].items())
    moved = ", ".join(f"{agent} ({' -> '.join(states)})" for agent, states in answers["moved"].items())
    total = sum(answers["complaints"].values())
    console.print(
        f"\n[bold]{total:,} complaints[/]: {channels}; {answers['waiting']:,} customers wait.\n"
        f"Agents that moved, each state with its interval in telecoms.agents: {moved}.\n"
        f"Slack received: {found['alert'] or 'what it was sent: alerts go to Slack itself'}\n"
        f"{took(found['seconds'])}",
        highlight=False,
    )
