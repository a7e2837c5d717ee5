"""HTML as Telegram reads it: few tags, each closed where it belongs."""

from html.parser import HTMLParser
from typing import Any

TAGS = ("a", "b", "blockquote", "code", "i", "pre", "s", "tg-spoiler", "u")


def text_of(html: str) -> str:
    """Return what a person reads of a text with tags; raises ValueError where Telegram would refuse it."""
    reader = _Reader(convert_charrefs=True)
    reader.feed(html)
    reader.close()
    if reader.open:
        raise ValueError(f"<{reader.open[-1]}> is not closed")
    return "".join(reader.parts)


class _Reader(HTMLParser):
    def reset(self) -> None:
        super().reset()
        self.open: list[str] = []
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, _attributes: Any) -> None:
        if tag not in TAGS:
            raise ValueError(f"Telegram knows no tag <{tag}>. Known: {', '.join(TAGS)}")
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            raise ValueError(f"</{tag}> closes no tag that is open")

    def handle_data(self, data: str) -> None:
        self.parts.append(data)
