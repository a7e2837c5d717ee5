"""What Adaptive Cards look like."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from devstack.standins.messages.mailbox import Record
from devstack.standins.messages.pages import article, data, link, marked, shown, table, text

# The part of Markdown that a TextBlock takes, applied to escaped text in this order.
MARKS = (
    (re.compile(r"\[([^\]\n]+)\]\((https?://[^\s)]+)\)"), r'<a href="\2">\1</a>'),
    (re.compile(r"\*\*([^*\n]+)\*\*"), r"<b>\1</b>"),
    (re.compile(r"(?<![\w/])_([^_\n]+)_(?!\w)"), r"<i>\1</i>"),
)
COLOURS = {"good", "attention", "warning", "accent"}
STYLES = COLOURS | {"emphasis"}
# What of an element's text can be seen, and which of its values.
LOOKS = {
    "color": COLOURS,
    "weight": {"bolder"},
    "size": {"small", "medium", "large", "extralarge"},
    "fontType": {"monospace"},
}

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
    kind = str(element.get("type")) if isinstance(element, Mapping) else ""
    return shown(WRITERS.get(kind, data), element)


def _looks(element: Element) -> str:
    found = [value for name, known in LOOKS.items() if (value := str(element.get(name, "")).lower()) in known]
    return " ".join(["text", *found, *(["subtle"] if element.get("isSubtle") else [])])


def _text_block(block: Element) -> str:
    return f'<div class="{_looks(block)}">{marked(str(block.get("text", "")), MARKS)}</div>'


def _rich_text(block: Element) -> str:
    return f'<div class="text">{"".join(map(_run, block.get("inlines") or []))}</div>'


def _run(run: Element | str) -> str:
    return text(run) if isinstance(run, str) else f'<span class="{_looks(run)}">{text(run.get("text", ""))}</span>'


def _facts(block: Element) -> str:
    return table((fact.get("title", ""), fact.get("value", "")) for fact in block.get("facts") or [])


def _container(block: Element) -> str:
    style = str(block.get("style", "")).lower()
    return f'<div class="box {style if style in STYLES else ""}">{_elements(block)}</div>'


def _columns(block: Element) -> str:
    return f'<div class="columns">{"".join(map(_column, block.get("columns") or []))}</div>'


def _column(column: Element) -> str:
    width = column.get("width", 1)
    share = f"{width:g}" if isinstance(width, int | float) else "none" if width == "auto" else "1"
    return f'<div style="flex: {share}">{_elements(column)}</div>'


def _code(block: Element) -> str:
    return f"<pre>{text(block.get('codeSnippet', ''))}</pre>"


def _actions(block: Element) -> str:
    return " ".join(_action(action) for action in block.get("actions") or [])


def _action(action: Element) -> str:
    title = text(action.get("title", ""))
    return link(action.get("url", ""), title, "button") if action.get("type") == "Action.OpenUrl" else data(action)


WRITERS: dict[str, Callable[[Element], str]] = {
    "TextBlock": _text_block,
    "RichTextBlock": _rich_text,
    "FactSet": _facts,
    "Container": _container,
    "ColumnSet": _columns,
    "CodeBlock": _code,
    "ActionSet": _actions,
}
