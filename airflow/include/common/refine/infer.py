"""Write a first contract from a sample: the narrowest type that every value of a column fits."""

from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from common.contracts.contract import Column, Contract, Kind
from common.core.errors import ConfigError
from common.core.nouns import Dataset
from common.formats import read, sniff
from common.quality.checks import raw
from common.refine.clean import clean

SAMPLE_CHUNKS = 2
DATES = ("%Y-%m-%d", "%Y%m%d", "%d/%m/%Y", "%d.%m.%Y")
CANDIDATES: tuple[tuple[str, Kind, tuple[str, ...]], ...] = (
    *(("date", Kind.DATE, (pattern,)) for pattern in DATES),
    ("boolean", Kind.BOOLEAN, ()),
    ("integer", Kind.INTEGER, ()),
    ("number", Kind.DECIMAL, ()),
    ("number", Kind.DOUBLE, ()),
    ("timestamp", Kind.TIMESTAMP, ()),
)


def infer_contract(path: Path, dataset: Dataset) -> str:
    """Return a first contract for files like this one, as YAML; raises UnreadableFile, ConfigError without rows."""
    shape = sniff(path, path.name)
    frames = [chunk.frame for chunk in islice(read(path, shape), SAMPLE_CHUNKS)]
    rows = pl.concat(frames) if frames else pl.DataFrame()
    if rows.is_empty():
        raise ConfigError(f"{path} holds no record, so nothing can be inferred from it.")
    document = {
        "apiVersion": "v3.0.2",
        "kind": "DataContract",
        "id": f"urn:watershed:{dataset.domain}:{dataset.name}",
        "name": dataset.name,
        "version": "0.1.0",
        "status": "draft",
        "domain": dataset.domain,
        "description": {"purpose": f"Inferred from {path.name}; say here what the data is for."},
        "schema": [
            {
                "name": dataset.name,
                "physicalType": "table",
                "properties": [_property(rows, name) for name in shape.columns],
            }
        ],
        "customProperties": [{"property": "owner", "value": "data-platform"}],
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _property(rows: pl.DataFrame, source: str) -> dict[str, Any]:
    name = "".join(c if c.isascii() and c.isalnum() else "_" for c in source.strip().lower()).strip("_") or "column"
    name = name if name[0].isalpha() else f"c_{name}"
    logical, kind, formats = next(
        (c for c in CANDIDATES if _fits(rows, source, c[1], c[2])), ("string", Kind.STRING, ())
    )
    found: dict[str, Any] = {"name": name, "logicalType": logical}
    if name != source:
        found["physicalName"] = source
    if kind is Kind.DECIMAL:
        found["physicalType"] = "decimal(18,2)"
    if rows[source].null_count() == 0 and not (rows[source].cast(pl.String) == "").any():
        found["required"] = True
    if formats and formats != ("%Y-%m-%d",):
        found["customProperties"] = [{"property": "formats", "value": list(formats)}]
    return found


def _fits(rows: pl.DataFrame, source: str, kind: Kind, formats: tuple[str, ...]) -> bool:
    """Return whether every value has the type; digits with a leading zero are names, not numbers."""
    column = Column("value", kind, source, formats=formats)
    tried = clean(rows.select(source), Contract(Dataset("any", "file"), "0", "", (column,)))
    text = tried[raw(column)]
    if text.null_count() == text.len():
        return False
    if kind in (Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE, Kind.BOOLEAN) and text.str.contains(r"^0\d").any():
        return False
    if kind is Kind.BOOLEAN and text.drop_nulls().is_in(["0", "1"]).all():
        return False
    return tried["value"].null_count() == text.null_count()
