"""What is said of a run, whatever of it Airflow hands to a callback."""

from types import SimpleNamespace
from typing import Any

import pytest

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


def test_a_task_that_is_tried_again_is_a_warning() -> None:
    task = SimpleNamespace(**{**vars(TASK), "state": "up_for_retry"})
    message = message_of({**OF_TASK, "task_instance": task, "exception": ValueError("boom")})
    assert (message.title, message.severity) == ("To be tried again: shop.load", Severity.WARNING)


def test_a_task_that_succeeded_is_a_report() -> None:
    message = message_of(OF_TASK)
    assert (message.title, message.state, message.severity) == ("Done: shop.load", State.REPORT, Severity.INFO)


@pytest.mark.parametrize("last", [{}, {"task_instance": TASK, "dag_run": RUN}], ids=["bare", "with its last task"])
def test_a_dags_callback_tells_of_the_run(last: dict[str, Any]) -> None:
    dag = SimpleNamespace(dag_id="shop")
    failed = message_of({"dag": dag, "run_id": RUN.run_id, "reason": "task_failure", **last}, "http://airflow/")
    assert (failed.title, failed.error, failed.state) == ("Failed: shop", "task_failure", State.OPENED)
    assert failed.link == "http://airflow/dags/shop/runs/manual__2026-03-01T00%3A00%3A00%2B00%3A00"
    done = message_of({"dag": dag, "run_id": RUN.run_id, "reason": "success", **last})
    assert (done.title, done.state, done.link) == ("Done: shop", State.REPORT, "")


def test_a_missed_deadline_says_what_is_late_and_since_when() -> None:
    run = {"dag_id": "shop", "dag_run_id": "r", "state": "running"}
    message = message_of({"dag_run": run, "deadline": {"id": "1", "deadline_time": "2026-03-01T06:00:00Z"}}, "http://a")
    assert (message.title, message.severity) == ("Late: shop", Severity.WARNING)
    assert message.facts == (("DAG", "shop"), ("Run", "r"), ("State", "running"), ("Due", "2026-03-01T06:00:00Z"))
    assert message.link == "http://a/dags/shop/runs/r"


def test_a_context_with_nothing_in_it_still_makes_a_message() -> None:
    assert message_of({}).title == "Done: "
    assert message_of({"exception": "boom"}).error == "boom"
