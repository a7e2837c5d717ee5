"""What each channel takes: how its markup is escaped, and what it refuses."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from common.notify.escapes import code, html, in_json, indented, markdown, mrkdwn, plain_text
from common.notify.tags import text_of

Filter = Callable[[str], Markup]
# Of Slack's documentation, but for the last: what all blocks together may hold is written nowhere, and about 13,200.
HEADER, TEXT, FIELD, BLOCKS, FIELDS, TOGETHER = 150, 3_000, 2_000, 50, 10, 12_000
FALLBACK = 3_000
CARD = 20_000  # bytes; Teams refuses messages of more than about 28 KB, what it adds included
TELEGRAM = 4_096
SUMMARY, EVENT = 1_024, 400_000  # PagerDuty's; its events may have 512 KB


class TooLong(ValueError):
    """A rendered message that its channel would refuse for its length."""


@dataclass(frozen=True)
class Form:
    """What fills one template: `escape` for the channel's markup, `quote` for the syntax around it, and `read`.

    `read` returns what is sent; it raises TooLong, or ValueError where the channel would refuse it for another reason.
    """

    file: str
    escape: Callable[[str], str]
    quote: Callable[[str], str]
    read: Callable[[str], Any]
    filters: Mapping[str, Filter] = field(default_factory=dict)


def units(text: str) -> int:
    """Count the UTF-16 units of a text, which is how Slack and Telegram count."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _within(text: str, most: int, what: str) -> None:
    if units(text) > most:
        raise TooLong(f"{what} has {units(text)} characters, of at most {most}")


def _numbered(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a JSON object of which no later value replaces an earlier one of its name."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        twins = sum(other == name or other.startswith(f"{name} (") for other in found)
        found[f"{name} ({twins + 1})" if twins else name] = value
    return found


def _json_object(text: str) -> dict[str, Any]:
    found = json.loads(text, object_pairs_hook=_numbered)
    if not isinstance(found, dict):
        raise TypeError(f"it renders a {type(found).__name__}, which should be a JSON object")
    return found


def slack_message(text: str) -> dict[str, Any]:
    """Read a message for chat.postMessage: `text`, and `blocks`."""
    found = _json_object(text)
    _within(found["text"], FALLBACK, "text")
    blocks = found.get("blocks", [])
    _within(json.dumps(blocks, ensure_ascii=False), TOGETHER, "all blocks together")
    if len(blocks) > BLOCKS:
        raise TooLong(f"there are {len(blocks)} blocks, of at most {BLOCKS}")
    for block in blocks:
        longest = HEADER if block["type"] == "header" else TEXT
        for part in _texts(block):
            _within(part["text"], longest, f"a text of a {block['type']}")
        if len(block.get("fields", ())) > FIELDS:
            raise ValueError(f"a section has {len(block['fields'])} fields, of at most {FIELDS}")
        for part in block.get("fields", ()):
            _within(part["text"], FIELD, "a field")
    return found


def _texts(block: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """Return the text objects of a block."""
    parts = [block.get("text"), *block.get("elements", ()), *block.get("fields", ())]
    texts = [part for part in parts if isinstance(part, Mapping) and isinstance(part.get("text"), str)]
    if any(not part["text"].strip() for part in texts):
        raise ValueError(f"a text of a {block['type']} is empty, which Slack refuses")
    return texts


def teams_message(text: str) -> dict[str, Any]:
    """Read a message for Workflows: its attachments are Adaptive Cards."""
    found = _json_object(text)
    cards = [part["content"]["type"] for part in found["attachments"]]
    if found["type"] != "message" or set(cards) != {"AdaptiveCard"}:
        raise ValueError("it renders no message with Adaptive Cards")
    _within_bytes(found, CARD)
    return found


def pagerduty_event(text: str) -> dict[str, Any]:
    """Read an event without its key and action: `payload`, and `links`."""
    found = _json_object(text)
    _within(found["payload"]["summary"], SUMMARY, "the summary")
    _within_bytes(found, EVENT)
    return found


def _within_bytes(found: Any, most: int) -> None:
    if (size := len(json.dumps(found, ensure_ascii=False).encode())) > most:
        raise TooLong(f"it has {size} bytes, of at most {most}")


def telegram_text(text: str) -> str:
    """Read a text with Telegram's few tags, whose limit is without them."""
    _within(text_of(text), TELEGRAM, "the text")
    _within(text, 2 * TELEGRAM, "the text with its tags")
    return text.strip()


SLACK = Form("slack.json.j2", mrkdwn, in_json, slack_message, {"code": code, "plain_text": plain_text})
MAIL_HTML = Form("mail.html.j2", html, str, str)
MAIL_TEXT = Form("mail.txt.j2", str, str, str)
TEAMS = Form("teams.json.j2", str, in_json, teams_message, {"markdown": markdown, "indented": indented})
TELEGRAM_HTML = Form("telegram.html.j2", html, str, telegram_text)
PAGERDUTY = Form("pagerduty.json.j2", str, in_json, pagerduty_event)
FORMS = {form.file: form for form in (SLACK, MAIL_HTML, MAIL_TEXT, TEAMS, TELEGRAM_HTML, PAGERDUTY)}
