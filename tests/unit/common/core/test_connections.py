"""A Connection that Airflow does not find: every place that asks for one says which, and what to do."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from sqlglot import exp

from common.core import caches
from common.core.connections import connection
from common.core.errors import ConfigError, TargetUnavailable
from common.hooks.veeva import VeevaHook
from common.notify.channel import Undelivered
from common.notify.channels import CHANNELS
from common.notify.message import Message
from common.warehouses.duckdb import Duckdb
from common.warehouses.postgres import Postgres
from common.warehouses.redshift import Redshift
from common.warehouses.snowflake import Snowflake
from tests.secrets_and_logs import AWS

ABSENT = "There is no Airflow Connection 'nobody'"
ASKED: dict[str, Callable[[], object]] = {
    "by id": lambda: connection("nobody"),
    "postgres": lambda: Postgres("nobody").query(exp.select("1")),
    "duckdb": lambda: Duckdb("nobody").query(exp.select("1")),
    "redshift": lambda: Redshift("nobody").query(exp.select("1")),
    "snowflake": lambda: Snowflake("nobody").query(exp.select("1")),
    "veeva": lambda: VeevaHook("nobody").call("GET", "app/cdm/studies"),
}


def dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Airflow ask a Secrets Manager that does not answer, of which it says what it says of one that has nothing."""
    for name, value in {
        "ENDPOINT_URL": "http://127.0.0.1:1",
        "MAX_ATTEMPTS": "1",
        "DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND", AWS["AIRFLOW__SECRETS__BACKEND"])


@pytest.fixture(autouse=True)
def settings_are_read_again() -> Iterator[None]:
    yield
    caches.forget()


asking = pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)


@asking
def test_a_connection_that_nobody_has_made_needs_a_person(ask: Callable[[], object]) -> None:
    with pytest.raises(ConfigError, match=f"{ABSENT}.*set AIRFLOW_CONN_NOBODY"):
        ask()


@asking
def test_with_a_secrets_backend_it_may_come_back(ask: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    dead(monkeypatch)
    with pytest.raises(TargetUnavailable, match=f"{ABSENT}.*SecretsManagerBackend was asked, too"):
        ask()


@pytest.mark.parametrize("channel", ["slack", "mail", "teams", "telegram", "pagerduty"])
def test_a_message_waits_only_where_its_connection_may_come_back(channel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLACK", "MAIL", "TELEGRAM"):
        monkeypatch.setenv(f"WATERSHED_{name}_CONN", "nobody")
    caches.forget()
    to = "a@example.com" if channel == "mail" else "nobody"
    send = partial(CHANNELS[channel].send, Message("t"), to, again=False, patience=10)
    with pytest.raises(Undelivered, match=ABSENT) as told:
        send()
    assert told.value.lasting
    dead(monkeypatch)
    with pytest.raises(Undelivered, match=ABSENT) as told:
        send()
    assert not told.value.lasting
