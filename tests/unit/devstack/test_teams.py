"""The MS Teams stand-in takes Adaptive Cards by a Workflows address."""

import json
from typing import Any

import httpx
import pytest

from devstack.channels import FLOW
from devstack.standins.messages.cards import articles
from devstack.standins.messages.teams import CARD, LARGEST

RIGHT = {"sig": "right"}


def message(*body: Any, **card: Any) -> dict[str, Any]:
    content = {"type": "AdaptiveCard", "version": "1.4", "body": list(body), **card}
    return {"type": "message", "attachments": [{"contentType": CARD, "content": content}]}


def shown(*body: Any, **card: Any) -> str:
    cards = [message(*body, **card)["attachments"][0]["content"]]
    (article,) = articles([{"flow": "alerts", "received": "now", "cards": cards}])
    return article


def test_a_card_is_accepted_without_a_word_and_kept(http: httpx.Client) -> None:
    sent = message({"type": "TextBlock", "text": "It failed"})
    answer = http.post(FLOW, params=RIGHT, json=sent)
    assert (answer.status_code, answer.content) == (202, b"")
    (kept,) = http.get("/messages", params={"service": "teams"}).json()
    assert (kept["flow"], kept["cards"]) == ("data-alerts", [sent["attachments"][0]["content"]])


@pytest.mark.parametrize("sig", ["", "wrong", "r\xefght"])
def test_a_wrong_signature_is_refused(http: httpx.Client, sig: str) -> None:
    answer = http.post(FLOW, params={"sig": sig}, json=message())
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "DirectApiAuthorizationRequired")


@pytest.mark.parametrize(
    "sent",
    [
        {"text": "a message of the retired connectors"},
        {"type": "message"},
        {"type": "message", "attachments": []},
        {"type": "message", "attachments": [{"contentType": "text/plain", "content": {}}]},
        {"type": "message", "attachments": [{"contentType": CARD, "content": {"type": "MessageCard", "body": []}}]},
        {"type": "message", "attachments": [{"contentType": CARD, "content": {"type": "AdaptiveCard"}}]},
        [],
    ],
)
def test_what_is_no_adaptive_card_is_refused(http: httpx.Client, sent: Any) -> None:
    answer = http.post(FLOW, params=RIGHT, json=sent)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "TriggerInputSchemaMismatch")
    assert http.get("/messages").json() == []


def test_a_body_may_have_28_kilobytes(http: httpx.Client) -> None:
    empty = len(json.dumps(message({"type": "TextBlock", "text": ""})))
    for more, status in ((0, 202), (1, 413)):
        sent = json.dumps(message({"type": "TextBlock", "text": (LARGEST - empty + more) * "x"}))
        assert http.post(FLOW, params=RIGHT, content=sent).status_code == status


def test_a_card_is_shown_as_teams_shows_it() -> None:
    html = shown(
        {"type": "TextBlock", "text": "Failed: **a** [log](https://x/y)", "size": "Large", "color": "Attention"},
        {"type": "FactSet", "facts": [{"title": "DAG", "value": "shop"}]},
        {"type": "Container", "style": "attention", "items": [{"type": "TextBlock", "text": "boom"}]},
        {
            "type": "ColumnSet",
            "columns": [{"type": "Column", "width": 4, "items": [{"type": "TextBlock", "text": "left"}]}],
        },
        {"type": "RichTextBlock", "inlines": ["rich", {"type": "TextRun", "text": "*er*", "weight": "Bolder"}]},
        {"type": "CodeBlock", "codeSnippet": "raise"},
        actions=[{"type": "Action.OpenUrl", "title": "Open the log", "url": "https://x/log"}],
    )
    assert '<div class="text attention large">Failed: <b>a</b> <a href="https://x/y">log</a></div>' in html
    assert "<th>DAG<td>shop" in html
    assert '<div class="box attention"><div class="text">boom</div></div>' in html
    assert '<div style="flex: 4"><div class="text">left</div></div>' in html
    assert 'rich<span class="text bolder">*er*</span>' in html
    assert "<pre>raise</pre>" in html
    assert '<a class="button" href="https://x/log" rel="noreferrer">Open the log</a>' in html


def test_what_a_card_says_is_no_html() -> None:
    nasty = "<script>x</script>\"'"
    html = shown(
        {"type": "TextBlock", "text": nasty, "color": nasty, "fontType": nasty},
        {"type": "FactSet", "facts": [{"title": nasty, "value": nasty}]},
        {"type": "Container", "style": nasty, "items": [nasty]},
        {"type": nasty},
        {"type": "FactSet", "facts": [nasty]},
        {"type": "ColumnSet", "columns": [{"width": nasty, "items": [{"type": "TextBlock", "text": nasty}]}, nasty]},
        {"type": "RichTextBlock", "inlines": [nasty, {"text": nasty, "color": nasty}, 1]},
        actions=[
            {"type": "Action.OpenUrl", "title": nasty, "url": f"https://x/{nasty}"},
            {"type": "Action.OpenUrl", "title": "x", "url": "javascript:x"},
            {"type": "Action.Submit", "title": nasty},
        ],
    )
    assert "<script" not in html
    assert "javascript" not in html
    assert html.count('"') % 2 == 0
