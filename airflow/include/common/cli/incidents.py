"""`watershed incidents`: what is wrong, who was told, and what people say of it; and the check of a monitor."""

from datetime import timedelta
from typing import Annotated, Any

import typer

from common.cli.listing import group
from common.cli.options import Json, Why, because
from common.cli.show import console, print_json, show
from common.core.clock import now
from common.core.errors import ConfigError

app = group("What is wrong: look at it, answer for it, end it, mute it.")
Id = Annotated[int, typer.Argument(help="Number of an incident, as `ls` and messages show it.")]
Beginning = Annotated[str, typer.Argument(help="Beginning of a consumer's name; all without it.")]
NOBODY_WATCHES = 3  # the exit code
LOOKS_MISSED = 3


def _open(beginning: str = "", ended: int = 0) -> list[dict[str, Any]]:
    from common.ledger.database import transaction
    from common.ledger.queries import incidents

    with transaction() as connection:
        return incidents(connection, beginning, ended)


@app.command("ls")
def list_incidents(
    consumer: Beginning = "",
    ended: Annotated[int, typer.Option(min=0, help="Also list so many of those that are over, the newest.")] = 0,
    as_json: Json = False,
) -> None:
    """List the open incidents, the oldest first, and the messages that could not be delivered."""
    from common.ledger.database import transaction
    from common.ledger.outbox import undelivered

    rows = _open(consumer, ended)
    with transaction() as connection:
        late = [dict(row._mapping) for row in undelivered(connection, consumer)]
    if as_json:
        print_json({"incidents": rows, "undelivered": late})
        return
    over = ["closed", "resolution"] if ended else []
    columns = ["id", "kind", "consumer", "batch", "opened", *over, "told", "acknowledged", "muted", "detail"]
    show(rows, columns, as_json=False, empty="Nothing is wrong.")
    if late:
        console.print("Not delivered:")
        show(late, ["channel", "recipient", "event", "consumer", "tries", "due_at", "error"], as_json=False, empty="")


@app.command("show")
def show_incident(number: Id, as_json: Json = False) -> None:
    """Show an incident whole, open or over, with the messages about it."""
    from common.ledger.database import transaction
    from common.ledger.queries import incident_messages

    found = _found(number)
    with transaction() as connection:
        messages = incident_messages(connection, found["episode"])
    if as_json:
        print_json({**found, "messages": messages})
        return
    for name, value in found.items():
        console.print(f"[bold]{name}[/] ", end="", highlight=False)
        console.print(str(value), markup=False, highlight=False)
    columns = ["event", "channel", "recipient", "queued", "ended", "outcome", "tries", "error"]
    show(messages, columns, as_json=False, empty="Nobody was told yet.")


@app.command()
def ack(number: Id, why: Why) -> None:
    """Answer for an incident, and those of its cause: nobody is told of them again until they are over."""
    from common.ledger.database import transaction
    from common.ledger.decisions import acknowledge

    those = _of_cause(number)
    with transaction() as connection:
        acknowledge(connection, [_key(row) for row in those], because(why))
    console.print(
        f"You answer for {len(those)} incident(s) of this cause; nobody is told of them again until their end."
    )


@app.command()
def resolve(number: Id, why: Why) -> None:
    """End an incident by your word; if it is still wrong, the next look or run opens it again."""
    from common.ledger.database import transaction
    from common.ledger.decisions import resolve as end
    from common.ledger.incidents import PARKED
    from common.notify.outbox import tell

    found = _found_open(number)
    if found["kind"] == PARKED:
        raise ConfigError(
            f"Incident {number} is a parked batch: end it by `watershed parked release {found['batch']}` or `refuse`."
        )
    with transaction() as connection:
        end(connection, [_key(found)], because(why))
    tell()
    console.print(f"Incident {number} ({found['kind']} of {found['consumer']}) is resolved.")


@app.command()
def mute(
    consumer: Annotated[str, typer.Argument(help="Beginning of a consumer's name.")],
    hours: Annotated[float, typer.Option(min=0, max=24 * 90, help="For how long; 0 ends it.")],
    why: Why,
    kind: Annotated[str, typer.Option(help="Only incidents of a kind, as in `stopped`.")] = "",
) -> None:
    """Tell nobody of incidents for a while; what is still open then is told then."""
    from common.cli.known import require_known
    from common.ledger.database import transaction
    from common.ledger.decisions import mute as keep_quiet
    from common.notify.kinds import KINDS

    require_known("kind", kind, KINDS)
    until = now() + timedelta(hours=hours)
    with transaction() as connection:
        keep_quiet(connection, consumer, kind, until, because(why))
    when = f"Muted until {until:%Y-%m-%d %H:%M} UTC" if hours else "Not muted any more"
    console.print(f"{when}: {kind or 'all'} of {consumer}*.")


def check_up(beginning: str, as_json: bool) -> None:
    """Say in a line whether all is well; exit code 1 at an open incident, 3 where the watch does not come.

    A ledger that does not answer is an error as everywhere, with exit code 2.
    """
    rows, silent = _open(beginning), _nobody_watches()
    if as_json:
        print_json({"incidents": len(rows), "watch": silent or "alive"})
    elif rows:
        kinds = sorted({row["kind"] for row in rows})
        console.print(f"{len(rows)} open incident(s): {', '.join(kinds)}. See `watershed incidents ls`.")
    if silent and not as_json:
        console.print(silent, highlight=False)
    if not (rows or silent or as_json):
        console.print("All is well.")
    if silent or rows:
        raise typer.Exit(NOBODY_WATCHES if silent else 1)


def _nobody_watches() -> str:
    """Return why nobody watches; nothing where somebody does."""
    from common.core.crons import nth_last
    from common.core.settings import settings
    from common.ledger.database import transaction
    from common.ledger.heartbeats import WATCH, clock, last_beat

    if not settings().watches:
        return ""
    cron = settings().watch_cron
    with transaction() as connection:
        last, at = last_beat(connection, WATCH), clock(connection)
    if last and last.at >= nth_last(cron, at, LOOKS_MISSED):
        return ""
    seen = f"the last look was at {last.at:%Y-%m-%d %H:%M} UTC" if last else "it has never looked"
    return f"DAG watershed_watch does not come ('{cron}'): {seen}."


def _key(row: dict[str, Any]) -> Any:
    from common.ledger.incidents import Incident

    return Incident(row["kind"], row["consumer"], row["batch"])


def _of_cause(number: int) -> list[dict[str, Any]]:
    found = _found_open(number)
    return [row for row in _open() if row["id"] == number or (row["episode"] or 0) == found["episode"]]


def _found(number: int) -> dict[str, Any]:
    """Find an incident, open or over."""
    from common.ledger.database import transaction
    from common.ledger.queries import incident_numbered

    with transaction() as connection:
        found = incident_numbered(connection, number)
    if not found:
        known = ", ".join(str(row["id"]) for row in _open()[:20]) or "none"
        raise ConfigError(f"There is no incident {number}. Open: {known}. See `watershed incidents ls`.")
    return found[0]


def _found_open(number: int) -> dict[str, Any]:
    found = _found(number)
    if found["closed"]:
        raise ConfigError(f"Incident {number} is over since {found['closed']:%Y-%m-%d %H:%M} UTC.")
    return found
