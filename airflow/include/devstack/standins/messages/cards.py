"""What Adaptive Cards look like."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from devstack.standins.messages.mailbox import Record
from devstack.standins.messages.pages import article, link, marked, table, text

# The part of Markdown that a TextBlock takes, applied to escaped text in this order.
MARKS = (
    (re.compile(r"\[([^\]\n]+)\]\((https?://[^\s)]+)\)"), r'<a href="\2">\1</a>'),
    (re.compile(r"\*\*([^*\n]+)\*\*"), r"<b>\1</b>"),
    (re.compile(r"(?<![\w/])_([^_\n]+)_(?!\w)"), r"<i>\1</i>"),
)
STYLES = {"good", "attention", "warning", "accent", "emphasis"}
COLOURS = {"good", "attention", "warning", "accent"}

Element = Mapping[str, Any]


def articles(messages: Sequence[Record]) -> list[str]:
    """Write messages as their cards look."""
    return [
        article(message, message["flow"], "".join(_elements(card) for card in message["cards"])) for message in messages
    ]


def _elements(parent: Element) -> str:
    found = [*(parent.get("body") or parent.get("items") or []), *_closing(parent)]
    return "".join(_element(element) for element in found)


def _closing(card: Element) -> list[Element]:
    return [{"type": "ActionSet", "actions": card["actions"]}] if card.get("actions") else []


def _element(element: Any) -> str:
    if not isinstance(element, Mapping):
        return _unknown({"": element})
    return WRITERS.get(str(element.get("type")), _unknown)(element)


def _text_block(block: Element) -> str:
    html = marked(str(block.get("text", "")), MARKS)
    colour = str(block.get("color", "")).lower()
    styles = [
        "text",
        colour if colour in COLOURS else "",
        "subtle" if block.get("isSubtle") else "",
        "monospace" if str(block.get("fontType", "")).lower() == "monospace" else "",
    ]
    if str(block.get("weight", "")).lower() == "bolder":
        html = f"<b>{html}</b>"
    large = str(block.get("size", "")).lower() in ("large", "extralarge") or block.get("style") == "heading"
    return f'<div class="{" ".join(filter(None, styles))}">{f"<h3>{html}</h3>" if large else html}</div>'


def _rich_text(block: Element) -> str:
    runs = (run.get("text", "") if isinstance(run, Mapping) else run for run in block.get("inlines") or [])
    return f'<div class="text">{"".join(map(text, runs))}</div>'


def _facts(block: Element) -> str:
    return table((fact.get("title", ""), fact.get("value", "")) for fact in block.get("facts") or [])


def _container(block: Element) -> str:
    style = str(block.get("style", "")).lower()
    return f'<div class="box {style if style in STYLES else ""}">{_elements(block)}</div>'


def _columns(block: Element) -> str:
    return f'<div class="fields">{"".join(_container(column) for column in block.get("columns") or [])}</div>'


def _code(block: Element) -> str:
    return f"<pre>{text(block.get('codeSnippet', ''))}</pre>"


def _actions(block: Element) -> str:
    return " ".join(_action(action) for action in block.get("actions") or [])


def _action(action: Element) -> str:
    title = text(action.get("title", ""))
    return link(action.get("url", ""), title, "button") if action.get("type") == "Action.OpenUrl" else _unknown(action)


def _unknown(element: Element) -> str:
    return f"<pre>{text(dict(element))}</pre>"


WRITERS: dict[str, Callable[[Element], str]] = {
    "TextBlock": _text_block,
    "RichTextBlock": _rich_text,
    "FactSet": _facts,
    "Container": _container,
    "ColumnSet": _columns,
    "CodeBlock": _code,
    "ActionSet": _actions,
}
