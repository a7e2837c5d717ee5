"""A message becomes blocks that Slack takes, whatever is in it."""

from types import SimpleNamespace

from common.notify.alerts import failure_message
from common.notify.message import Message
from common.notify.slack import blocks


def test_blocks_hold_title_facts_error_and_link() -> None:
    message = Message("T" * 200, (("DAG", "a<b>&c"),), "boom ``` <x>", "http://log")
    header, facts, error, link = blocks(message)
    assert header["text"]["text"] == "T" * 150
    assert facts["fields"] == [{"type": "mrkdwn", "text": "*DAG*\na&lt;b&gt;&amp;c"}]
    assert error["text"]["text"] == "```boom ''' &lt;x&gt;```"
    assert link["text"]["text"] == "<http://log|Open the log>"


def test_a_long_error_is_cut_to_what_slack_takes() -> None:
    assert len(blocks(Message("t", error="x" * 9_000))[1]["text"]["text"]) < 3_000


def test_one_line_stands_for_the_whole() -> None:
    assert Message("Failed: a", error="one\ntwo").plain == "Failed: a: one"
    assert Message("Failed: a").plain == "Failed: a"


def test_a_dag_callback_has_neither_task_nor_exception() -> None:
    run = SimpleNamespace(dag_id="d", run_id="r")
    message = failure_message({"dag_run": run, "reason": "task_failure"})
    assert message.title == "Failed: d"
    assert message.error == "task_failure"
    assert [name for name, _ in message.facts] == ["DAG", "Run"]
