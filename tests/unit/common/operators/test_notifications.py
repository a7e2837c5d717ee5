"""Operators that tell people: what they say, and what becomes of the task where nobody hears it."""

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from common.core.errors import ConfigError
from common.notify.channel import Undelivered
from common.notify.channels import CHANNELS
from common.notify.message import Message, Severity, State
from common.operators.notifications import (
    EmailNotificationOperator,
    MSTeamsNotificationOperator,
    SlackNotificationOperator,
    TelegramNotificationOperator,
)
from tests.unit.common.notify.channels import Kept, kept

__all__ = ["kept"]
OPERATORS = [
    SlackNotificationOperator,
    EmailNotificationOperator,
    MSTeamsNotificationOperator,
    TelegramNotificationOperator,
]


def context(**changes: Any) -> Any:
    ti = {"dag_id": "shop", "run_id": "r", "task_id": "report", "map_index": -1, "try_number": 1, **changes}
    return {"ti": SimpleNamespace(**ti), "ds": "2026-03-01"}


def run(operator: Any, **changes: Any) -> str:
    operator.render_template_fields(context())
    return str(operator.execute(context(**changes)))


class Failing:
    """A channel that fails, and keeps whether it was told that it may have worked before."""

    def __init__(self, failure: Undelivered) -> None:
        self.failure, self.again = failure, list[bool]()

    def send(self, message: Message, to: str, *, again: bool, patience: float) -> None:
        self.again.append(again)
        raise self.failure


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_report_is_sent_and_its_delivery_returned(kept: Kept, operator: Any) -> None:
    task = operator(
        task_id="report",
        to="x-{{ ds }}",
        title="Sales of {{ ds }}",
        text="Of {{ ds }}.",
        facts={"Rows": 3, "Day": "{{ ds }}"},
    )
    delivery = run(task)
    ((channel, to, message),) = kept
    assert (channel, to, message.title, message.text) == (
        operator.channel,
        "x-2026-03-01",
        "Sales of 2026-03-01",
        "Of 2026-03-01.",
    )
    assert message.facts == (("Rows", "3"), ("Day", "2026-03-01"))
    assert (message.state, message.severity, message.delivery) == (State.REPORT, Severity.INFO, delivery)


def test_from_severity_error_on_it_is_an_alert(kept: Kept) -> None:
    run(SlackNotificationOperator(task_id="report", to="#x", title="t", severity="error"))
    run(SlackNotificationOperator(task_id="report", to="#x", title="t", severity="warning"))
    assert [message.state for _, _, message in kept] == [State.OPENED, State.REPORT]


def test_a_task_that_is_tried_again_sends_the_same_delivery(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    task = SlackNotificationOperator(task_id="report", to="#x", title="t")
    assert run(task) == run(task, try_number=2)
    assert run(task) != run(task, map_index=0)
    failing = Failing(Undelivered("refused", lasting=True))
    monkeypatch.setitem(CHANNELS, "slack", failing)
    for number in (1, 2):
        with pytest.raises(AirflowFailException):
            run(task, try_number=number)
    assert failing.again == [False, True]


def test_a_task_whose_message_does_not_arrive_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    task = SlackNotificationOperator(task_id="report", to="#x", title="t")
    monkeypatch.setitem(CHANNELS, "slack", Failing(Undelivered("no such channel", lasting=True)))
    with pytest.raises(AirflowFailException, match="not taken by slack: no such channel"):
        run(task)
    monkeypatch.setitem(CHANNELS, "slack", Failing(Undelivered("busy", retry_after=3600)))
    with pytest.raises(Undelivered, match="busy"):
        run(task)


def test_a_queued_message_fails_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CHANNELS, "slack", Failing(Undelivered("no such channel", lasting=True)))
    assert run(SlackNotificationOperator(task_id="report", to="#x", title="t", deliver="queued"))


def test_mistakes_are_found_when_the_dag_is_parsed() -> None:
    with pytest.raises(ConfigError, match="Known: now, queued"):
        SlackNotificationOperator(task_id="report", to="#x", title="t", deliver="later")
    with pytest.raises(ValueError, match="loud"):
        SlackNotificationOperator(task_id="report", to="#x", title="t", severity="loud")


def test_it_stands_in_a_dag() -> None:
    with DAG("shop") as dag:
        SlackNotificationOperator(task_id="report", to="#x", title="t")
    assert dag.get_task("report").template_fields == ("to", "title", "text", "facts", "link")
