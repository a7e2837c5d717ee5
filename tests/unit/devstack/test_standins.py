"""The stand-ins of message services together: faults on demand, messages that stay, pages."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from devstack import tour
from devstack.channels import FLOW, connections
from devstack.folder import state_folder, write_json
from devstack.keys import Keys, keys_of
from devstack.ports import PREFERRED
from devstack.standins.messages import pages
from devstack.standins.messages.mailbox import Mailbox
from devstack.standins.messages.server import SERVICES, of_environment, of_stack
from devstack.standins.messages.teams import CARD

CARDS = [{"contentType": CARD, "content": {"type": "AdaptiveCard", "body": []}}]
PAYLOAD = {"summary": "x", "source": "x", "severity": "info"}
EVENT = {"routing_key": 32 * "r", "event_action": "trigger", "payload": PAYLOAD}
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "slack": ("/api/chat.postMessage?token=xoxb-right", {"channel": "#x", "text": "x"}),
    "teams": (f"{FLOW}?sig=right", {"type": "message", "attachments": CARDS}),
    "telegram": ("/bot7:right/sendMessage", {"chat_id": "1", "text": "x"}),
    "pagerduty": ("/v2/enqueue", EVENT),
}
REFUSED = {
    "slack": (200, '"invalid_auth"'),
    "teams": (401, "DirectApiAuthorizationRequired"),
    "telegram": (401, "Unauthorized"),
    "pagerduty": (400, "Invalid routing key"),
}
every = pytest.mark.parametrize("channel", CALLS)


def send(http: httpx.Client, channel: str, **options: Any) -> httpx.Response:
    path, content = CALLS[channel]
    return http.post(path, json=content, **options)


def fail(http: httpx.Client, channel: str, fault: str, **more: Any) -> None:
    assert http.post("/faults", json={"channel": channel, "fault": fault, **more}).status_code == 201


def count(http: httpx.Client, channel: str) -> int:
    return len(http.get("/messages", params={"service": channel}).json())


@every
def test_a_busy_service_says_when_to_come_back(http: httpx.Client, channel: str) -> None:
    fail(http, channel, "busy", times=2, retry_after=7)
    answers = [send(http, channel) for _ in range(3)]
    assert [answer.status_code == 429 for answer in answers] == [True, True, False]
    assert answers[0].headers["Retry-After"] == "7"
    assert count(http, channel) == 1


def test_telegram_says_it_in_its_answer_too(http: httpx.Client) -> None:
    fail(http, "telegram", "busy", retry_after=7)
    answer = send(http, "telegram").json()
    assert answer["parameters"] == {"retry_after": 7}
    assert answer["description"] == "Too Many Requests: retry after 7"


@every
def test_a_broken_service_answers_500(http: httpx.Client, channel: str) -> None:
    fail(http, channel, "broken", times=1)
    assert send(http, channel).status_code == 500
    assert count(http, channel) == 0


@every
def test_a_token_can_be_refused(http: httpx.Client, channel: str) -> None:
    fail(http, channel, "refused", times=1)
    answer = send(http, channel)
    status, words = REFUSED[channel]
    assert answer.status_code == status
    assert words in answer.text


@every
def test_a_fault_afterwards_happens_to_a_message_that_is_kept(http: httpx.Client, channel: str) -> None:
    fail(http, channel, "broken", times=1, after=True)
    assert send(http, channel).status_code == 500
    assert count(http, channel) == 1
    assert send(http, channel).is_success


def test_a_fault_afterwards_waits_for_a_delivery(http: httpx.Client) -> None:
    fail(http, "slack", "broken", times=1, after=True)
    assert http.post("/api/auth.test?token=xoxb-right").json()["ok"]
    assert http.get("/faults").json()[0]["times"] == 1


@every
@pytest.mark.parametrize("after", [False, True])
def test_a_service_that_is_gone_gives_no_answer(server: httpx.Client, channel: str, after: bool) -> None:
    before = count(server, channel)
    fail(server, channel, "gone", times=1, after=after)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        send(server, channel)
    assert count(server, channel) == before + after
    assert send(server, channel).is_success


@pytest.mark.parametrize("after", [False, True])
def test_who_hangs_up_on_a_slow_service_may_have_sent(server: httpx.Client, after: bool) -> None:
    before = count(server, "teams")
    fail(server, "teams", "slow", times=1, seconds=0.2, after=after)
    with pytest.raises(httpx.ReadTimeout):
        send(server, "teams", timeout=0.05)
    fail(server, "teams", "slow", times=1, seconds=0.2, after=after)
    assert send(server, "teams").status_code == 202
    assert count(server, "teams") == before + 1 + after


def test_faults_last_until_they_are_removed(http: httpx.Client) -> None:
    fail(http, "slack", "broken")
    fail(http, "teams", "refused", times=3)
    assert [send(http, "slack").status_code for _ in range(3)] == [500, 500, 500]
    assert [(one["channel"], one["fault"], one["times"]) for one in http.get("/faults").json()] == [
        ("slack", "broken", None),
        ("teams", "refused", 3),
    ]
    assert http.delete("/faults").status_code == 204
    assert http.get("/faults").json() == []
    assert send(http, "slack").json()["ok"]


@pytest.mark.parametrize("fault", [{"channel": "pigeon", "fault": "busy"}, {"channel": "slack", "fault": "moody"}])
def test_an_unknown_fault_is_refused_and_the_known_named(http: httpx.Client, fault: dict[str, str]) -> None:
    answer = http.post("/faults", json=fault)
    assert answer.status_code == 422
    assert "'slack'" in answer.text or "'busy'" in answer.text


def test_messages_of_all_services_come_in_their_order(http: httpx.Client) -> None:
    for channel in ("teams", "slack", "pagerduty", "telegram", "slack"):
        send(http, channel)
    services = [message["service"] for message in http.get("/messages").json()]
    assert services == ["teams", "slack", "pagerduty", "telegram", "slack"]
    assert http.get("/messages", params={"service": "pigeon"}).status_code == 422


def test_the_demo_sees_slacks_alerts_alone(server: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tour, "slack", lambda: str(server.base_url).rstrip("/"))
    for channel, said in (("telegram", "Failed"), ("slack", "fine"), ("slack", "Failed: this")):
        path, content = CALLS[channel]
        assert server.post(path, json={**content, "text": said}).is_success
    assert [alert["text"] for alert in tour.alerts()] == ["Failed: this"]


def test_a_page_shows_the_newest(http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MOST", 2)
    for number in range(3):
        path, content = CALLS["slack"]
        http.post(path, json={**content, "text": f"number {number}"})
    page = http.get("/slack").text
    assert "3 message(s)" in page
    assert page.index("number 2") < page.index("number 1")
    assert "number 0" not in page


def test_each_service_has_a_page_and_the_first_page_counts(http: httpx.Client) -> None:
    send(http, "slack")
    index = http.get("/").text
    for service in SERVICES:
        page = http.get(f"/{service.name}")
        assert page.headers["content-type"].startswith("text/html")
        assert ("<article" in page.text) is (service.name == "slack")
        assert f'<a href="/{service.name}">{service.title}</a>: {int(service.name == "slack")} message(s)' in index


def test_what_is_no_unicode_is_kept_all_the_same(http: httpx.Client) -> None:
    half = b'{"channel": "#x", "text": "half \\ud83d, line\\u2028end"}'
    path, header = CALLS["slack"][0], {"Content-Type": "application/json"}
    assert http.post(path, content=half, headers=header).json()["ok"]
    assert http.get("/messages").json()[0]["text"] == "half ?, line\u2028end"
    assert "half ?" in http.get("/slack").text


def test_messages_outlive_the_process(tmp_path: Path) -> None:
    Mailbox(tmp_path, "slack").keep({"text": "x"})
    (message,) = Mailbox(tmp_path, "slack").messages()
    assert (message["service"], message["text"]) == ("slack", "x")


def test_a_stack_and_a_container_are_set_up_alike(tmp_path: Path) -> None:
    folder = state_folder(tmp_path)
    write_json(folder.plan, {"ports": PREFERRED, "units": [], "env": {}})
    stack, keys = of_stack(tmp_path), keys_of(folder)
    assert (stack.address, stack.port, stack.smtp_port) == ("http://127.0.0.1:8090", 8090, 2525)
    assert stack.tokens["pagerduty"] == keys.pagerduty
    env = {
        "STANDINS_FOLDER": str(stack.folder),
        "STANDINS_URL": stack.address,
        "STANDINS_HOST": stack.host,
        "STANDINS_PORT": "8090",
        "STANDINS_SMTP_PORT": "2525",
        **{f"STANDINS_{name.upper()}_TOKEN": token for name, token in stack.tokens.items()},
    }
    assert of_environment(env) == stack


def test_a_stack_without_a_plan_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="No stack was planned in"):
        of_stack(tmp_path)


def test_the_connections_lead_to_the_stand_ins() -> None:
    keys = Keys()
    found = connections(PREFERRED, keys)
    assert found["MSTEAMS_DEFAULT"]["password"] == f"http://127.0.0.1:8090{FLOW}?sig={keys.teams}"
    assert found["SMTP_DEFAULT"]["port"] == 2525
    assert {found[name]["host"] for name in ("TELEGRAM_DEFAULT", "PAGERDUTY_DEFAULT")} == {"http://127.0.0.1:8090"}
    assert len(keys.pagerduty) == 32
    assert keys.telegram.partition(":")[0].isdigit()
