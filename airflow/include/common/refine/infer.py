"""Write a first contract from samples: types that every value fits, and comments on what only a person can know."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from common.contracts.contract import Column, Kind
from common.contracts.document import FLOAT, INTEGER, ODD, TRUTH
from common.core.errors import ConfigError
from common.core.nouns import Dataset
from common.formats import read, sniff
from common.refine.guess import Guess, Sample, as_property, guess
from common.refine.match import folded

SAMPLE_CHUNKS = 2
LONGEST_NAME = 50
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.:/ ()-]*[A-Za-z0-9)]|[A-Za-z]")
CHANGED = re.compile("updated|modified|changed|version|_at$|time|date")


class _Dumper(yaml.SafeDumper):
    """Puts every text in quotes that a reader of YAML could take for something else."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    other = any(pattern.fullmatch(text) for pattern in (INTEGER, FLOAT, ODD, TRUTH)) or text.lower() in (
        "null",
        "y",
        "n",
    )
    plain = PLAIN.fullmatch(text) and not other and ": " not in text
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else "'")


_Dumper.add_representer(str, _text)


def infer_contract(paths: Path | Sequence[Path], dataset: Dataset) -> str:
    """Return a first contract for files like these, as YAML; raises UnreadableFile, ConfigError without rows."""
    files = [paths] if isinstance(paths, Path) else list(paths)
    sample = [pair for path in files for pair in _sample(path)]
    if not any(frame.height for frame, _ in sample):
        raise ConfigError(f"{', '.join(map(str, files))} holds no record, so nothing can be inferred from it.")
    columns = [guess(Column(name, Kind.STRING, source), sample) for source, name in _names(sample).items()]
    keys = [found.column.name for found in columns if _is_key(found.column, sample)]
    head = {
        "apiVersion": "v3.0.2",
        "kind": "DataContract",
        "id": f"urn:watershed:{dataset.domain}:{dataset.name}",
        "name": dataset.name,
        "version": "0.1.0",
        "status": "draft",
        "domain": dataset.domain,
        "description": {"purpose": f"Inferred from {', '.join(f.name for f in files)}; say here what the data is for."},
    }
    return "\n".join(
        [
            _yaml(head),
            "schema:",
            _indented(_yaml([{"name": dataset.name, "physicalType": "table"}]), 2),
            "    properties:",
            "      # Say `required: true` of a column where that is a promise; a sample without gaps is none.",
            *(_property(found, keys) for found in columns),
            "customProperties:",
            "  - {property: owner, value: data-platform}",
            *_proposals(columns, keys),
            "",
        ]
    )


def dataset_of(path: Path) -> Dataset:
    """Return the dataset that a file would be of, by its folder and name."""
    return Dataset(_name(path.resolve().parent.name), _name(path.name.split(".")[0]))


def _sample(path: Path) -> Sample:
    shape = sniff(path, path.name)
    frames = [chunk.frame for chunk in islice(read(path, shape), SAMPLE_CHUNKS)]
    return [(pl.concat(frames), shape)]


def _names(sample: Sample) -> dict[str, str]:
    """Return a name of its own for each column of the files; one that differs only in case is the same column."""
    names: dict[str, str] = {}
    forms: set[str] = set()
    for _, shape in sample:
        for source in shape.columns:
            if source in names or (folded(source) in forms and len(sample) > 1):
                continue
            forms.add(folded(source))
            names[source] = _free(_name(source), set(names.values()))
    return names


def _name(source: str) -> str:
    name = "".join(c if c.isascii() and c.isalnum() else "_" for c in source.strip().lower()).strip("_") or "column"
    return (name if name[0].isalpha() else f"c_{name}")[:LONGEST_NAME]


def _free(name: str, taken: set[str]) -> str:
    copies = (f"{name}_{number}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(copy for copy in copies if copy not in taken)


def _is_key(column: Column, sample: Sample) -> bool:
    """Return whether a column could identify rows: every value there is, and none twice."""
    if column.kind not in (Kind.INTEGER, Kind.STRING):
        return False
    found = [frame[column.source].cast(pl.String) for frame, _ in sample if column.source in frame.columns]
    values = pl.concat(found) if found else pl.Series([], dtype=pl.String)
    return values.len() > 1 and values.null_count() == 0 and "" not in values and values.n_unique() == values.len()


def _property(found: Guess, keys: list[str]) -> str:
    lines = [f"# {_one_line(doubt)}" for doubt in found.doubts]
    lines.append(_yaml([as_property(found.column, found.column.name)]))
    if keys[:1] == [found.column.name]:
        lines.append("  # primaryKey: true  # every value was there, and none twice")
    return _indented("\n".join(lines), 6)


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _proposals(columns: list[Guess], keys: list[str]) -> Iterator[str]:
    times = [found.column for found in columns if found.column.kind in (Kind.DATE, Kind.TIMESTAMP)]
    changed = [column.name for column in times if CHANGED.search(column.name)] or [column.name for column in times]
    if keys:
        yield "  # With a key: which of two rows of it is newer."
        yield f"  # - {{property: latest, value: [{', '.join([*changed[:1], 'arrival'])}]}}"
    if times:
        yield f"  # - {{property: partition, value: {{column: {times[0].name}, by: month}}}}"
    yield "  # - {property: load, value: [{to: warehouse, strategy: incremental}]}"


def _yaml(data: Any) -> str:
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000).rstrip("\n")


def _indented(text: str, by: int) -> str:
    return "\n".join(" " * by + line if line else line for line in text.split("\n"))
