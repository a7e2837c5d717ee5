"""What Slack refuses of blocks, in its words; limits from docs.slack.dev/reference/block-kit/blocks."""

from collections.abc import Iterator, Mapping
from typing import Any

MOST_BLOCKS, MOST_FIELDS = 50, 10
MOST_ELEMENTS = {"context": 10, "actions": 25}
LONGEST_HEADER, LONGEST_TEXT, LONGEST_FIELD, LONGEST_BUTTON = 150, 3000, 2000, 75
KNOWN = {"header", "section", "context", "actions", "divider", "image", "rich_text", "markdown", "table"}

Block = Mapping[str, Any]


def complaints(blocks: Any) -> list[str]:
    """List what is wrong with a message's blocks."""
    if not isinstance(blocks, list) or not all(isinstance(block, Mapping) for block in blocks):
        return ["must be an array of blocks [json-pointer:/blocks]"]
    return [
        *_too_many(blocks, MOST_BLOCKS, "/blocks"),
        *(line for number, block in enumerate(blocks) for line in _block(block, f"/blocks/{number}")),
    ]


def _block(block: Block, at: str) -> Iterator[str]:
    kind = str(block.get("type"))
    if kind not in KNOWN:
        yield f"unsupported type: {kind} [json-pointer:{at}/type]"
    elif kind == "header":
        yield from _text(block.get("text"), f"{at}/text", LONGEST_HEADER, ("plain_text",))
    elif kind == "section":
        yield from _section(block, at)
    elif kind in MOST_ELEMENTS:
        elements = block.get("elements") or []
        yield from _too_many(elements, MOST_ELEMENTS[kind], f"{at}/elements")
        for number, element in enumerate(elements):
            yield from _element(element, f"{at}/elements/{number}")


def _section(block: Block, at: str) -> Iterator[str]:
    fields = block.get("fields") or []
    if "text" in block or not fields:
        yield from _text(block.get("text"), f"{at}/text", LONGEST_TEXT)
    yield from _too_many(fields, MOST_FIELDS, f"{at}/fields")
    for number, field in enumerate(fields):
        yield from _text(field, f"{at}/fields/{number}", LONGEST_FIELD)


def _element(element: Any, at: str) -> Iterator[str]:
    if not isinstance(element, Mapping):
        yield f"must be an object [json-pointer:{at}]"
    elif element.get("type") == "button":
        yield from _text(element.get("text"), f"{at}/text", LONGEST_BUTTON, ("plain_text",))
        if len(str(element.get("url", ""))) > LONGEST_TEXT:
            yield _longer(LONGEST_TEXT, f"{at}/url")
    elif element.get("type") != "image":
        yield from _text(element, at, LONGEST_TEXT)


def _text(found: Any, at: str, longest: int, types: tuple[str, ...] = ("plain_text", "mrkdwn")) -> Iterator[str]:
    if not isinstance(found, Mapping) or not isinstance(found.get("text"), str):
        yield f"missing required field: text [json-pointer:{at}]"
    elif found.get("type") not in types:
        yield f"must be a valid enum value [json-pointer:{at}/type]"
    elif not found["text"]:
        yield f"must be more than 0 characters [json-pointer:{at}/text]"
    elif len(found["text"]) > longest:
        yield _longer(longest, f"{at}/text")


def _longer(longest: int, at: str) -> str:
    return f"must be less than {longest + 1} characters [json-pointer:{at}]"


def _too_many(items: list[Any], most: int, at: str) -> list[str]:
    return [f"no more than {most} items allowed [json-pointer:{at}]"] if len(items) > most else []
