"""Read a gold model: one SQL file, its header a YAML comment."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from common.contracts.contract import LoadSpec
from common.contracts.lint import load_faults
from common.core.caches import per_files
from common.core.errors import ConfigError, ModelError
from common.core.nouns import Dataset
from common.core.settings import domains_dir

HEADER = re.compile(r"\A\s*/\*(.*?)\*/(.*)\Z", re.DOTALL)
ALL = "all"
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
KNOWN = {"description", "key", "slice", "partition", "inputs", "controls", "load", "complete"}


@dataclass(frozen=True)
class Control:
    """A total that must agree before publication: an expression over the result and one over an input."""

    result: str
    dataset: Dataset
    expected: str


@dataclass(frozen=True)
class Input:
    """What a model reads of a silver dataset: the rows of the slices that are computed, or all rows.

    `slice` is an SQL expression over a row: the value of the model's slice that it belongs to; None for an input that
    is read whole. `by` maps columns of such an input to columns of the others that are joined to them: a change of it
    touches the slices of the rows that hold one of the changed values. With `history` every version of a key is read.
    """

    slice: str | None
    by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    history: bool = False


@dataclass(frozen=True)
class Model:
    """One gold table; an incremental run recomputes the slices that changed rows touch, and no other."""

    dataset: Dataset
    sql: str
    hash: str
    description: str
    key: tuple[str, ...]
    slice: str
    inputs: dict[Dataset, Input]
    partition: tuple[str, ...] = ()
    controls: tuple[Control, ...] = ()
    loads: tuple[LoadSpec, ...] = ()
    complete: tuple[Dataset, ...] = ()  # a slice waits until each of these has published the partition of its name


def read_model(path: Path, domain: str) -> Model:
    """Read one model; raises ModelError saying what its header lacks or has too much of."""
    text = path.read_text(encoding="utf-8")
    found = HEADER.match(text)
    header = yaml.safe_load(found[1]) if found else None
    if not isinstance(header, dict) or not found:
        raise ModelError(f"{path}: must begin with a /* YAML header */ that has {', '.join(sorted(KNOWN))}.")
    loads = tuple(LoadSpec(**load) for load in header.get("load", []))
    if faults := [*_faults(header), *load_faults(loads)]:
        raise ModelError(f"{path}: " + "; ".join(faults))
    return Model(
        dataset=Dataset(domain, path.stem),
        sql=found[2].strip().rstrip(";"),
        hash=hashlib.sha256(text.encode()).hexdigest()[:12],
        description=header["description"],
        key=tuple(header["key"]),
        slice=header["slice"],
        inputs={Dataset.parse(name): _input(value) for name, value in header["inputs"].items()},
        partition=tuple(header.get("partition", [])),
        controls=tuple(_control(item) for item in header.get("controls", [])),
        loads=loads,
        complete=tuple(Dataset.parse(name) for name in header.get("complete", [])),
    )


def _faults(header: dict[str, Any]) -> list[str]:
    faults = [
        f"no '{word}' in the header" for word in ("description", "key", "slice", "inputs") if not header.get(word)
    ]
    if unknown := set(header) - KNOWN:
        faults.append(f"unknown {sorted(unknown)}. Known: {', '.join(sorted(KNOWN))}")
    if header.get("partition") not in (None, [], [header.get("slice")]):
        faults.append("a model is partitioned by its slice or not at all")
    elif header.get("partition") and not PLAIN.fullmatch(str(header["slice"])):
        faults.append(f"partition: engines disagree about paths with '{header['slice']}': use letters, digits and _")
    faults += _faults_of_inputs(header)
    if other := set(header.get("complete", [])) - set(header.get("inputs") or {}):
        faults.append(f"complete: {', '.join(sorted(other))} is no input of the model")
    return faults


def _faults_of_inputs(header: dict[str, Any]) -> list[str]:
    inputs = header.get("inputs")
    if not isinstance(inputs, dict) or not inputs:
        return []
    faults = [f"inputs: {name}: {fault}" for name, value in inputs.items() for fault in _input_faults(value)]
    whole = {name for name, value in inputs.items() if _whole(value)}
    if len(whole) == len(inputs):
        faults.append("inputs: all are read whole, so no change touches a slice; give one the slice of its rows")
    for control in header.get("controls", []):
        if control.get("input") in whole:
            faults.append(f"controls: {control['input']} is read whole, so its totals are those of no slice")
    return faults


def _whole(value: Any) -> bool:
    return value == ALL or (isinstance(value, dict) and value.get(ALL) is True)


def _input_faults(value: Any) -> Iterator[str]:
    """List what is wrong with one input: an SQL expression, `all`, or a mapping of both with their words."""
    expected = f"expected the slice of its rows as an SQL expression, '{ALL}', or {{slice: ..., history: true}} or "
    expected += f"{{{ALL}: true, by: {{column: [columns of the others]}}, history: true}}"
    if isinstance(value, str) and value:
        return
    if not isinstance(value, dict) or set(value) - {"slice", ALL, "by", "history"}:
        yield f"found {value!r}; {expected}"
    elif _whole(value) == bool(value.get("slice")):
        yield f"is either read by slice or whole; {expected}"
    elif value.get("history", False) not in (True, False):
        yield f"history is true or false; found {value['history']!r}"
    elif "by" in value and (not _whole(value) or not _is_by(value["by"])):
        yield f"by: found {value['by']!r}; {expected}"


def _is_by(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(columns, list) and columns and all(isinstance(name, str) for name in columns)
        for columns in value.values()
    )


def _input(value: Any) -> Input:
    if isinstance(value, str):
        return Input(None if value == ALL else value)
    by = {column: tuple(columns) for column, columns in value.get("by", {}).items()}
    return Input(value.get("slice"), by, value.get("history", False))


def _control(item: dict[str, str]) -> Control:
    try:
        return Control(item["result"], Dataset.parse(item["input"]), item["equals"])
    except KeyError as error:
        raise ModelError(f"A control needs result, input and equals; {error} is missing in {item}.") from error


def models(domain: str, root: Path | None = None) -> dict[str, Model]:
    """Read all models of a domain, by name; a domain without any has an empty dict."""
    return _read_all(root or domains_dir(), domain)


def _files(top: Path, domain: str) -> list[Path]:
    return sorted((top / domain / "gold").glob("*.sql"))


@per_files(_files)
def _read_all(top: Path, domain: str) -> dict[str, Model]:
    return {path.stem: read_model(path, domain) for path in _files(top, domain)}


def model_of(dataset: Dataset) -> Model:
    """Read one model; raises ConfigError naming the known ones."""
    known = models(dataset.domain)
    if dataset.name not in known:
        raise ConfigError(f"No model '{dataset}'. Known: {', '.join(f'{dataset.domain}.{n}' for n in known)}.")
    return known[dataset.name]
