"""Notifiers, called as Airflow calls them: as callbacks, and by path for a deadline."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from airflow.sdk import AsyncCallback, SyncCallback
from airflow.sdk.execution_time.callback_supervisor import execute_callback
from airflow.triggers.callback import CallbackTrigger

from common.notifiers.notifications import (
    EmailNotifier,
    MSTeamsNotifier,
    PagerDutyNotifier,
    SlackNotifier,
    TelegramNotifier,
)
from common.notify.channel import Undelivered
from common.notify.channels import CHANNELS
from common.notify.message import Message, Severity
from tests.unit.common.notify.channels import Kept, kept

__all__ = ["kept"]
NOTIFIERS = [SlackNotifier, EmailNotifier, MSTeamsNotifier, TelegramNotifier, PagerDutyNotifier]
TASK = SimpleNamespace(dag_id="shop", task_id="load", try_number=2, log_url="http://log", map_index=-1, state="failed")
RUN = SimpleNamespace(dag_id="shop", run_id="r")
LATE = {
    "dag_run": {"dag_id": "shop", "dag_run_id": "r", "state": "running"},
    "deadline": {"id": "1", "deadline_time": "2026-03-01T06:00:00Z"},
}


def context(**more: Any) -> dict[str, Any]:
    return {"dag_run": RUN, "run_id": "r", "task_instance": TASK, "ti": TASK, "ds": "2026-03-01", **more}


def test_each_channel_has_a_notifier() -> None:
    assert {notifier.channel for notifier in NOTIFIERS} == set(CHANNELS)


@pytest.mark.parametrize("notifier", NOTIFIERS)
def test_a_failure_is_told_with_what_the_dag_adds(kept: Kept, notifier: Any) -> None:
    told = notifier(
        to="{{ ti.task_id }}-people", title="Late sales of {{ ds }}", text="Run {{ run_id }}", facts={"Day": "{{ ds }}"}
    )
    told(context(exception=ValueError("{{ not a template }}")))
    ((channel, to, message),) = kept
    assert (channel, to) == (notifier.channel, "load-people")
    assert (message.title, message.text) == ("Late sales of 2026-03-01", "Run r")
    assert message.error == "ValueError: {{ not a template }}"
    assert message.facts[-2:] == (("Try", "2"), ("Day", "2026-03-01"))


def test_without_words_of_its_own_a_notifier_says_what_happened(kept: Kept) -> None:
    SlackNotifier(to="#x")(context())
    SlackNotifier(to="#x", severity="critical")(context(exception="boom"))
    (_, _, done), (_, _, failed) = kept
    assert (done.title, failed.title) == ("Done: shop.load", "Failed: shop.load")
    assert failed.severity is Severity.CRITICAL


def test_a_dead_channel_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Dead:
        def send(self, message: Message, to: str, *, again: bool, patience: float) -> None:
            raise Undelivered("dead", lasting=True)

    monkeypatch.setitem(CHANNELS, "slack", Dead())
    SlackNotifier(to="#x")(context(exception="boom"))


def test_a_deadline_is_told_from_a_worker(kept: Kept) -> None:
    """As Airflow runs a SyncCallback: by the path and the arguments that it has stored as JSON."""
    callback = SyncCallback(SlackNotifier, kwargs={"to": "#late", "text": "Ask the shop."})
    stored = json.loads(json.dumps({**callback.kwargs, "context": LATE}))
    done = execute_callback(callback.path, stored, "", None, structlog.get_logger())  # type: ignore[arg-type]
    assert done == (True, None)
    ((_, to, message),) = kept
    assert (to, message.title, message.text) == ("#late", "Late: shop", "Ask the shop.")


def test_a_deadline_is_told_from_the_triggerer(kept: Kept) -> None:
    """As Airflow runs an AsyncCallback."""
    callback = AsyncCallback(SlackNotifier, kwargs={"to": "#late"})

    async def states() -> list[str]:
        trigger = CallbackTrigger(callback.path, {**callback.kwargs, "context": LATE})
        return [event.payload["state"] async for event in trigger.run()]

    assert asyncio.run(states())[-1] == "success"
    ((_, to, message),) = kept
    assert (to, message.title) == ("#late", "Late: shop")
