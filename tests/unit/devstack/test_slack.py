"""The Slack stand-in answers as Slack does."""

from typing import Any

import httpx
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from devstack.standins.messages.server import Setup
from devstack.standins.messages.slack import channel_id
from devstack.standins.messages.slack_page import articles, mrkdwn

PLAIN, MRKDWN = ({"type": kind, "text": "x"} for kind in ("plain_text", "mrkdwn"))


@pytest.fixture
def slack(http: httpx.Client) -> httpx.Client:
    http.headers["Authorization"] = "Bearer xoxb-right"
    return http


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


@pytest.mark.parametrize(
    ("token", "word"), [("", "not_authed"), ("xoxb-wrong", "invalid_auth"), ("xoxb-\xe9", "invalid_auth")]
)
def test_a_wrong_token_is_refused_with_status_200(http: httpx.Client, token: str, word: str) -> None:
    answer = http.post("/api/auth.test", headers={"Authorization": f"Bearer {token}".encode("latin-1")})
    assert (answer.status_code, answer.json()) == (200, {"ok": False, "error": word})


def test_a_message_is_kept_with_its_blocks(slack: httpx.Client) -> None:
    blocks = [{"type": "header", "text": {"type": "plain_text", "text": "Failed"}}]
    sent = slack.post("/api/chat.postMessage", json={"channel": "#data-alerts", "blocks": blocks}).json()
    assert sent["ok"]
    (kept,) = slack.get("/messages").json()
    assert (kept["service"], kept["channel"], kept["blocks"]) == ("slack", "#data-alerts", blocks)
    assert kept["ts"] == sent["ts"]


def test_forms_carry_blocks_as_text(slack: httpx.Client) -> None:
    slack.post("/api/chat.postMessage", data={"channel": "C012345678", "blocks": '[{"type": "divider"}]'})
    assert slack.get("/messages").json()[0]["blocks"] == [{"type": "divider"}]


@pytest.mark.parametrize(
    ("method", "arguments", "word"),
    [
        ("chat.postMessage", {"text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": "#x"}, "no_text"),
        ("chat.postMessage", {"channel": "#x", "text": 40_001 * "x"}, "msg_too_long"),
        ("chat.postMessage", {"channel": "#x", "text": "x", "metadata": {"id": 1}}, "invalid_metadata_format"),
        ("chat.postMessage", {"channel": "#x", "blocks": "[{"}, "invalid_arguments"),
        ("files.completeUploadExternal", {"files": [1]}, "invalid_arguments"),
        ("chat.invented", {}, "unknown_method"),
        ("conversations.history", {"channel": "#x"}, "channel_not_found"),
        ("files.getUploadURLExternal", {}, "invalid_arguments"),
        ("files.completeUploadExternal", {"files": [{"id": "F0"}]}, "file_not_found"),
    ],
)
def test_what_slack_refuses_is_refused(slack: httpx.Client, method: str, arguments: dict[str, Any], word: str) -> None:
    assert slack.post(f"/api/{method}", json=arguments).json() == {"ok": False, "error": word}


