"""What the Open Data Contract Standard knows: a word that it lacks, or a value of another type, is a fault."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from difflib import get_close_matches
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin

from open_data_contract_standard.model import (
    CustomProperty,
    EnumValue,
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
    ServiceLevelAgreementProperty,
)
from pydantic import BaseModel, ValidationError

from common.contracts.document import NAMED, Document, Fault

VERSIONS = ("v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0", "v3.2.0")
NEEDED: dict[type[BaseModel], tuple[str, ...]] = {
    OpenDataContractStandard: ("apiVersion", "kind", "id", "version"),
    SchemaObject: ("name",),
    SchemaProperty: ("name",),
    CustomProperty: ("property", "value"),
    ServiceLevelAgreementProperty: ("property", "value"),
    EnumValue: ("value",),
}
TYPES = {
    "string_type": "a text", "bool_type": "true or false", "int_type": "a whole number", "float_type": "a number",
    "list_type": "a list", "tuple_type": "a list", "dict_type": "a mapping", "model_type": "a mapping",
    "model_attributes_type": "a mapping", "missing": "a value",
}  # fmt: skip


def shape_faults(document: Document) -> Iterator[Fault]:
    """List words that the standard lacks, words that it needs, and values of another type than it says."""
    yield from word_faults(document.data, OpenDataContractStandard, "")
    yield from type_faults(document, OpenDataContractStandard, "", document.data)
    if isinstance(document.data, dict):
        kind, version = document.data.get("kind"), document.data.get("apiVersion")
        if kind not in (None, "DataContract"):
            yield Fault("/kind", f"found {kind!r}; allowed is DataContract.")
        if version is not None and version not in VERSIONS:
            yield Fault("/apiVersion", f"found {version!r}. Known: {', '.join(VERSIONS)}.")


def type_faults(document: Document, model: type[BaseModel], where: str, data: Any) -> Iterator[Fault]:
    """List the values below a pointer that have another type than a model says, without any conversion."""
    try:
        model.model_validate(data, strict=True)
    except ValidationError as error:
        seen = set()
        for item in error.errors():
            place = where + _pointer(data, item["loc"])
            if item["type"] not in ("extra_forbidden", "missing") and place not in seen:
                seen.add(place)
                yield Fault(place, _type_message(document, place, item))


def well_typed(data: Any) -> Any:
    """Return a document without the values that have another type than the standard says."""
    try:
        OpenDataContractStandard.model_validate(data, strict=True)
    except ValidationError as error:
        sound = deepcopy(data)
        for item in error.errors():
            _leave_out(sound, item["loc"])
        return sound
    return data


def _leave_out(data: Any, location: tuple[Any, ...]) -> None:
    holder, last = None, None
    for step in location:
        inside = isinstance(data, dict) and step in data
        if inside or (isinstance(data, list) and isinstance(step, int) and step < len(data)):
            holder, last, data = data, step, data[step]
    if holder is not None:
        holder[last] = None


def _type_message(document: Document, where: str, item: Mapping[str, Any]) -> str:
    found = item["input"]
    expected = TYPES.get(item["type"], item["msg"][:1].lower() + item["msg"][1:])
    if item["type"] == "literal_error":
        expected = item["ctx"]["expected"]
    if isinstance(found, bool | int | float) and item["type"] == "string_type":
        text = document.written(where)
        meaning = f", which YAML reads as {str(found).lower()}" if str(found) != text else ""
        return f"found {text}{meaning}; expected a text: write '{text}' in quotes."
    return f"found {_short(found)}; expected {expected}."


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _pointer(data: Any, location: tuple[Any, ...]) -> str:
    """Turn the place of a validation error into a pointer; branches of unions, which are no keys, are left out."""
    steps: list[str] = []
    for step in location:
        if isinstance(data, list) and isinstance(step, int) and step < len(data):
            steps.append(item_step(steps[-1] if steps else "", data[step], step))
            data = data[step]
        elif isinstance(data, dict) and step in data:
            steps.append(str(step))
            data = data[step]
    return "".join(f"/{step}" for step in steps)


def item_step(container: str, item: Any, position: int) -> str:
    """Return what an item of a list goes by in pointers: its name or property, or else its number."""
    known = isinstance(item, dict) and f"/{container}" in NAMED
    name = (item.get("name") or item.get("property")) if known else None
    return name if isinstance(name, str) else str(position)


def word_faults(data: Any, model: type[BaseModel], where: str) -> Iterator[Fault]:
    """List the words below a pointer that a model does not know, and those that it needs and misses."""
    if not isinstance(data, dict):
        return
    known = _fields(model)
    yield from unknown_words(data, list(known), where)
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    for name in (*NEEDED.get(model, ()), *required):
        if data.get(name) is None and not (name == "value" and name in data):
            yield Fault(where or "/", f"lacks '{name}'; its words are {', '.join(known)}.")
    for name, inner in known.items():
        if inner is None or data.get(name) is None:
            continue
        items = data[name] if isinstance(data[name], list) else [data[name]]
        for position, item in enumerate(items):
            step = f"/{item_step(name, item, position)}" if isinstance(data[name], list) else ""
            yield from word_faults(item, inner, f"{where}/{name}{step}")


def unknown_words(data: Mapping[Any, Any], known: list[str], where: str) -> Iterator[Fault]:
    """List the keys that are not known, each with the known one that it resembles."""
    for name in data:
        if name not in known:
            near = get_close_matches(str(name), known, 1)
            hint = f" Is '{near[0]}' meant?" if near else ""
            yield Fault(f"{where}/{name}", f"no word '{name}' here.{hint} Known: {', '.join(sorted(known))}.")


@cache
def _fields(model: type[BaseModel]) -> dict[str, type[BaseModel] | None]:
    """Return the words of a model, each with the model of what it holds, where it holds more words."""
    return {field.alias or name: _model_in(field.annotation) for name, field in model.model_fields.items()}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (list, Union, UnionType):
        return next((found for inner in get_args(annotation) if (found := _model_in(inner))), None)
    return None
