"""Telegram's own HTML, read as strictly as Telegram reads it: core.telegram.org/bots/api#html-style."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape

NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
ENTITY = re.compile(r"&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(lt|gt|amp|quot));?", re.I)
# Each tag, and what shows it.
TAGS = {
    **{name: name for name in ("b", "strong", "i", "em", "u", "ins", "s", "del", "code", "pre", "blockquote", "a")},
    "strike": "s",
    "tg-spoiler": "mark",
    "span": "mark",
    "tg-emoji": "span",
}
TOKEN = re.compile(r"<(/?)([^\s>]*)([^>]*)(>?)")
HREF = re.compile(r"""\bhref\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.I)
SPOILER = re.compile(r"""\bclass\s*=\s*["']?tg-spoiler["']?""", re.I)


class Unparseable(ValueError):
    """Telegram cannot read the markup."""


@dataclass
class Parsed:
    """A message's text without its markup, and HTML that shows it."""

    text: str = ""
    html: str = ""
    open: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Add text."""
        plain = ENTITY.sub(_character, text)
        self.text += plain
        self.html += escape(plain)

    def begin(self, tag: str, attributes: str, offset: int) -> None:
        """Open a tag."""
        if tag not in TAGS:
            raise Unparseable(f'Unsupported start tag "{tag}" at byte offset {offset}')
        if tag == "span" and not SPOILER.search(attributes):
            raise Unparseable(f'Tag "span" must have class "tg-spoiler" at byte offset {offset}')
        self.open.append(tag)
        href = HREF.search(attributes) if tag == "a" else None
        address = ENTITY.sub(_character, (href[1] or href[2] or "") if href else "")
        web = re.match(r"https?://", address)
        self.html += f'<a href="{escape(address)}" rel="noreferrer">' if web else f"<{TAGS[tag]}>"

    def end(self, tag: str, offset: int) -> None:
        """Close the tag that was opened last."""
        if not self.open:
            raise Unparseable(f"Unexpected end tag at byte offset {offset}")
        begun = self.open.pop()
        if tag and tag != begun:
            found = f'expected "</{begun}>", found "</{tag}>"'
            raise Unparseable(f"Unmatched end tag at byte offset {offset}, {found}")
        self.html += f"</{TAGS[begun]}>"


def parse(source: str) -> Parsed:
    """Read a message; raises Unparseable in Telegram's words."""
    parsed = Parsed()
    for text, token in _pieces(source):
        parsed.say(text)
        if token is None:
            continue
        slash, tag, attributes, closed = token.groups()
        offset = len(source[: token.start()].encode())
        if not closed:
            raise Unparseable(f"Unclosed {'end' if slash else 'start'} tag at byte offset {offset}")
        if slash:
            parsed.end(tag.lower(), offset)
        else:
            parsed.begin(tag.lower(), attributes, offset)
    if parsed.open:
        raise Unparseable(f'Can\'t find end tag corresponding to start tag "{parsed.open[-1]}"')
    return parsed


def _pieces(source: str) -> Iterator[tuple[str, re.Match[str] | None]]:
    """Split into texts, each with the tag that follows it."""
    end = 0
    for token in TOKEN.finditer(source):
        yield source[end : token.start()], token
        end = token.end()
    yield source[end:], None


def _character(entity: re.Match[str]) -> str:
    decimal, hexadecimal, name = entity.groups()
    if name:
        return NAMED[name.lower()]
    number = int(decimal) if decimal else int(hexadecimal, 16)
    return chr(number) if 0 < number < 0x110000 and not 0xD800 <= number < 0xE000 else entity[0]
