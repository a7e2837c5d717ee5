"""Each channel against the stand-in that a stack has of it, which refuses what the service would."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from common.notify.channel import Undelivered
from common.notify.channels import CHANNELS
from common.notify.message import Message, State
from common.notify.samples import FULL, SAMPLES
from common.notify.say import send_now
from devstack.channels import connections
from devstack.keys import Keys
from devstack.standins.messages.server import Setup
from tests.standins import messages

TO = {
    "slack": "#data-alerts",
    "mail": "a@example.org",
    "teams": "msteams_default",
    "telegram": "-1001",
    "pagerduty": "pagerduty_default",
}
KEYS = Keys()
LONG = "begin " + '<&"\\👩‍🚀\n' * 1_000 + " end"
LONGEST = Message(LONG, facts=((LONG, LONG),) * 30, error=LONG, advice=LONG, link=LONG, text=LONG, delivery="long")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    with messages(tmp_path_factory.mktemp("standins"), KEYS) as setup:
        yield setup


@pytest.fixture
def services(served: Setup, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    ports = {"standins": served.port, "smtp": served.smtp_port}
    for name, values in connections(ports, KEYS).items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(values))
    with httpx.Client(base_url=served.address, trust_env=False) as client:
        client.delete("/faults")
        yield client


def send(word: str, message: Message, *, again: bool = False) -> None:
    CHANNELS[word].send(message, TO[word], again=again, patience=10)


def received(services: httpx.Client, word: str, text: str) -> list[Any]:
    return [one for one in services.get("/messages", params={"service": word}).json() if text in json.dumps(one)]


@pytest.mark.parametrize("word", TO)
def test_every_message_is_taken(services: httpx.Client, word: str) -> None:
    for number, sample in enumerate((*SAMPLES, LONGEST)):
        if word == "pagerduty" and sample.state is State.REPORT:
            continue
        delivery = f"{word}-{number}"
        send(word, replace(sample, delivery=delivery, key=delivery))
        assert word == "pagerduty" or len(received(services, word, delivery)) == 1
    assert services.get(f"/{word}").status_code == 200


@pytest.mark.parametrize("word", TO)
@pytest.mark.parametrize("fault", ["busy", "broken", "gone"])
def test_a_service_in_trouble_gets_the_message_once_it_is_well(services: httpx.Client, word: str, fault: str) -> None:
    delivery = f"{word}-{fault}"
    services.post("/faults", json={"channel": word, "fault": fault, "times": 1, "retry_after": 1})
    send_now(replace(FULL, delivery=delivery, key=delivery), word, TO[word], patience=20)
    assert len(received(services, word, delivery)) == 1


@pytest.mark.parametrize("word", TO)
def test_one_try_is_one(services: httpx.Client, word: str) -> None:
    services.post("/faults", json={"channel": word, "fault": "gone", "times": 1})
    with pytest.raises(Undelivered) as caught:
        send(word, replace(FULL, delivery=f"one-{word}", key=f"one-{word}"))
    assert not caught.value.lasting
    assert received(services, word, f"one-{word}") == []


@pytest.mark.parametrize("word", TO)
def test_a_refused_secret_lasts(services: httpx.Client, word: str) -> None:
    services.post("/faults", json={"channel": word, "fault": "refused"})
    with pytest.raises(Undelivered) as caught:
        send(word, FULL)
    assert caught.value.lasting


def test_a_message_that_slack_kept_without_saying_so_is_shown_once(services: httpx.Client) -> None:
    services.post("/faults", json={"channel": "slack", "fault": "gone", "times": 1, "after": True})
    send_now(replace(FULL, delivery="unsure"), "slack", TO["slack"], patience=20)
    assert len(received(services, "slack", "unsure")) == 1
