"""The Telegram stand-in reads its HTML as strictly as Telegram does."""

from typing import Any

import httpx
import pytest

from devstack.standins.messages.telegram_html import parse


def send(http: httpx.Client, token: str = "7:right", **arguments: Any) -> httpx.Response:
    return http.post(f"/bot{token}/sendMessage", json={"chat_id": -1001, "text": "x", **arguments})


def test_a_message_is_kept_with_and_without_its_markup(http: httpx.Client) -> None:
    result = send(http, text="<b>a &lt; b</b>", parse_mode="HTML", link_preview_options={"is_disabled": True}).json()
    assert result["ok"]
    assert (result["result"]["text"], result["result"]["message_id"]) == ("a < b", 1)
    (kept,) = http.get("/messages", params={"service": "telegram"}).json()
    assert (kept["chat_id"], kept["text"], kept["html"]) == ("-1001", "a < b", "<b>a &lt; b</b>")


def test_forms_are_taken_and_text_without_a_mode_is_text(http: httpx.Client) -> None:
    arguments = {"chat_id": "@alerts", "text": "<b>&amp;"}
    assert http.post("/bot7:right/sendMessage", data=arguments).json()["result"]["text"] == "<b>&amp;"
    assert http.get("/bot7:right/getMe").json()["result"]["id"] == 7


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ({"token": "7:wrong"}, 401, "Unauthorized"),
        ({"chat_id": ""}, 400, "Bad Request: chat_id is empty"),
        ({"chat_id": "nobody"}, 400, "Bad Request: chat not found"),
        ({"text": " "}, 400, "Bad Request: message text is empty"),
        ({"text": 4097 * "x"}, 400, "Bad Request: message is too long"),
        ({"parse_mode": "Sideways"}, 400, "Bad Request: unsupported parse_mode"),
        (
            {"text": "<b>", "parse_mode": "html"},
            400,
            "Bad Request: can't parse entities: Can't find end tag corresponding to start tag \"b\"",
        ),
    ],
)
def test_what_telegram_refuses_is_refused(
    http: httpx.Client, arguments: dict[str, Any], status: int, words: str
) -> None:
    answer = send(http, **arguments)
    assert answer.status_code == status
    assert answer.json() == {"ok": False, "error_code": status, "description": words}
    assert http.get("/messages").json() == []


def test_an_unknown_method_and_a_broken_body_are_refused(http: httpx.Client) -> None:
    assert http.post("/bot7:right/sendPigeon", json={}).json()["description"] == "Not Found"
    answer = http.post("/bot7:right/sendMessage", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400


def test_length_is_counted_without_markup(http: httpx.Client) -> None:
    assert send(http, text=f"<b>{4096 * '&lt;'}</b>", parse_mode="HTML").json()["ok"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("a < b", "Unclosed start tag at byte offset 2"),
        ("é<p>x</p>", 'Unsupported start tag "p" at byte offset 2'),
        ("<b>x</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("<b>x</b", "Unclosed end tag at byte offset 4"),
        ("<span>x</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
        ("<!-- -->", 'Unsupported start tag "!--" at byte offset 0'),
    ],
)
def test_html_that_is_not_telegrams_cannot_be_parsed(source: str, words: str) -> None:
    with pytest.raises(ValueError, match="^" + words.replace("(", r"\(") + "$"):
        parse(source)


def test_telegrams_html_is_shown_and_nothing_else() -> None:
    source = (
        '<a href="https://x/?a=1&amp;b=2">log</a> <a href="javascript:x">no</a> <span class="tg-spoiler">s</span>'
        '<pre><code class="language-python">1 &lt; 2 &#33; &nbsp;</code></pre><b onclick="x()">&lt;script&gt;</b>'
    )
    parsed = parse(source)
    assert parsed.text == "log no s1 < 2 ! &nbsp;<script>"
    assert parsed.html == (
        '<a href="https://x/?a=1&amp;b=2" rel="noreferrer">log</a> <a>no</a> <mark>s</mark>'
        "<pre><code>1 &lt; 2 ! &amp;nbsp;</code></pre><b>&lt;script&gt;</b>"
    )
