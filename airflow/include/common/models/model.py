"""Read a gold model: one SQL file, its header a YAML comment."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from common.contracts.catalogue import contract_files, contracts, domains, placed_dataset
from common.contracts.contract import Contract, LoadSpec
from common.core.caches import per_files
from common.core.errors import ConfigError, ModelError
from common.core.nouns import Dataset
from common.core.settings import domains_dir
from common.models.header import ALL, Known, read_header


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
    """One gold table; an incremental run recomputes the slices that changed rows touch, and no other.

    One that is `on` a warehouse is a table of that warehouse: it is computed there, whole and without slices, of tables
    that are loaded there, by whose names its inputs go.
    """

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
    on: str = ""
    complete: tuple[Dataset, ...] = ()  # a slice waits until each of these has published the partition of its name


def read_model(path: Path, domain: str, known: Known | None = None) -> Model:
    """Read one model; `known` gives what it may read. Raises ModelError with every fault of its header."""
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
        slice=header.slice or "",
        inputs={Dataset.parse(name): _input(value) for name, value in header.inputs.items()},
        partition=tuple(header.partition),
        controls=tuple(Control(c.result, Dataset.parse(c.input), c.equals) for c in header.controls),
        loads=header.loads(),
        on=header.on or "",
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
    return read_model(path, domain.name, partial(_readable, top))


def models(domain: str, root: Path | None = None) -> dict[str, Model]:
    """Read a domain's models of the lake by name; none has a fault, or reads a dataset whose contract has one."""
    return {name: model for name, model in _read_all(root or domains_dir(), domain)[0].items() if not model.on}


def warehouse_models(domain: str, root: Path | None = None) -> dict[str, Model]:
    """Read a domain's models that a warehouse computes by name, but those with a fault."""
    return {name: model for name, model in _read_all(root or domains_dir(), domain)[0].items() if model.on}


def _files(top: Path, _: str, /) -> list[Path]:
    """Return what models are read from: the files of all, and of contracts, whose names and loads they may use."""
    return [*contract_files(top), *(path for domain in domains(top) for path in model_files(domain, top))]


@per_files(_files)
def _readable(top: Path, to: str, /) -> set[Dataset]:
    """Return what models may read: the datasets that there are, or the tables that are loaded into a warehouse."""
    if not to:
        return set(map(placed_dataset, contract_files(top)))
    tables: list[Contract | Model] = [c for domain in domains(top) for c in contracts(domain, top).values()]
    loads = [(table.dataset, load) for table in (*tables, *_unchecked(top)) for load in table.loads]
    return {Dataset.parse(load.table) if load.table else dataset for dataset, load in loads if load.to == to}


def _unchecked(top: Path) -> Iterator[Model]:
    """Read the models whose headers say what they mean, whatever they read."""
    for path in [path for domain in domains(top) for path in model_files(domain, top)]:
        with suppress(ModelError):
            yield read_model(path, path.parent.parent.name)


def model_faults(domain: str, root: Path | None = None) -> dict[Path, str]:
    """Return what is wrong with the other models of a domain, by file."""
    return dict(_read_all(root or domains_dir(), domain)[1])


def model_files(domain: str, root: Path | None = None) -> list[Path]:
    """Return the files of a domain's models."""
    return sorted(((root or domains_dir()) / domain / "gold").glob("*.sql"))


@per_files(_files)
def _read_all(top: Path, domain: str, /) -> tuple[dict[str, Model], dict[Path, str]]:
    good: dict[str, Model] = {}
    faults: dict[Path, str] = {}
    for path in model_files(domain, top):
        try:
            model = read_model(path, domain, partial(_readable, top))
        except ModelError as error:
            faults[path] = str(error)
            continue
        read = () if model.on else model.inputs
        if waits := [str(d) for d in read if d.name not in contracts(d.domain, top)]:
            faults[path] = f"{path}: waits for {', '.join(waits)}, whose contract has a fault."
        else:
            good[path.stem] = model
    return good, faults


def model_of(dataset: Dataset) -> Model:
    """Read one model; raises ModelError where it has a fault, ConfigError naming the known ones."""
    known = {**models(dataset.domain), **warehouse_models(dataset.domain)}
    if dataset.name in known:
        return known[dataset.name]
    if own := [fault for path, fault in model_faults(dataset.domain).items() if path.stem == dataset.name]:
        raise ModelError("\n".join(own))
    raise ConfigError(f"No model '{dataset}'. Known: {', '.join(f'{dataset.domain}.{n}' for n in known)}.")
