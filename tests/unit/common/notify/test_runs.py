"""What is said of a run, whatever of it Airflow hands to a callback."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from common.core.masks import said
from common.notify.message import Severity, State
from common.notify.runs import message_of

RUN = SimpleNamespace(dag_id="shop", run_id="manual__2026-03-01T00:00:00+00:00")
TASK = SimpleNamespace(task_id="load", try_number=2, log_url="http://log", map_index=-1, state="failed")
OF_TASK = {"dag_run": RUN, "task_instance": TASK, "ti": TASK, "run_id": RUN.run_id}


def test_a_failed_task_is_told_with_its_error_try_and_log() -> None:
    message = message_of({**OF_TASK, "exception": ValueError("boom")})
    assert message.title == "Failed: shop.load"
    assert (message.state, message.severity) == (State.OPENED, Severity.ERROR)
    assert message.error == "ValueError: boom"
    assert message.facts == (("DAG", "shop"), ("Task", "load"), ("Run", RUN.run_id), ("Try", "2"))
    assert message.link == "http://log"


def test_tasks_of_one_run_are_different_matters_and_tries_of_one_are_not() -> None:
    def key(**changes: Any) -> str:
        task = SimpleNamespace(**{**vars(TASK), **changes})
        return message_of({**OF_TASK, "task_instance": task, "exception": "boom"}).key

    assert key() == key(try_number=3)
    assert len({key(), key(task_id="other"), key(map_index=0), key(map_index=1)}) == 4


@pytest.mark.parametrize("most, said", [(None, "2"), (0, "2"), (1, "2 of 2"), (4, "2 of 5")])
def test_a_failure_says_whether_there_will_be_another_try(most: int | None, said: str) -> None:
    task = SimpleNamespace(**{**vars(TASK), "max_tries": most})
    message = message_of({**OF_TASK, "task_instance": task, "exception": ValueError("boom")})
    assert dict(message.facts)["Try"] == said


def test_a_task_that_succeeded_is_a_report() -> None:
    message = message_of(OF_TASK)
    assert (message.title, message.state, message.severity) == ("Done: shop.load", State.REPORT, Severity.INFO)


@pytest.mark.parametrize("last", [{}, {"task_instance": TASK, "dag_run": RUN}], ids=["bare", "with its last task"])
def test_a_dags_callback_tells_of_the_run(last: dict[str, Any]) -> None:
    dag = SimpleNamespace(dag_id="shop")
    failed = message_of({"dag": dag, "run_id": RUN.run_id, "reason": "task_failure", **last}, "http://airflow/")
    assert (failed.title, failed.error, failed.state) == ("Failed: shop", said("task_failure"), State.OPENED)
    assert failed.link == "http://airflow/dags/shop/runs/manual__2026-03-01T00%3A00%3A00%2B00%3A00"
    done = message_of({"dag": dag, "run_id": RUN.run_id, "reason": "success", **last})
    assert (done.title, done.state, done.link) == ("Done: shop", State.REPORT, "")


def test_a_missed_deadline_says_what_is_late_and_since_when() -> None:
    run = {"dag_id": "shop", "dag_run_id": "r", "state": "running"}
    message = message_of({"dag_run": run, "deadline": {"id": "1", "deadline_time": "2026-03-01T06:00:00Z"}}, "http://a")
    assert (message.title, message.severity) == ("Late: shop", Severity.WARNING)
    due = ("Due", "2026-03-01 06:00:00 UTC")
    assert message.facts == (("DAG", "shop"), ("Run", "r"), ("State", "running"), due)
    assert message.link == "http://a/dags/shop/runs/r"
    moment = {"deadline_time": datetime(2026, 3, 1, 6, tzinfo=UTC)}
    assert message_of({"dag_run": run, "deadline": moment}).facts[-1] == due
    assert message_of({"dag_run": run, "deadline": {"deadline_time": "soon"}}).facts[-1] == ("Due", "soon")


def test_a_context_with_nothing_in_it_still_makes_a_message() -> None:
    assert message_of({}).title == "Done: "
    assert message_of({"exception": "boom"}).error == "boom"
