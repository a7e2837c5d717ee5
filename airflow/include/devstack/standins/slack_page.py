"""The messages that the Slack stand-in received, as a page a person can read."""

import re
from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem }
article { border: 1px solid #ddd; border-left: 4px solid #36c5f0; border-radius: 6px }
article { padding: .6rem 1rem; margin: 1rem 0 }
small { color: #616061 }
h3 { margin: .2rem 0 }
.fields { display: grid; grid-template-columns: 1fr 1fr; gap: .3rem 1rem }
pre, code { background: #f8f8f8 }
pre { padding: .5rem; overflow: auto; white-space: pre-wrap }
a.button { display: inline-block; border: 1px solid #bbb; border-radius: 4px; padding: .1rem .7rem }
"""
# Slack's mrkdwn, applied to escaped text in this order.
MARKS = (
    (re.compile(r"```(.+?)```", re.S), r"<pre>\1</pre>"),
    (re.compile(r"`([^`\n]+)`"), r"<code>\1</code>"),
    (re.compile(r"&lt;(https?://[^|&]+(?:&amp;[^|&]+)*)\|(.+?)&gt;"), r'<a href="\1">\2</a>'),
    (re.compile(r"&lt;(https?://[^|]+?)&gt;"), r'<a href="\1">\1</a>'),
    (re.compile(r"(?<!\w)\*([^*\n]+)\*(?!\w)"), r"<b>\1</b>"),
)

Block = Mapping[str, Any]


def page(messages: Iterable[Block]) -> str:
    """Write the page, newest message first."""
    articles = [_message(message) for message in messages]
    body = "\n".join(reversed(articles)) or "<p>Nothing yet.</p>"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="10">'
        f"<title>Slack stand-in</title><style>{STYLE}</style><h1>Slack stand-in</h1>"
        f"<p>{len(articles)} message(s) received.</p>{body}</html>"
    )


def mrkdwn(text: str) -> str:
    """Turn Slack's markup into HTML."""
    html = escape(text, quote=False)
    for mark, replacement in MARKS:
        html = mark.sub(replacement, html)
    return html


def _message(message: Block) -> str:
    head = f"<small><b>{escape(str(message['channel']))}</b> · {escape(str(message['received']))}</small>"
    blocks = [*(message.get("blocks") or []), *_attached(message)]
    body = "".join(_block(block) for block in blocks) or f"<p>{mrkdwn(str(message.get('text', '')))}</p>"
    files = "".join(f"<p>File: {escape(str(file.get('title')))}</p>" for file in message.get("files") or [])
    return f"<article>{head}{body}{files}</article>"


def _attached(message: Block) -> list[Block]:
    return [block for attachment in message.get("attachments") or [] for block in attachment.get("blocks") or []]


def _block(block: Block) -> str:
    return WRITERS.get(str(block.get("type")), _unknown)(block)


def _text(element: Any) -> str:
    return mrkdwn(str(element.get("text", ""))) if isinstance(element, Mapping) else ""


def _header(block: Block) -> str:
    return f"<h3>{_text(block.get('text'))}</h3>"


def _section(block: Block) -> str:
    fields = "".join(f"<div>{_text(field)}</div>" for field in block.get("fields") or [])
    text = f"<p>{_text(block['text'])}</p>" if block.get("text") else ""
    return text + (f'<div class="fields">{fields}</div>' if fields else "")


def _context(block: Block) -> str:
    return f"<small>{' '.join(_text(element) for element in block.get('elements') or [])}</small>"


def _actions(block: Block) -> str:
    return " ".join(
        f'<a class="button" href="{escape(str(element.get("url", "#")))}">{_text(element.get("text"))}</a>'
        for element in block.get("elements") or []
    )


def _divider(_block: Block) -> str:
    return "<hr>"


def _unknown(block: Block) -> str:
    return f"<pre>{escape(str(dict(block)))}</pre>"


WRITERS: dict[str, Callable[[Block], str]] = {
    "header": _header,
    "section": _section,
    "context": _context,
    "actions": _actions,
    "divider": _divider,
}
