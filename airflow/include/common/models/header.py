"""The header of a gold model, a YAML comment: every word of it is kept, or is a fault with its line."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import Field

from common.contracts.contract import Evolution, LoadSpec, LoadStrategy
from common.contracts.document import Document, Fault, parse
from common.contracts.lint import load_faults
from common.contracts.odcs import type_faults, word_faults
from common.contracts.words import Words
from common.core.errors import ConfigError, ContractError, ModelError
from common.core.nouns import Dataset
from common.core.targets import targets

HEADER = re.compile(r"\A\s*/\*(.*?)\*/(.*)\Z", re.DOTALL)
ALL = "all"
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class ControlWords(Words):
    """A total that must agree."""

    result: str
    input: str
    equals: str


class ModelLoadWords(Words):
    """Where the table is loaded to and how."""

    to: str
    strategy: str
    table: str | None = None
    evolution: str = Evolution.EVOLVE


class InputWords(Words):
    """How an input is read, where an expression does not say it."""

    slice: str | None = None
    all: bool = False
    by: dict[str, list[str]] = Field({})
    history: bool = False


class HeaderWords(Words):
    """What a header may say."""

    description: str
    key: list[str]
    slice: str | None = None
    inputs: dict[str, Any]
    on: str | None = None
    partition: list[str] = Field([])
    controls: list[ControlWords] = Field([])
    load: list[ModelLoadWords] = Field([])
    complete: list[str] = Field([])

    def loads(self) -> tuple[LoadSpec, ...]:
        """Return where the table is loaded to."""
        return tuple(LoadSpec(**load.model_dump()) for load in self.load)


WORDS = tuple(HeaderWords.model_fields)
OF_SLICES = ("slice", "partition", "complete", "load")  # mean nothing for a model that a warehouse computes
Known = Callable[[str], Collection[Dataset]]  # what a model may read: of the lake (""), or of a warehouse's tables
EXPECTED = (
    f"expected the slice of its rows as an SQL expression, '{ALL}', or {{slice: ..., history: true}} or "
    f"{{{ALL}: true, by: {{column: [columns of the others]}}, history: true}}"
)


def read_header(text: str, where: str, dataset: Dataset, known: Known | None = None) -> tuple[HeaderWords, str]:
    """Read the header of a model, and the SQL below it; `known` gives what it may read, where that is known.

    Raises ModelError with every fault found, each with line, place, what was found and what is allowed.
    """
    found = HEADER.match(text)
    if not found or not found[1].strip():
        raise ModelError(f"{where}: must begin with a /* YAML header */ that has {', '.join(WORDS)}.")
    try:  # as many lines above as there are in the file, so that lines are those of the file
        document = parse("\n" * text.count("\n", 0, found.start(1)) + found[1], where)
    except ContractError as error:
        raise ModelError(str(error)) from error
    if not isinstance(document.data, dict):
        raise ModelError(f"{where}: its header is a {type(document.data).__name__}; expected a mapping of words.")
    shape = [*document.faults, *_shape(document)]
    words = _sound(document.data, shape)
    faults = [*shape, *_faults(words, dataset, known)]
    sql = found[2].strip().rstrip(";")
    if not sql:
        faults.append(Fault("/", "there is no SELECT below the header."))
    if faults:
        raise ModelError(f"{where}: {document.listed(faults)}")
    return words, sql


def _shape(document: Document) -> Iterator[Fault]:
    """List words that no header has, words that it needs, and values of another type."""
    data = document.data
    yield from word_faults(data, HeaderWords, "")
    yield from type_faults(document, HeaderWords, "", data)
    for name in ("description", "key", "slice", "inputs"):
        if name in data and data[name] in ("", [], {}):
            yield Fault(f"/{name}", "is empty.")
    if data.get("slice") is None and data.get("on") is None:
        yield Fault("/", f"lacks 'slice'; its words are {', '.join(WORDS)}.")
    inputs = data.get("inputs")
    for name, value in inputs.items() if isinstance(inputs, dict) else ():
        yield from _input_shape(document, f"/inputs/{name}", value)


def _input_shape(document: Document, where: str, value: Any) -> Iterator[Fault]:
    if isinstance(value, dict):
        yield from word_faults(value, InputWords, where)
        yield from type_faults(document, InputWords, where, value)
    elif not isinstance(value, str) or not value:
        yield Fault(where, f"found {value!r}; {EXPECTED}.")


def _sound(data: Mapping[Any, Any], faults: Sequence[Fault]) -> HeaderWords:
    """Return the words without a fault; those that are missing are empty, an input that is wrong is None."""
    wrong = {tuple(fault.where.split("/")[1:3]) for fault in faults}
    inputs: Any = data.get("inputs")
    first = {place[0] for place in wrong}
    good = {name: value for name, value in data.items() if name in WORDS and name not in first}
    listed = inputs.items() if isinstance(inputs, dict) else ()
    read = {name: None if ("inputs", name) in wrong else value for name, value in listed}
    return HeaderWords.model_validate({"description": "", "key": [], **good, "inputs": read})


def _faults(words: HeaderWords, dataset: Dataset, known: Known | None) -> Iterator[Fault]:
    """List what contradicts itself or names what is not there."""
    if known is not None and dataset in known(""):
        yield Fault("/", f"{dataset} is a dataset with a contract; give the model a file of another name.")
    for name, listed in (("key", words.key), ("partition", words.partition), ("complete", words.complete)):
        for twice in sorted({one for one in listed if listed.count(one) > 1}):
            yield Fault(f"/{name}", f"names {twice} twice.")
    yield from _in_lake(words, known) if words.on is None else _on_warehouse(words, words.on, known)


def _in_lake(words: HeaderWords, known: Known | None) -> Iterator[Fault]:
    """List what is wrong with a model of the lake, computed by slices of datasets."""
    if words.partition and words.slice and words.partition != [words.slice]:
        yield Fault("/partition", f"found {words.partition}; a model is partitioned by its slice or not at all.")
    elif words.partition and words.slice and not PLAIN.fullmatch(words.slice):
        yield Fault("/partition", f"engines disagree about paths with '{words.slice}': use letters, digits and _.")
    yield from _inputs(words, known and known(""))
    yield from _controls(words)
    for position, name in enumerate(words.complete):
        if name not in words.inputs:
            yield Fault(f"/complete/{position}", f"{name} is no input of the model. Known: {', '.join(words.inputs)}.")
    yield from _loads(words)


def _on_warehouse(words: HeaderWords, on: str, known: Known | None) -> Iterator[Fault]:
    """List what is wrong with a model that a warehouse computes, whole, of tables that are loaded there."""
    if on not in targets():
        yield Fault("/on", f"no warehouse '{on}'. Known: {', '.join(targets())}.")
        return
    for word in OF_SLICES:
        if getattr(words, word):
            yield Fault(f"/{word}", f"means nothing for a model on '{on}', which computes all of it there.")
    for name, value in words.inputs.items():
        if known:
            yield from (Fault(f"/inputs/{name}", fault) for fault in _table(name, on, sorted(map(str, known(on)))))
        if value != ALL:
            yield Fault(f"/inputs/{name}", f"found {value!r}; a model on '{on}' reads its inputs whole: say '{ALL}'.")
    yield from _control_inputs(words)


def _table(name: str, on: str, tables: Sequence[str]) -> Iterator[str]:
    if name not in tables:
        near = get_close_matches(name, tables, 1)
        hint = f" Is {near[0]!r} meant?" if near else ""
        yield (
            f"no table '{name}' is loaded into '{on}'.{hint} Known: {', '.join(tables) or 'none'}; a `load` of a "
            "contract or model makes one."
        )


def _loads(words: HeaderWords) -> Iterator[Fault]:
    yield from (Fault("/load", fault) for fault in load_faults(words.loads()))
    for position, load in enumerate(words.load):
        if load.strategy == LoadStrategy.SCD2:
            yield Fault(
                f"/load/{position}/strategy",
                "'scd2' makes rows of the versions that a dataset keeps by `history: true`; a model keeps none. Load "
                "the dataset itself by 'scd2', or let the model read its versions with {slice: ..., history: true}.",
            )


def _inputs(words: HeaderWords, known: Collection[Dataset] | None) -> Iterator[Fault]:
    for name, value in words.inputs.items():
        where = f"/inputs/{name}"
        yield from (Fault(where, fault) for fault in _name(name, known))
        if isinstance(value, dict):
            yield from _contradictions(where, InputWords.model_validate(value))
    if words.inputs and all(map(_whole, words.inputs.values())):
        yield Fault("/inputs", "all are read whole, so no change touches a slice; give one the slice of its rows.")


def _name(name: str, known: Collection[Dataset] | None) -> Iterator[str]:
    try:
        found = Dataset.parse(name)
    except ConfigError as error:
        yield str(error)
        return
    if known is not None and found not in known:
        names = sorted(map(str, known))
        near = get_close_matches(name, names, 1)
        yield f"no dataset '{name}'.{f' Is {near[0]!r} meant?' if near else ''} Known: {', '.join(names) or 'none'}."


def _contradictions(where: str, value: InputWords) -> Iterator[Fault]:
    if value.all == bool(value.slice):
        yield Fault(where, f"is either read by slice or whole; {EXPECTED}.")
    if value.by and not value.all:
        yield Fault(f"{where}/by", f"follows the changes of an input that is read whole; say {ALL}: true too.")
    for column, joined in value.by.items():
        if not joined:
            yield Fault(f"{where}/by/{column}", "is empty; name the columns of the other inputs that are joined to it.")


def _controls(words: HeaderWords) -> Iterator[Fault]:
    yield from _control_inputs(words)
    for position, control in enumerate(words.controls):
        if _whole(words.inputs.get(control.input)):
            where = f"/controls/{position}/input"
            yield Fault(where, f"{control.input} is read whole, so its totals are those of no slice.")


def _control_inputs(words: HeaderWords) -> Iterator[Fault]:
    for position, control in enumerate(words.controls):
        if control.input not in words.inputs:
            known = ", ".join(words.inputs)
            yield Fault(f"/controls/{position}/input", f"{control.input} is no input of the model. Known: {known}.")


def _whole(value: Any) -> bool:
    return value == ALL or (isinstance(value, dict) and value.get(ALL) is True)
