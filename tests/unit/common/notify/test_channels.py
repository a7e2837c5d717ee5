"""Each channel against a server: what arrives, what a refusal means, and that nobody reads a secret anywhere."""

import json
import logging
import time
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest

from common.core.caches import forget
from common.core.errors import ConfigError
from common.notify.channel import Undelivered
from common.notify.channels import CHANNELS, channel_named
from common.notify.message import State
from common.notify.samples import FULL
from tests.unit.common.notify.conftest import Answer, Web

SECRET = "hush-9f86d081"
MESSAGE = replace(FULL, delivery="delivery-1")
POSTED = {
    "slack": "/api/chat.postMessage",
    "teams": f"/workflows/{SECRET}",
    "telegram": f"/bot{SECRET}/sendMessage",
    "pagerduty": "/v2/enqueue",
}
TO = {"slack": "#alerts", "teams": "door", "telegram": "-100", "pagerduty": "door"}
OK: dict[str, Any] = {"ok": True}
ALL = sorted(POSTED)


def connect(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Point each channel's Connection at a server."""
    connections = {
        "SLACK_DEFAULT": {"conn_type": "slack", "password": SECRET, "extra": {"base_url": f"{address}/api/"}},
        "TELEGRAM_DEFAULT": {"conn_type": "http", "password": SECRET, "host": address},
        "DOOR": {"conn_type": "http", "password": SECRET, "host": f"{address}/"},
        "TEAM": {"conn_type": "http", "password": f"{address}/workflows/{SECRET}"},
    }
    for name, values in connections.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(values))


@pytest.fixture
def server(web: Web, monkeypatch: pytest.MonkeyPatch) -> Web:
    connect(monkeypatch, web.address)
    web.answers[POSTED["slack"]] = Answer(body=OK)
    return web


def send(word: str, *, again: bool = False, patience: float = 5.0, message: Any = MESSAGE) -> None:
    to = "team" if word == "teams" else TO[word]
    CHANNELS[word].send(message, to, again=again, patience=patience)


def listen(caplog: pytest.LogCaptureFixture) -> None:
    """Hear what every client says, which Airflow keeps quiet."""
    for name in (None, "httpx", "httpcore", "slack_sdk", "airflow"):
        caplog.set_level(logging.DEBUG, name)


def refused(word: str, patience: float = 5.0) -> Undelivered:
    with pytest.raises(Undelivered) as caught:
        send(word, patience=patience)
    assert SECRET not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("word", ALL)
def test_a_message_arrives_once_with_its_delivery(server: Web, word: str) -> None:
    send(word)
    ((path, body),) = server.requests
    assert path == POSTED[word]
    assert "delivery-1" in json.dumps(body) and FULL.title in json.dumps(body)


@pytest.mark.parametrize("word", ALL)
def test_a_channel_needs_no_other_setting_of_watershed(server: Web, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WATERSHED_BUCKET", "WATERSHED_LEDGER_URL"):
        monkeypatch.delenv(name, raising=False)
    forget()
    send(word)
    assert len(server.requests) == 1


@pytest.mark.parametrize("word", ALL)
def test_too_many_requests_say_how_long_to_wait(server: Web, word: str) -> None:
    server.answers[POSTED[word]] = Answer(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "7"})
    failure = refused(word)
    assert (failure.retry_after, failure.lasting) == (7.0, False)


def test_telegram_says_in_its_body_how_long_to_wait(server: Web) -> None:
    body = {"ok": False, "description": "Too Many Requests: retry after 12", "parameters": {"retry_after": 12}}
    server.answers[POSTED["telegram"]] = Answer(429, body)
    assert refused("telegram").retry_after == 12.0


def test_a_date_says_how_long_to_wait(server: Web) -> None:
    server.answers[POSTED["teams"]] = Answer(429, headers={"Retry-After": formatdate(time.time() + 60, usegmt=True)})
    assert 50.0 < (refused("teams").retry_after or 0.0) <= 60.0
    there = formatdate(time.time() - 86_400, usegmt=True), formatdate(time.time() - 86_370, usegmt=True)
    server.answers[POSTED["teams"]] = Answer(429, headers={"Date": there[0], "Retry-After": there[1]})
    assert refused("teams").retry_after == 30.0, "both are of the server's clock"
    server.answers[POSTED["teams"]] = Answer(429, headers={"Retry-After": "soon"})
    assert refused("teams").retry_after is None


@pytest.mark.parametrize("word", ALL)
def test_a_server_in_trouble_may_be_asked_again(server: Web, word: str) -> None:
    server.answers[POSTED[word]] = Answer(503, headers={"Retry-After": "3"})
    failure = refused(word)
    assert (failure.retry_after, failure.lasting) == (3.0, False)


@pytest.mark.parametrize("word", ALL)
def test_a_refused_secret_lasts(server: Web, word: str) -> None:
    slack = {"ok": False, "error": "invalid_auth"}
    server.answers[POSTED[word]] = (
        Answer(200, slack) if word == "slack" else Answer(401, {"description": "Unauthorized"})
    )
    assert refused(word).lasting


@pytest.mark.parametrize("word", ALL)
def test_an_unknown_recipient_lasts_and_is_named(server: Web, word: str) -> None:
    server.answers[POSTED[word]] = {
        "slack": Answer(200, {"ok": False, "error": "channel_not_found"}),
        "telegram": Answer(400, {"ok": False, "description": "Bad Request: chat not found"}),
        "teams": Answer(404),
        "pagerduty": Answer(400, {"status": "invalid event", "message": "Event object is invalid"}),
    }[word]
    failure = refused(word)
    assert failure.lasting
    assert any(part in str(failure) for part in ("channel_not_found", "chat not found", "404", "is invalid"))


