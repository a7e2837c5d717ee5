"""A message, before any channel renders it."""

from types import SimpleNamespace

from common.notify.alerts import what_failed
from common.notify.message import Message


def test_one_line_stands_for_the_whole() -> None:
    assert Message("Failed: a", error="one\ntwo").plain == "Failed: a: one"
    assert Message("Done: a", text="one\ntwo").plain == "Done: a: one"
    assert Message("Failed: a").plain == "Failed: a"


def test_a_dag_callback_has_neither_task_nor_exception() -> None:
    run = SimpleNamespace(dag_id="d", run_id="r")
    assert what_failed({"dag_run": run, "reason": "task_failure"}) == (
        "d",
        "A task of this run has failed for good, or was killed.",
        {"DAG": "d", "Run": "r"},
    )


def test_a_bounded_message_says_that_it_was_cut_and_what_was_left_out() -> None:
    message = Message("t" * 300, facts=tuple((f"fact {n}", "v" * 2_000) for n in range(25)), error="e" * 9_000).bounded
    assert len(message.title) <= 250 and " [...] " in message.title
    assert len(message.facts) == 20 and message.facts[-1] == ("Left out", "6 more facts")
    assert len(message.facts[0][1]) <= 1_000 and len(message.error) <= 4_000


def test_a_bounded_message_has_neither_logins_nor_control_characters() -> None:
    message = Message("a\x00b\r\nc", error="postgresql://me:hunter2@host/db \ud800", link="http://a:b@host").bounded
    assert message.title == "ab c"
    assert message.error == "postgresql://me:***@host/db "
    assert message.link == "http://a:***@host"
