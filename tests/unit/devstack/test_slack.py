"""The Slack stand-in answers as Slack does."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from devstack.standins.app import app as standins
from devstack.standins.slack import Mailbox, channel_id, create_app
from devstack.standins.slack_page import mrkdwn, page

Call = Callable[..., httpx.Response]


@pytest.fixture
def call(tmp_path: Path) -> Call:
    app = create_app(Mailbox(tmp_path, "http://slack"), "xoxb-right")

    def request(path: str, token: str = "xoxb-right", verb: str = "POST", **content: Any) -> httpx.Response:
        async def go() -> httpx.Response:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://slack") as client:
                if token:
                    client.headers["Authorization"] = f"Bearer {token}"
                return await client.request(verb, path, **content)

        return asyncio.run(go())

    return request


@pytest.mark.parametrize(("token", "word"), [("", "not_authed"), ("xoxb-wrong", "invalid_auth")])
def test_a_wrong_token_is_refused_with_status_200(call: Call, token: str, word: str) -> None:
    answer = call("/api/auth.test", token)
    assert (answer.status_code, answer.json()) == (200, {"ok": False, "error": word})


def test_a_message_is_kept_with_its_blocks(call: Call) -> None:
    blocks = [{"type": "header", "text": {"type": "plain_text", "text": "Failed"}}]
    sent = call("/api/chat.postMessage", json={"channel": "#data-alerts", "blocks": blocks}).json()
    assert sent["ok"]
    (kept,) = call("/messages", verb="GET").json()
    assert (kept["channel"], kept["blocks"], kept["ts"]) == ("#data-alerts", blocks, sent["ts"])


def test_forms_carry_blocks_as_text(call: Call) -> None:
    call("/api/chat.postMessage", data={"channel": "C012345678", "blocks": '[{"type": "divider"}]'})
    assert call("/messages", verb="GET").json()[0]["blocks"] == [{"type": "divider"}]


@pytest.mark.parametrize(
    ("method", "arguments", "word"),
    [
        ("chat.postMessage", {"text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": "#x"}, "no_text"),
        ("chat.invented", {}, "unknown_method"),
        ("files.getUploadURLExternal", {}, "invalid_arguments"),
        ("files.completeUploadExternal", {"files": [{"id": "F0"}]}, "file_not_found"),
    ],
)
def test_what_slack_refuses_is_refused(call: Call, method: str, arguments: dict[str, Any], word: str) -> None:
    assert call(f"/api/{method}", json=arguments).json() == {"ok": False, "error": word}


def test_a_broken_body_is_refused(call: Call) -> None:
    answer = call("/api/api.test", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.json() == {"ok": False, "error": "invalid_json"}


def test_a_call_without_arguments_may_have_no_body(call: Call) -> None:
    answer = call("/api/auth.test", headers={"Content-Type": "application/json"})
    assert answer.json()["team"] == "Watershed"


def test_channels_are_found_by_name(call: Call) -> None:
    call("/api/chat.postMessage", json={"channel": "#data-alerts", "text": "x"})
    (channel,) = call("/api/conversations.list").json()["channels"]
    assert channel["name"] == "data-alerts"
    assert channel_id("#data-alerts") == channel_id("data-alerts") == channel["id"]
    assert channel_id(channel["id"]) == channel["id"]


def test_the_page_shows_text_as_text() -> None:
    html = page(
        [
            {"channel": "#<x>", "received": "now", "text": "<b>no</b> *yes*"},
            {"channel": "#y", "received": "now", "blocks": [{"type": "video"}]},
        ]
    )
    assert "&lt;b&gt;no&lt;/b&gt; <b>yes</b>" in html
    assert "#&lt;x&gt;" in html
    assert "video" in html


def test_marks_become_html() -> None:
    assert mrkdwn("<http://a/b?c=1&d=2|see *this*>") == '<a href="http://a/b?c=1&amp;d=2">see <b>this</b></a>'
    assert mrkdwn("`a<b`") == "<code>a&lt;b</code>"


def test_in_a_container_it_is_built_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDINS_FOLDER", str(tmp_path))
    monkeypatch.setenv("STANDINS_URL", "http://standins:8090")
    monkeypatch.setenv("STANDINS_TOKEN", "xoxb-right")

    async def go() -> dict[str, Any]:
        transport = httpx.ASGITransport(app=standins())
        async with httpx.AsyncClient(transport=transport, base_url="http://slack") as client:
            found: dict[str, Any] = (await client.get("/api/auth.test", params={"token": "xoxb-right"})).json()
            return found

    assert asyncio.run(go())["url"] == "http://standins:8090/"