@pytest.mark.parametrize("word", ALL)
def test_a_silent_server_costs_no_more_than_the_patience(server: Web, word: str) -> None:
    server.answers[POSTED[word]] = Answer(body=OK, after=60.0)
    assert not refused(word, patience=0.3).lasting, "who waits for the answer is told that all is well"


@pytest.mark.parametrize("word", ALL)
def test_a_dead_port_is_told_without_its_address(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    connect(monkeypatch, "http://127.0.0.1:1")
    failure = refused(word)
    assert not failure.lasting
    assert "127.0.0.1" not in str(failure) or word == "slack"


@pytest.mark.parametrize("word", ALL)
def test_a_missing_connection_lasts_and_is_named(word: str) -> None:
    failure = refused(word)
    assert failure.lasting
    assert any(name in str(failure) for name in ("door", "team", "telegram_default", "slack_default"))


@pytest.mark.parametrize("word", ALL)
def test_a_connection_without_a_secret_lasts(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    for name in ("SLACK_DEFAULT", "TELEGRAM_DEFAULT", "DOOR", "TEAM"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps({"conn_type": "http"}))
    assert refused(word).lasting


@pytest.mark.parametrize("address", ["no address", "ftp://host/x", "http://[::1", "https://" + "a" * 300])
def test_an_address_that_is_none_is_told_without_it(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    connect(monkeypatch, address)
    failure = refused("telegram")
    assert address not in str(failure)


@pytest.mark.parametrize("status", [200, 302, 401, 500])
@pytest.mark.parametrize("word", ALL)
def test_no_line_of_any_log_has_the_secret(
    server: Web, word: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    listen(caplog)
    server.answers[POSTED[word]] = Answer(status, OK, {"Location": f"{server.address}/elsewhere"})
    try:
        send(word)
    except Undelivered as failure:
        logging.getLogger("test").exception("not delivered")
        assert failure.__cause__ is None
    assert server.requests
    assert SECRET not in caplog.text
    assert len(server.requests) == 1 or word == "slack", "no redirect is followed"


def test_a_port_of_a_connection_is_one_of_its_address(server: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    host, _, port = server.address.rpartition(":")
    values = {"conn_type": "http", "password": SECRET, "host": host, "port": int(port)}
    monkeypatch.setenv("AIRFLOW_CONN_DOOR", json.dumps(values))
    send("pagerduty")
    assert len(server.requests) == 1


def test_others_who_use_httpx_are_logged_as_ever(server: Web, caplog: pytest.LogCaptureFixture) -> None:
    import httpx

    listen(caplog)
    send("teams")
    httpx.post(f"{server.address}/of-others")
    assert "/of-others" in caplog.text and SECRET not in caplog.text


def test_slack_looks_for_a_delivery_that_may_have_arrived(server: Web) -> None:
    listed = {"ok": True, "channels": [{"id": "C01", "name": "alerts"}], "response_metadata": {"next_cursor": ""}}
    found = {"ok": True, "messages": [{}, {"metadata": {"event_payload": {"delivery": "delivery-1"}}}]}
    server.answers["/api/conversations.list"] = Answer(body=listed)
    server.answers["/api/conversations.history"] = Answer(body=found)
    send("slack", again=True)
    assert server.bodies(POSTED["slack"]) == []
    (asked,) = server.bodies("/api/conversations.history")
    assert asked["channel"] == "C01" and asked["include_all_metadata"] in ("1", "true", "True")
    send("slack", again=True, message=replace(MESSAGE, delivery="delivery-2"))
    (body,) = server.bodies(POSTED["slack"])
    assert body["metadata"] == {"event_type": "watershed_alert", "event_payload": {"delivery": "delivery-2"}}


@pytest.mark.parametrize("channels", [{"ok": False, "error": "missing_scope"}, {"ok": True, "channels": []}])
def test_slack_sends_again_where_it_may_not_look(server: Web, channels: Any) -> None:
    server.answers["/api/conversations.list"] = Answer(body=channels)
    server.answers["/api/conversations.history"] = Answer(body={"ok": False, "error": "missing_scope"})
    send("slack", again=True)
    CHANNELS["slack"].send(MESSAGE, "C01", again=True, patience=5)
    assert len(server.bodies(POSTED["slack"])) == 2


def test_pagerduty_opens_and_resolves_by_key_and_is_not_woken_by_a_report(server: Web) -> None:
    send("pagerduty")
    send("pagerduty", message=replace(MESSAGE, state=State.STILL_OPEN))
    send("pagerduty", message=replace(MESSAGE, state=State.RESOLVED))
    send("pagerduty", message=replace(MESSAGE, state=State.REPORT))
    events = server.bodies("/v2/enqueue")
    assert [event["event_action"] for event in events] == ["trigger", "trigger", "resolve"]
    assert {event["dedup_key"] for event in events} == {FULL.key}
    assert {event["routing_key"] for event in events} == {SECRET}
    (change,) = server.bodies("/v2/change/enqueue")
    assert change["payload"]["summary"].startswith(FULL.title) and "event_action" not in change


def test_a_long_key_is_shortened_to_one_that_pagerduty_takes(server: Web) -> None:
    for key in ("k" * 300, "k" * 301):
        send("pagerduty", message=replace(MESSAGE, key=key))
    first, second = (event["dedup_key"] for event in server.bodies("/v2/enqueue"))
    assert first != second and len(first) <= 255


def test_an_unknown_channel_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'smoke'\. Known: slack, mail, teams, telegram, pagerduty\."):
        channel_named("smoke")
