"""Read a gold model: one SQL file, its header a YAML comment."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.contracts.catalogue import contract_files, contracts, placed_dataset
from common.contracts.contract import LoadSpec
from common.core.caches import per_files
from common.core.errors import ConfigError, ModelError
from common.core.nouns import Dataset
from common.core.settings import domains_dir
from common.models.header import ALL, read_header


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


def read_model(path: Path, domain: str, known: Collection[Dataset] | None = None) -> Model:
    """Read one model; `known` are the datasets that there are. Raises ModelError with every fault of its header."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: cannot be read as UTF-8 text: {error}.") from error
    dataset = Dataset(domain, path.stem)
    header, sql = read_header(text, str(path), dataset, known)
    return Model(
        dataset=dataset,
        sql=sql,
        hash=hashlib.sha256(text.encode()).hexdigest()[:12],
        description=header.description,
        key=tuple(header.key),
        slice=header.slice,
        inputs={Dataset.parse(name): _input(value) for name, value in header.inputs.items()},
        partition=tuple(header.partition),
        controls=tuple(Control(c.result, Dataset.parse(c.input), c.equals) for c in header.controls),
        loads=header.loads(),
        complete=tuple(map(Dataset.parse, header.complete)),
    )


def _input(value: Any) -> Input:
    if isinstance(value, str):
        return Input(None if value == ALL else value)
    by = {column: tuple(columns) for column, columns in value.get("by", {}).items()}
    return Input(value.get("slice"), by, value.get("history", False))


def placed_model(path: Path) -> Model:
    """Read the model of a file in its domain's folder, beside the contracts that there are; raises ModelError."""
    _, domain, top = path.resolve().parents[:3]
    return read_model(path, domain.name, set(map(placed_dataset, contract_files(top))))


def models(domain: str, root: Path | None = None) -> dict[str, Model]:
    """Read a domain's models by name, but for those with a fault or that read a dataset whose contract has one."""
    return _read_all(root or domains_dir(), domain)[0]


def model_faults(domain: str, root: Path | None = None) -> dict[Path, str]:
    """Return what is wrong with the other models of a domain, by file."""
    return dict(_read_all(root or domains_dir(), domain)[1])


def model_files(domain: str, root: Path | None = None) -> list[Path]:
    """Return the files of a domain's models."""
    return sorted(((root or domains_dir()) / domain / "gold").glob("*.sql"))


def _files(top: Path, domain: str) -> list[Path]:
    """Return what models are read from: their files, and those of contracts, whose names they may use."""
    return [*model_files(domain, top), *contract_files(top)]


@per_files(_files)
def _read_all(top: Path, domain: str) -> tuple[dict[str, Model], dict[Path, str]]:
    good: dict[str, Model] = {}
    faults: dict[Path, str] = {}
    known = set(map(placed_dataset, contract_files(top)))
    for path in model_files(domain, top):
        try:
            model = read_model(path, domain, known)
        except ModelError as error:
            faults[path] = str(error)
            continue
        if waits := [str(d) for d in model.inputs if d.name not in contracts(d.domain, top)]:
            faults[path] = f"{path}: waits for {', '.join(waits)}, whose contract has a fault."
        else:
            good[path.stem] = model
    return good, faults


def model_of(dataset: Dataset) -> Model:
    """Read one model; raises ModelError where it has a fault, ConfigError naming the known ones."""
    known = models(dataset.domain)
    if dataset.name in known:
        return known[dataset.name]
    if own := [fault for path, fault in model_faults(dataset.domain).items() if path.stem == dataset.name]:
        raise ModelError("\n".join(own))
    raise ConfigError(f"No model '{dataset}'. Known: {', '.join(f'{dataset.domain}.{n}' for n in known)}.")
