"""Whatever a message says, each channel gets something that it takes, and a person reads what was said."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import example, given
from hypothesis import strategies as st

from common.notify.escapes import markdown
from common.notify.forms import (
    FORMS,
    MAIL_HTML,
    MAIL_TEXT,
    PAGERDUTY,
    SLACK,
    TEAMS,
    TELEGRAM_HTML,
    Form,
    units,
)
from common.notify.message import Message, Severity, State
from common.notify.render import faults, rendered
from common.notify.samples import FULL, MARKUP

TEXTS = st.text(max_size=80) | st.sampled_from(
    [MARKUP, "```", "&amp;", "{{ title }}", "a\n\n*b*", "'\"\\", "👩‍🚀" * 9, " "]
)
MESSAGES = st.builds(
    Message,
    title=TEXTS,
    state=st.sampled_from(State),
    severity=st.sampled_from(Severity),
    facts=st.lists(st.tuples(TEXTS, TEXTS), max_size=22).map(tuple),
    error=TEXTS,
    advice=TEXTS,
    link=TEXTS | st.just("https://host/a?b=c&d='e'"),
    key=st.just("a.b/c"),
    delivery=st.just("0f2c"),
    text=TEXTS,
)
ALL = [pytest.param(form, id=form.file) for form in FORMS.values()]


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def strings(value: Any) -> list[str]:
    """Return every text of a JSON value, names of its objects too; those of Slack's markup unescaped."""
    if isinstance(value, dict):
        if value.get("type") == "mrkdwn":
            return [value["text"].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")]
        return [*value, *(text for part in value.values() for text in strings(part))]
    if isinstance(value, list):
        return [text for part in value for text in strings(part)]
    return [value] if isinstance(value, str) else []


def shown(form: Form, message: Message) -> str:
    """Return all that a person reads of a message in a channel, one text after another."""
    found = rendered(form, message)
    if form in (MAIL_HTML, TELEGRAM_HTML):
        return "".join(Page(found).texts)
    if isinstance(found, str):
        return found
    text = "\n".join(strings(found))
    return text.replace("\u00a0", " ") if form is TEAMS else text


@pytest.mark.parametrize("form", ALL)
@given(message=MESSAGES)
@example(message=Message("\n"))
def test_whatever_a_message_says_is_rendered_and_can_be_read(form: Form, message: Message) -> None:
    text, bounded = shown(form, message), message.bounded
    if units(json.dumps(bounded.json)) > 1_500:  # short enough that no channel cuts anything
        return
    facts = [part for fact in bounded.facts for part in fact]
    for part in (bounded.title, bounded.text, bounded.error, *facts, *bounded.advice.split("`")):
        said = part.strip().replace("\u00a0", " " if form is TEAMS else "\u00a0")
        assert said in text or (form is SLACK and said.replace("```", "'''") in text)


WORST = ("&", "<", '"', "\\", "\n\n", "👩‍🚀", "`", "é", "\u2028", "x")


@pytest.mark.parametrize("length", [1, 20, 195, 900, 2_000, 5_000])
@pytest.mark.parametrize("character", WORST)
@pytest.mark.parametrize("form", ALL)
def test_the_longest_message_is_cut_to_what_a_channel_takes_and_says_so(
    form: Form, character: str, length: int
) -> None:
    text, link = f"begin {character * 5_000} end", f"https://host/?{character * length}"
    message = Message(text, facts=((text, text),) * 30, error=text, advice=text, link=link, text=text, delivery="0f2c")
    read, found = shown(form, message), rendered(form, message)
    size = len(json.dumps(found, ensure_ascii=False).encode())
    assert size <= {TEAMS.file: 28_000, PAGERDUTY.file: 512_000}.get(form.file, 1_000_000)
    assert form is not TELEGRAM_HTML or len(read.encode("utf-16-le")) // 2 <= 4_096
    assert form is not SLACK or len(json.dumps(found["blocks"], ensure_ascii=False).encode("utf-16-le")) // 2 <= 13_200
    assert "begin" in read and "end" in read
    assert "[...]" in read
    assert "0f2c" in read


def test_a_traceback_reaches_slack_and_telegram_with_both_of_its_ends() -> None:
    message = replace(FULL, error="Traceback\n" + "  File 'x', line 1 & <2>\n" * 400 + "ValueError: last")
    for form in (SLACK, TELEGRAM_HTML):
        read = shown(form, message)
        assert "Traceback\n" in read and "ValueError: last" in read
        assert len(read) > 2_000


def test_a_traceback_keeps_its_indentation_in_teams() -> None:
    found = json.dumps(rendered(TEAMS, replace(FULL, error="a\n    b  c")), ensure_ascii=False)
    assert "a\\n\u00a0\u00a0\u00a0\u00a0b  c" in found


def test_an_empty_message_is_rendered_without_empty_texts() -> None:
    message = Message("", facts=(("", ""),))
    assert all(text.strip() for text in strings(rendered(SLACK, message)["blocks"]))
    assert rendered(TELEGRAM_HTML, message)


def test_slack_takes_no_commands_from_a_text() -> None:
    found = json.dumps(
        rendered(SLACK, Message("t", facts=(("<!here>", "v"),), error="<!channel> ``` *b*", advice="<@U1>"))
    )
    assert "<!" not in found and "<@" not in found
    assert "&lt;!channel&gt; ''' *b*" in found


def test_slack_shows_title_facts_error_and_log() -> None:
    header, facts, error, advice, link, small = rendered(SLACK, FULL)["blocks"]
    assert header["text"]["text"] == "❌ Failed: shop_sales_to_silver.sales"
    assert [field["text"] for field in facts["fields"][:2]] == ["*DAG*", "shop_sales_to_silver"]
    assert error["text"]["text"].startswith("```\nUnreadableFile: line 7")
    assert "`watershed parked show 5f1c`" in advice["text"]["text"]
    assert link["text"]["text"] == f"<{FULL.link}|Open the log>"
    assert small["elements"][0]["text"] == "Watershed · error · opened · 0f2c"


def test_what_is_no_address_is_no_link() -> None:
    message = replace(FULL, link="javascript:alert(1)")
    for form in (MAIL_HTML, TELEGRAM_HTML):
        assert "href" not in rendered(form, message)
        assert "javascript:alert(1)" in shown(form, message)
    assert rendered(TEAMS, message)["attachments"][0]["content"]["actions"] == []


def test_a_state_is_seen_at_once() -> None:
    heads = {state: rendered(MAIL_TEXT, replace(FULL, state=state)).splitlines()[0] for state in State}
    assert heads[State.RESOLVED] == "✅ Resolved: Failed: shop_sales_to_silver.sales"
    assert heads[State.STILL_OPEN] == "❌ Still open: Failed: shop_sales_to_silver.sales"
    assert heads[State.OPENED] == heads[State.REPORT] == "❌ Failed: shop_sales_to_silver.sales"


def test_facts_of_one_name_all_reach_pagerduty() -> None:
    details = rendered(PAGERDUTY, replace(FULL, facts=(("a", "1"), ("a", "2"), ("a", "3"))))["payload"][
        "custom_details"
    ]
    assert {name: details[name] for name in ("a", "a (2)", "a (3)")} == {"a": "1", "a (2)": "2", "a (3)": "3"}


def test_what_airflow_knows_to_be_secret_is_in_no_message() -> None:
    from airflow.sdk.log import mask_secret

    mask_secret("correct-horse-battery")
    message = replace(
        FULL, error="denied: correct-horse-battery", facts=(("a", "x" * 486 + "correct-horse-battery" + "y" * 600),)
    )
    for form in FORMS.values():
        read = shown(form, message)
        assert "denied: ***" in read
        assert not any(part in read for part in ("correct", "horse", "battery"))


def test_a_users_template_is_used_and_its_values_are_escaped(templates: Path) -> None:
    (templates / "slack.json.j2").write_text('{"text": "Mine: {{ title }}"}')
    assert rendered(SLACK, Message('<a> "b"')) == {"text": 'Mine: &lt;a&gt; "b"'}
    (templates / "teams.json.j2").write_text(
        '{"type": "message", "attachments": [{"content": {"type": "AdaptiveCard", "body": ["{{ title | markdown }}"]}}]}'
    )
    assert rendered(TEAMS, Message("*a* [b](c)"))["attachments"][0]["content"]["body"] == [r"\*a\* \[b\]\(c\)"]
    assert faults() == []


BROKEN = {
    "a misspelt name": ('{"text":\n "{{ titel }}"}', "line 2: 'titel' is undefined"),
    "no template": ('{"text": "{{ title"}', "line 1: unexpected char"),
    "no JSON": ('{"text": {{ title }}}', "line 1 of what it renders is no JSON"),
    "no object": ("[]", "it renders a list"),
    "nothing for Slack": ('{"blocks": []}', "KeyError: 'text'"),
    "too much": ('{"text": "{{ "x" * 5000 }}"}', "text has 5000 characters, of at most 3000"),
    "an empty text": (
        '{"text": "a", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": " "}}]}',
        "a text of a section is empty",
    ),
    "a way out": ("{{ ''.__class__.__mro__ }}", "line 1: access to attribute '__class__' of 'str' object is unsafe"),
    "an unknown filter": ('{"text": "{{ title | shout }}"}', "No filter named 'shout'"),
}


@pytest.mark.parametrize("template, fault", BROKEN.values(), ids=BROKEN)
def test_a_template_with_a_fault_still_sends_and_says_so(templates: Path, template: str, fault: str) -> None:
    path = templates / "slack.json.j2"
    path.write_text(template)
    with structlog.testing.capture_logs() as lines:
        header = rendered(SLACK, FULL)["blocks"][0]
    assert header["text"]["text"] == "❌ Failed: shop_sales_to_silver.sales"
    (line,) = lines
    assert line["log_level"] == "warning" and line["template"] == "slack.json.j2" and line["fault"]
    (found,) = faults()
    assert found.startswith(str(path))
    assert fault in found


def test_a_template_of_no_channel_is_a_fault(templates: Path) -> None:
    (templates / "slak.json.j2").write_text("{}")
    (templates / "README.md").write_text("not one")
    (found,) = faults()
    assert "no channel has a template of this name. Known: slack.json.j2, mail.html.j2" in found


def test_telegrams_tags_are_few_and_closed(templates: Path) -> None:
    (templates / "telegram.html.j2").write_text("<p>{{ title }}</p>")
    assert "Telegram knows no tag <p>" in faults()[0]
    (templates / "telegram.html.j2").write_text("<b>{{ title }}")
    assert "<b> is not closed" in faults()[0]


def test_no_template_is_no_fault() -> None:
    assert faults() == []


@given(st.text())
def test_markdown_can_be_read_again(text: str) -> None:
    escaped = json.loads(f'"{markdown(text)}"')
    assert re.sub(r"\\(.)", r"\1", escaped, flags=re.DOTALL) == text
    assert not re.search(r"(?<!\\)[*_[<]", escaped.replace("\\\\", ""))
