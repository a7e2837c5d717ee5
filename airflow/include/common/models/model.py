"""Read a gold model: one SQL file, its header a YAML comment."""

import hashlib
import re
from dataclasses import dataclass
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
KNOWN = {"description", "key", "slice", "partition", "inputs", "controls", "load", "complete"}


@dataclass(frozen=True)
class Control:
    """A total that must agree before publication: an expression over the result and one over an input."""

    result: str
    dataset: Dataset
    expected: str


@dataclass(frozen=True)
class Model:
    """One gold table.

    `inputs` maps each silver dataset to an SQL expression over its rows: the value of `slice` that a changed
    row touches. An incremental run recomputes the touched slices and no other.
    """

    dataset: Dataset
    sql: str
    hash: str
    description: str
    key: tuple[str, ...]
    slice: str
    inputs: dict[Dataset, str]
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
        inputs={Dataset.parse(name): expression for name, expression in header["inputs"].items()},
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
    if other := set(header.get("complete", [])) - set(header.get("inputs") or {}):
        faults.append(f"complete: {', '.join(sorted(other))} is no input of the model")
    return faults


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
