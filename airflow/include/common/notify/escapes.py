"""How values are escaped for a channel's own markup, and for the JSON around it."""

import json
import re

from markupsafe import Markup, escape

INDENTATION = re.compile(r"^ +", re.MULTILINE)
MARKS_OF_MARKDOWN = frozenset(r"\`*_{}[]()#+-.!~|<>&")


def in_json(text: str) -> str:
    """Escape a text for the inside of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def mrkdwn(text: str) -> str:
    """Escape a text for Slack's markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def html(text: str) -> str:
    """Escape a text for HTML."""
    return str(escape(text))


def code(text: str) -> Markup:
    """Escape a text for a block of code in Slack, which three backticks would end."""
    return Markup(in_json(mrkdwn(text.replace("```", "'''"))))  # noqa: S704 - this is the escape


def plain_text(text: str) -> Markup:
    """Escape a text for JSON alone: what reads it knows no markup."""
    return Markup(in_json(text))  # noqa: S704 - this is the escape


def markdown(text: str) -> Markup:
    """Escape a text for Markdown, which TextBlocks of Adaptive Cards read and TextRuns do not."""
    return plain_text("".join(f"\\{c}" if c in MARKS_OF_MARKDOWN else c for c in text))


def indented(text: str) -> Markup:
    """Escape a text for JSON, and keep the indentation of its lines, which Teams would leave out."""
    return plain_text(INDENTATION.sub(lambda spaces: "\u00a0" * len(spaces[0]), text))
