"""Incidents through all five channels into services that fail as real ones do: nothing is lost, and repeats are known."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from common.ledger.database import transaction
from common.ledger.incidents import STOPPED, close_incidents, open_incident
from common.notify.outbox import tell
from common.notify.routes import FILE, FOLDER
from devstack.channels import connections
from devstack.keys import Keys
from tests.standins import messages
from tests.world import World

RECIPIENTS = {
    "slack": "#data-alerts",
    "mail": "duty@example.org",
    "teams": "msteams_default",
    "telegram": "-100200",
    "pagerduty": "pagerduty_default",
}
LOAD = "ecommerce.users.warehouse"
ODD = 'rows <b>of</b> *Łódź* & `{{ 7777 * 7777 }}` "quoted" \\ 👩‍🚀 [x](http://evil) <!channel>'


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    keys = Keys()
    with messages(tmp_path_factory.mktemp("services"), keys) as setup:
        found = connections({"standins": setup.port, "smtp": setup.smtp_port}, keys)
        yield setup.address, {f"AIRFLOW_CONN_{name}": json.dumps(value) for name, value in found.items()}


@pytest.fixture
def address(world: World, services: tuple[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> str:
    """All five are told of everything."""
    at, env = services
    folder = world.folder / FOLDER
    folder.mkdir()
    (folder / FILE).write_text(
        json.dumps({"routes": [{"to": f"{channel}:{who}"} for channel, who in RECIPIENTS.items()]}), encoding="utf-8"
    )
    monkeypatch.setattr("common.notify.routes.routes_file", lambda: folder / FILE)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    httpx.delete(f"{at}/faults").raise_for_status()
    return at


def received(address: str, service: str, about: str) -> list[dict[str, Any]]:
    found = httpx.get(f"{address}/messages", params={"service": service}).json()
    return [message for message in found if about in json.dumps(message, ensure_ascii=False)]


def opened(world: World, detail: str = "") -> str:
    """Open an incident, and give the words by which its messages are known."""
    name = f"ecommerce.{world.env['WATERSHED_BUCKET']}.warehouse"
    with transaction() as connection:
        open_incident(connection, STOPPED, name, detail or "why")
    return name


def all_told() -> int:
    """Send until nothing is due, however long channels asked to be left alone."""
    found = 0
    for _ in range(4):
        with transaction() as connection:
            connection.execute(text("UPDATE outbox SET due_at = now(), lease_until = lease_until - interval '2 days'"))
        found += tell(60)
    return found


def deliveries(world: World) -> dict[str, str]:
    rows = world.rows("SELECT channel, id::text FROM outbox WHERE event = 'opened'", "ledger")
    return dict(rows)


def test_all_five_say_what_is_wrong_and_that_it_is_over(world: World, address: str) -> None:
    name = opened(world, ODD)
    assert tell(60) == 5
    for service in RECIPIENTS:
        (message,) = received(address, service, name)
        assert "60481729" not in json.dumps(message), "nobody's text is a template"
        assert re.sub("-", "", deliveries(world)[service])[:8] in json.dumps(message).replace("-", "")
    with transaction() as connection:
        close_incidents(connection, STOPPED, name)
    assert tell(60) == 5
    for service in RECIPIENTS:
        assert len(received(address, service, name)) == 2
    first, last = received(address, "pagerduty", name)
    assert first["dedup_key"] == last["dedup_key"]
    assert (first["event_action"], last["event_action"]) == ("trigger", "resolve")


@pytest.mark.parametrize("fault", ["busy", "broken", "refused", "gone"])
def test_what_fails_is_sent_again_and_the_others_do_not_wait(world: World, address: str, fault: str) -> None:
    for service in ("slack", "teams"):
        httpx.post(f"{address}/faults", json={"channel": service, "fault": fault, "times": 1, "retry_after": 7})
    name = opened(world)
    assert tell(60) == 3
    waiting = world.rows(
        "SELECT channel, round(extract(epoch FROM due_at - clock_timestamp())) FROM outbox WHERE ended_at IS NULL",
        "ledger",
    )
    assert sorted(channel for channel, _ in waiting) == ["slack", "teams"]
    if fault == "busy":
        assert all(5 <= seconds <= 7 for _, seconds in waiting)
    assert all_told() == 2
    assert [len(received(address, service, name)) for service in RECIPIENTS] == [1] * 5


def test_what_arrived_although_the_answer_did_not_is_not_shown_twice_where_the_channel_can_tell(
    world: World, address: str
) -> None:
    for service in RECIPIENTS:
        httpx.post(f"{address}/faults", json={"channel": service, "fault": "gone", "times": 1, "after": True})
    name = opened(world)
    assert tell(60) == 0
    assert all_told() == 5
    found = {service: received(address, service, name) for service in RECIPIENTS}
    assert len(found["slack"]) == 1, "it was looked up"
    assert len({message["message_id"] for message in found["mail"]}) == 1
    assert len({message["dedup_key"] for message in found["pagerduty"]}) == 1
    for service in ("teams", "telegram"):
        first, second = (json.dumps(message) for message in found[service])
        assert deliveries(world)[service] in first, "a person sees the repeat as one"
        assert deliveries(world)[service] in second


def test_the_end_is_told_of_what_arrived_although_the_answer_did_not(world: World, address: str) -> None:
    for service in RECIPIENTS:
        httpx.post(f"{address}/faults", json={"channel": service, "fault": "gone", "times": 1, "after": True})
    name = opened(world)
    assert tell(60) == 0
    with transaction() as connection:
        close_incidents(connection, STOPPED, name)
    all_told()
    assert [len(received(address, service, name)) for service in RECIPIENTS] == [2] * 5
    first, last = received(address, "pagerduty", name)
    assert (first["event_action"], last["event_action"]) == ("trigger", "resolve")


def test_a_message_of_a_megabyte_of_markup_arrives_everywhere(world: World, address: str) -> None:
    name = opened(world, '<&"\\👩‍🚀`*_' * 100_000)
    assert tell(60) == 5
    assert [len(received(address, service, name)) for service in RECIPIENTS] == [1] * 5


def test_no_secret_is_in_what_the_ledger_keeps_or_what_is_logged(
    world: World, address: str, services: tuple[str, dict[str, str]], capfd: pytest.CaptureFixture[str]
) -> None:
    found = [json.loads(value) for value in services[1].values()]
    secrets = [connection["password"] for connection in found if connection["conn_type"] != "google_cloud_platform"]
    for service in RECIPIENTS:
        for fault in ("refused", "gone", "broken"):
            httpx.post(f"{address}/faults", json={"channel": service, "fault": fault, "times": 1})
    opened(world)
    all_told()
    kept = json.dumps(world.rows("SELECT error, message::text FROM outbox", "ledger"))
    said = kept + "".join(capfd.readouterr())
    assert [secret for secret in secrets if secret in said] == []


def test_templates_of_a_user_and_their_faults(world: World, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder: Path = world.folder / FOLDER
    monkeypatch.setattr("common.notify.render.domains_dir", lambda: world.folder)
    (folder / "telegram.html.j2").write_text("<b>Ours</b>: {{ heading }} {{ delivery }}", encoding="utf-8")
    (folder / "mail.txt.j2").write_text("{% if %}", encoding="utf-8")
    name = opened(world)
    assert tell(60) == 5
    assert received(address, "telegram", name)[0]["text"].startswith("Ours: Stopped")
    assert len(received(address, "mail", name)) == 1, "a broken one sends plainly"
