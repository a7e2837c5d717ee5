"""What Slack's messages look like."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from devstack.standins.messages.mailbox import Record
from devstack.standins.messages.pages import article, data, link, marked, shown, text

CODE = re.compile(r"(```.+?```|`[^`\n]+`)", re.S)
# Slack's mrkdwn outside of code, applied to escaped text in this order.
MARKS = (
    (re.compile(r"&lt;(https?://[^|&\s]+(?:&amp;[^|&\s]+)*)\|(.+?)&gt;"), r'<a href="\1">\2</a>'),
    (re.compile(r"&lt;(https?://[^|\s]+?)&gt;"), r'<a href="\1">\1</a>'),
    (re.compile(r"(?<!\w)\*([^*\n]+)\*(?!\w)"), r"<b>\1</b>"),
    (re.compile(r"(?<![\w/])_([^_\n]+)_(?!\w)"), r"<i>\1</i>"),
)

Block = Mapping[str, Any]


def articles(messages: Sequence[Record]) -> list[str]:
    """Write messages as their blocks look, or their text where they have none."""
    return [article(message, message["channel"], _body(message)) for message in messages]


def mrkdwn(source: str) -> str:
    """Turn Slack's markup into HTML."""
    # Slack wants these three escaped and nothing else, so they stand for themselves here.
    plain = source.replace("&lt;", "\0lt;").replace("&gt;", "\0gt;").replace("&amp;", "\0amp;")
    parts = enumerate(CODE.split(plain))
    return "".join(_code(part) if number % 2 else marked(part, MARKS) for number, part in parts).replace("\0", "&")


def _code(part: str) -> str:
    if part.startswith("```"):
        return f"<pre>{text(part[3:-3])}</pre>"
    return f"<code>{text(part[1:-1])}</code>"


def _body(message: Record) -> str:
    blocks = [*(message.get("blocks") or []), *_attached(message)]
    body = "".join(map(_block, blocks)) or f"<p>{mrkdwn(str(message.get('text', '')))}</p>"
    return body + "".join(f"<p>File: {text(file.get('title'))}</p>" for file in message.get("files") or [])


def _attached(message: Record) -> list[Any]:
    attachments = [one for one in message.get("attachments") or [] if isinstance(one, Mapping)]
    return [block for attachment in attachments for block in attachment.get("blocks") or []]


def _block(block: Any) -> str:
    return shown(WRITERS.get(str(block.get("type")), data) if isinstance(block, Mapping) else data, block)


def _text(element: Any) -> str:
    if not isinstance(element, Mapping):
        return ""
    words = str(element.get("text", ""))
    return text(words) if element.get("type") == "plain_text" else mrkdwn(words)


def _header(block: Block) -> str:
    return f"<h3>{_text(block.get('text'))}</h3>"


def _section(block: Block) -> str:
    fields = "".join(f'<div class="text">{_text(field)}</div>' for field in block.get("fields") or [])
    words = f'<div class="text">{_text(block["text"])}</div>' if block.get("text") else ""
    return words + (f'<div class="fields">{fields}</div>' if fields else "")


def _context(block: Block) -> str:
    return f"<small>{' '.join(_text(element) for element in block.get('elements') or [])}</small>"


def _actions(block: Block) -> str:
    return " ".join(
        link(element.get("url", ""), _text(element.get("text")), "button") for element in block.get("elements") or []
    )


def _divider(_block: Block) -> str:
    return "<hr>"


WRITERS: dict[str, Callable[[Block], str]] = {
    "header": _header,
    "section": _section,
    "context": _context,
    "actions": _actions,
    "divider": _divider,
}
