"""`watershed incidents`: look, answer for it, end it, mute it; each is an entry of the audit log."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from common.cli.main import app
from common.core.errors import ConfigError
from common.ledger.database import transaction
from common.ledger.incidents import PARKED, STALE, open_incident
from common.notify.channel import Undelivered
from common.notify.message import Message
from common.notify.outbox import tell
from tests.channels import Kept, kept_channels
from tests.world import World

RUN = CliRunner()
USERS, EVENTS = "ecommerce.users.silver", "ecommerce.events.silver"


@pytest.fixture
def slack(world: World) -> Iterator[Kept]:
    with kept_channels("slack") as found:
        yield found["slack"]


def ask(*arguments: str) -> str:
    result = RUN.invoke(app, ["incidents", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def listed(*arguments: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(ask("ls", *arguments, "--json"))["incidents"]
    return rows


def opened(kind: str, consumer: str, *batches: str) -> None:
    with transaction() as connection:
        for batch in batches:
            open_incident(connection, kind, consumer, "rows of [bold]keys[/] may be missing", batch)


def me() -> str:
    """Name whoever runs the tests, as the audit log does."""
    from common.cli.options import who

    return who()


def audited() -> list[tuple[str, str]]:
    rows = json.loads(RUN.invoke(app, ["audit", "ls", "--json"]).output)
    return [(row["what"], row["detail"]["why"]) for row in rows]


def test_what_is_open_is_listed_and_shown_with_its_messages(slack: Kept) -> None:
    assert ask("ls") == "Nothing is wrong.\n"
    opened(STALE, USERS, "a")
    opened(PARKED, EVENTS, "b")
    (one,) = listed("ecommerce.users")
    assert (one["kind"], one["told"], one["acknowledged"]) == ("stale", False, "")
    assert "Nobody was told yet." in ask("show", str(one["id"]))
    tell()
    shown = ask("show", str(one["id"]))
    assert "rows of [bold]keys[/] may be missing" in shown
    assert "#data-alerts" in shown
    assert "sent" in shown
    with pytest.raises(ConfigError, match=r"There is no incident 999. Open: \d+, \d+."):
        RUN.invoke(app, ["incidents", "show", "999"], catch_exceptions=False)


def test_what_could_not_be_delivered_is_listed_with_why(slack: Kept) -> None:
    def refuse(message: Message, to: str) -> None:
        raise Undelivered("invalid_auth", lasting=True)

    slack.fault = refuse
    opened(STALE, USERS, "a")
    tell()
    assert "invalid_auth" in ask("ls")
    (late,) = json.loads(ask("ls", "--json"))["undelivered"]
    assert (late["channel"], late["tries"], late["consumer"]) == ("slack", 1, USERS)


def test_answering_for_one_answers_for_all_of_its_cause(slack: Kept) -> None:
    opened(STALE, USERS, "a", "b")
    opened(STALE, EVENTS, "a")
    tell()
    assert ask("ack", str(listed(USERS)[0]["id"]), "--why", "on it").startswith("You answer for 2 incident(s)")
    assert [row["acknowledged"] for row in listed()] == [me(), me(), ""]
    assert audited() == [("incident.ack", "on it")]


def test_a_person_ends_an_incident_but_not_a_parked_batch(slack: Kept) -> None:
    opened(STALE, USERS, "a")
    opened(PARKED, EVENTS, "b")
    tell()
    assert "is resolved" in ask("resolve", str(listed(USERS)[0]["id"]), "--why", "looked at it")
    assert slack.titles[-1] == f"Resolved: Stale: {USERS}"
    assert dict(slack.kept[-1][1].facts)["Ended as"] == "resolved"
    assert listed(USERS) == []
    (over,) = listed(USERS, "--ended", "5")
    assert (over["resolution"], over["acknowledged"]) == ("resolved", me())
    assert "sent" in ask("show", str(over["id"]))
    with pytest.raises(ConfigError, match=f"Incident {over['id']} is over since"):
        RUN.invoke(app, ["incidents", "ack", str(over["id"]), "--why", "x"], catch_exceptions=False)
    with pytest.raises(ConfigError, match="watershed parked release b"):
        RUN.invoke(app, ["incidents", "resolve", str(listed()[0]["id"]), "--why", "x"], catch_exceptions=False)
    assert audited() == [("incident.resolve", "looked at it")]


def test_what_is_muted_is_not_told(slack: Kept) -> None:
    assert "stale of ecommerce.users*" in ask(
        "mute", "ecommerce.users", "--hours", "2", "--kind", "stale", "--why", "x"
    )
    opened(STALE, USERS, "a")
    opened(PARKED, USERS, "a")
    tell()
    assert slack.titles == [f"Parked: {USERS}"]
    assert [row["muted"] for row in listed(USERS)] == [True, False]
    assert "Nobody was told yet." in ask("show", str(listed(USERS)[0]["id"]))
    assert "Not muted any more" in ask("mute", "ecommerce.users", "--hours", "0", "--kind", "stale", "--why", "done")
    assert tell() == 1
    with pytest.raises(ConfigError, match="stopped"):
        RUN.invoke(
            app, ["incidents", "mute", "x", "--hours", "1", "--kind", "bogus", "--why", "x"], catch_exceptions=False
        )
