"""A YAML document with the lines and the very texts of its values, and what YAML made of words that mean another."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import yaml

from common.core.errors import ContractError

INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
TRUTH = re.compile(r"true|True|TRUE|false|False|FALSE|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF")
ODD = re.compile(  # numbers that readers of YAML disagree about: octal, grouped, of base sixty
    r"[-+]?0[0-7_]+|[-+]?0[xo][0-9a-fA-F_]+|[-+]?0b[01_]+|[-+]?[0-9][0-9_]*_[0-9_.]*|[-+]?[0-9]+(?::[0-5]?[0-9])+(?:\.[0-9]*)?"
)
BOOL, TEXT = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:str"
DEEPEST = 40
NAMED = ("/properties", "/customProperties", "/slaProperties")  # lists whose items go by their names


class Fault(NamedTuple):
    """What is wrong at one place of a document; `where` is a pointer, in which items of lists go by their name."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class _Loader(yaml.SafeLoader):
    """Keeps dates and odd numbers as the text that stands there."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as PyYAML declares it


def _resolve(tag: str, pattern: re.Pattern[str], first: str) -> None:
    whole = re.compile(f"(?:{pattern.pattern})$")
    for character in first:
        _Loader.yaml_implicit_resolvers.setdefault(character, []).append((f"tag:yaml.org,2002:{tag}", whole))


_resolve("null", re.compile("~|null|Null|NULL"), "~nN")
_Loader.yaml_implicit_resolvers.setdefault("", []).append(("tag:yaml.org,2002:null", re.compile("$")))
_resolve("bool", TRUTH, "tTfFyYnNoO")
_resolve("int", INTEGER, "-+0123456789")
_resolve("float", FLOAT, "-+0123456789.")
_resolve("merge", re.compile("<<"), "<")


@dataclass(frozen=True)
class Document:
    """What a YAML text holds, with the line of each part and the faults of its spelling."""

    data: Any
    root: yaml.Node
    faults: tuple[Fault, ...]

    def node(self, where: str) -> yaml.Node:
        """Return the part that a pointer names, or the innermost one around it."""
        node = self.root
        for step in filter(None, where.split("/")):
            inner = _child(node, step)
            if inner is None:
                return node
            node = inner
        return node

    def line(self, where: str) -> int:
        """Return the line, from 1 on, on which a part begins."""
        return int(self.node(where).start_mark.line) + 1

    def listed(self, faults: Iterable[Fault]) -> str:
        """Write faults in the order of their lines, each once."""
        places = sorted({(self.line(fault.where), fault.where, fault.message) for fault in faults})
        return "; ".join(f"line {line}: {place}: {message}" for line, place, message in places)

    def written(self, where: str) -> str:
        """Return the text of a value as it stands in the file."""
        node = self.node(where)
        return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def parse(text: str, where: str) -> Document:
    """Parse the one document of a text; raises ContractError where it is no YAML."""
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            raise ContractError(f"{where}: is empty.")
        faults = tuple(_spelling(root, "", ()))
        data = loader.construct_document(root)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ContractError(f"{where}: is not YAML: {error}") from error
    finally:
        loader.dispose()
    return Document(data, root, faults)


def _spelling(node: yaml.Node, where: str, above: tuple[yaml.Node, ...]) -> Iterator[Fault]:
    if any(node is outer for outer in above) or len(above) > DEEPEST:
        raise ValueError(f"{where} is nested without end; write out its alias")
    inside = (*above, node)
    if isinstance(node, yaml.MappingNode):
        names = [_word(key) for key, _ in node.value]
        for name in dict.fromkeys(name for name in names if names.count(name) > 1):
            yield Fault(f"{where}/{name}", f"'{name}' stands more than once; YAML would keep only the last.")
        for key, value in node.value:
            yield from _spelling(value, f"{where}/{key.value}", inside)
    elif isinstance(node, yaml.SequenceNode):
        named = where.endswith(NAMED)
        for position, item in enumerate(node.value):
            yield from _spelling(item, f"{where}/{(named and _name(item)) or position}", inside)
    elif isinstance(node, yaml.ScalarNode):
        yield from _scalar(node, where)


def _word(key: yaml.Node) -> str:
    """Return what a value stands under; `on`, `yes` and their like are words there, not true or false."""
    key.tag = TEXT if key.tag == BOOL else key.tag
    return str(key.value)


def _scalar(node: yaml.ScalarNode, where: str) -> Iterator[Fault]:
    node.value = _paired(node.value, where)
    if node.style is None and ODD.fullmatch(node.value):
        yield Fault(
            where,
            f"{node.value} is a number that readers of YAML read differently; write '{node.value}' in quotes where "
            "it is a text, or as a plain decimal number.",
        )


def _paired(text: str, where: str) -> str:
    """Return a text in which the halves of characters are joined, as JSON writes those beyond 16 bits."""
    if text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text):
        return text
    try:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError as error:
        raise ValueError(f"{where} holds half a character (a lone surrogate)") from error


def _name(item: yaml.Node) -> str:
    """Return what an item of a list goes by: `name` or `property`, where it has one."""
    fields = {k.value: v.value for k, v in item.value} if isinstance(item, yaml.MappingNode) else {}
    name = fields.get("name") or fields.get("property")
    return name if isinstance(name, str) else ""


def _child(node: yaml.Node, step: str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        fields: dict[str, yaml.Node] = {str(key.value): value for key, value in node.value}
        if step in fields:
            return fields[step]
        wrappers = [fields[name] for name in ("customProperties", "logicalTypeOptions") if name in fields]
        return next((inner for wrapper in wrappers if (inner := _child(wrapper, step))), None)
    if isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            if step in (_name(item), str(position)):
                return (_child(item, "value") if _child(item, "property") else None) or item
    return None