@pytest.mark.parametrize(
    ("blocks", "error"),
    [
        (51 * [{"type": "divider"}], "no more than 50 items allowed [json-pointer:/blocks]"),
        ([section(3001 * "x")], "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"),
        (
            [{"type": "divider"}, {"type": "header", "text": PLAIN | {"text": 151 * "x"}}],
            "must be less than 151 characters [json-pointer:/blocks/1/text/text]",
        ),
        (
            [{"type": "section", "fields": 11 * [MRKDWN]}],
            "no more than 10 items allowed [json-pointer:/blocks/0/fields]",
        ),
        (
            [{"type": "section", "fields": [MRKDWN | {"text": 2001 * "x"}]}],
            "must be less than 2001 characters [json-pointer:/blocks/0/fields/0/text]",
        ),
        ([{"type": "header", "text": MRKDWN}], "must be a valid enum value [json-pointer:/blocks/0/text/type]"),
        ([section("")], "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
        ([{"type": "section"}], "missing required field: text [json-pointer:/blocks/0/text]"),
        ([{"type": "context", "elements": ["x"]}], "must be an object [json-pointer:/blocks/0/elements/0]"),
        ([{"type": "invented"}], "unsupported type: invented [json-pointer:/blocks/0/type]"),
        ({"type": "divider"}, "must be an array of blocks [json-pointer:/blocks]"),
        (
            [{"type": "actions", "elements": 26 * [{"type": "button", "text": PLAIN}]}],
            "no more than 25 items allowed [json-pointer:/blocks/0/elements]",
        ),
        (
            [{"type": "actions", "elements": [{"type": "button", "text": PLAIN, "url": 3001 * "x"}]}],
            "must be less than 3001 characters [json-pointer:/blocks/0/elements/0/url]",
        ),
    ],
)
def test_blocks_beyond_slacks_limits_are_refused_and_named(slack: httpx.Client, blocks: Any, error: str) -> None:
    answer = slack.post("/api/chat.postMessage", json={"channel": "#x", "text": "x", "blocks": blocks}).json()
    assert answer == {
        "ok": False,
        "error": "invalid_blocks",
        "errors": [error],
        "response_metadata": {"messages": [f"[ERROR] {error}"]},
    }
    assert slack.get("/messages").json() == []


def test_blocks_at_slacks_limits_are_taken(slack: httpx.Client) -> None:
    fields = {"type": "section", "fields": 10 * [MRKDWN | {"text": 2000 * "x"}]}
    header = {"type": "header", "text": PLAIN | {"text": 150 * "x"}}
    blocks = [header, fields, section(3000 * "x"), *(47 * [{"type": "divider"}])]
    assert slack.post("/api/chat.postMessage", json={"channel": "#x", "text": 40_000 * "x", "blocks": blocks}).json()[
        "ok"
    ]


def test_a_broken_body_is_refused(slack: httpx.Client) -> None:
    answer = slack.post("/api/api.test", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.json() == {"ok": False, "error": "invalid_json"}


def test_a_call_without_arguments_may_have_no_body(slack: httpx.Client) -> None:
    answer = slack.post("/api/auth.test", headers={"Content-Type": "application/json"})
    assert answer.json()["team"] == "Watershed"


def test_channels_are_found_by_name(slack: httpx.Client) -> None:
    slack.post("/api/chat.postMessage", json={"channel": "#data-alerts", "text": "x"})
    (channel,) = slack.post("/api/conversations.list").json()["channels"]
    assert channel["name"] == "data-alerts"
    assert channel_id("#data-alerts") == channel_id("data-alerts") == channel["id"]
    assert channel_id(channel["id"]) == channel["id"]


def test_slacks_own_client_finds_a_delivery_by_its_metadata(served: Setup) -> None:
    client = WebClient(token="xoxb-right", base_url=f"{served.address}/api/")
    for number in range(3):
        metadata = {"event_type": "alert", "event_payload": {"delivery": number}}
        sent = client.chat_postMessage(channel="#looked-up", text=f"{number}", metadata=metadata)
    channel = str(sent["channel"])
    page = client.conversations_history(channel=channel, limit=2, include_all_metadata=True)
    assert [one["metadata"]["event_payload"]["delivery"] for one in page["messages"]] == [2, 1]
    assert page["has_more"]
    (last,) = client.conversations_history(channel=channel, cursor=page["response_metadata"]["next_cursor"])["messages"]
    assert last["text"] == "0"
    assert "metadata" not in last
    newer = client.conversations_history(channel=channel, oldest=last["ts"])["messages"]
    assert [one["text"] for one in newer] == ["2", "1"]
    assert client.files_upload_v2(channel=channel, content="why", filename="log.txt")["ok"]
    with pytest.raises(SlackApiError, match="channel_not_found"):
        client.conversations_history(channel="#looked-up")


def test_the_page_shows_text_as_text() -> None:
    first, second = articles(
        [
            {"channel": "#<x>", "received": "now", "text": "<b>no</b> *yes*"},
            {
                "channel": "#y",
                "received": "now",
                "blocks": [{"type": "video"}, "<x>", {"type": "context", "elements": 1}],
            },
        ]
    )
    assert "&lt;b&gt;no&lt;/b&gt; <b>yes</b>" in first
    assert "#&lt;x&gt;" in first
    assert "video" in second
    assert "<pre>&lt;x&gt;</pre>" in second


def test_marks_become_html() -> None:
    assert mrkdwn("<http://a/b?c=1&d=2|see *this*>") == '<a href="http://a/b?c=1&amp;d=2">see <b>this</b></a>'
    assert mrkdwn("`a<b`") == "<code>a&lt;b</code>"
    assert mrkdwn("```*a* <http://b>``` _c_d _e_") == "<pre>*a* &lt;http://b&gt;</pre> _c_d <i>e</i>"
    assert mrkdwn("a &lt; b &amp;&amp; c") == "a &lt; b &amp;&amp; c"


def test_an_address_cannot_leave_its_quotes() -> None:
    assert 'onclick="' not in mrkdwn('<http://a" onclick="b()|x>')
    (button,) = articles(
        [
            {
                "channel": "#x",
                "received": "now",
                "blocks": [{"type": "actions", "elements": [{"url": "javascript:a()", "text": PLAIN}]}],
            }
        ]
    )
    assert "javascript" not in button
