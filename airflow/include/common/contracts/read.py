"""Read a contract from ODCS v3 YAML and say clearly what is wrong with it: all of it at once."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from common.contracts.columns import ColumnReader
from common.contracts.contract import BatchRules, Column, Contract, DeleteMarker, FileRoute, Kind, Partitioning
from common.contracts.document import Document, Fault, parse
from common.contracts.lint import faults
from common.contracts.literals import WrongLiteral, literal
from common.contracts.odcs import shape_faults, well_typed
from common.contracts.words import BatchWords, ContractWords, DeletedWords, custom_words, dialect_words
from common.core.errors import ContractError
from common.core.nouns import Dataset

UNITS = {
    **dict.fromkeys(("s", "second", "seconds"), 1 / 3600),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 1 / 60),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 1.0),
    **dict.fromkeys(("d", "day", "days"), 24.0),
    **dict.fromkeys(("w", "week", "weeks"), 168.0),
    **dict.fromkeys(("y", "yr", "year", "years"), 8766.0),
}


def read_contract(path: Path) -> Contract:
    """Read and check one contract file.

    Raises ContractError with every fault found, each with line, place, what was found and what is allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ContractError(f"{path}: cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ContractError(
            f"{path}: is not UTF-8: byte {error.start} is {error.object[error.start]:#04x}. Save it as UTF-8."
        ) from error
    return parse_contract(text, str(path))


def parse_contract(text: str, where: str = "contract") -> Contract:
    """Read and check the text of one contract; `where` names it in errors."""
    document = parse(text, where)
    if not isinstance(document.data, dict):
        found = type(document.data).__name__
        raise ContractError(f"{where}: is not an ODCS v3 contract: line 1: /: found a {found}; expected a mapping.")
    shape = [*document.faults, *shape_faults(document)]
    sound = replace(document, data=well_typed(document.data))
    contract, own = _contract(sound, hashlib.sha256(text.encode()).hexdigest()[:12])
    wrong = [*shape, *own, *(faults(contract) if contract else ())]
    if wrong:
        kind = "is not an ODCS v3 contract: " if shape else ""
        raise ContractError(f"{where}: {kind}{document.listed(wrong)}")
    if contract is None:
        raise ContractError(f"{where}: is not an ODCS v3 contract.")
    return contract


def _contract(document: Document, digest: str) -> tuple[Contract | None, list[Fault]]:
    """Make a contract of what can be understood, with what cannot be."""
    data, table = document.data, _table(document.data)
    if table is None:
        return None, [Fault("/schema", "expected exactly one table with properties.")]
    words, wrong = custom_words(document, data.get("customProperties"), ContractWords, "")
    dialect, numbers, unknown = dialect_words(document, words.dialect)
    reader = ColumnReader(document, numbers, words.region)
    properties = [prop for prop in table["properties"] if isinstance(prop, dict)]
    columns = tuple(reader.read(prop) for prop in properties)
    freshness, late = _freshness(data)
    deleted, unmarked = _delete_marker(document, words.deleted, columns)
    contract = Contract(
        dataset=Dataset(_text(data.get("domain")), _text(table.get("name"))),
        version=_text(data.get("version")) or "0.0.0",
        hash=digest,
        columns=columns,
        key=tuple(_text(p.get("name")) for p in sorted(filter(_is_key, properties), key=_position)),
        latest=(words.latest,) if isinstance(words.latest, str) else tuple(words.latest),
        immutable=tuple(words.immutable),
        history=words.history,
        deleted=deleted,
        delivery=words.delivery,
        partition=Partitioning(**words.partition.model_dump()),
        dialect=dialect,
        files=FileRoute(tuple(words.files.names), tuple(words.files.columns), words.files.path),
        loads=tuple(load.spec() for load in words.load),
        batch=_batch_rules(words.batch),
        owner=words.owner,
        description=_purpose(data.get("description")),
        freshness_hours=freshness,
        source=words.source.spec() if words.source else None,
        deliver=words.deliver.spec() if words.deliver else None,
        engine=words.engine,
    )
    return contract, [*wrong, *unknown, *reader.faults, *late, *unmarked, *_unkept(data, table)]


def _table(data: dict[str, Any]) -> dict[str, Any] | None:
    tables = data.get("schema")
    if not isinstance(tables, list) or len(tables) != 1 or not isinstance(tables[0], dict):
        return None
    properties = tables[0].get("properties")
    return tables[0] if isinstance(properties, list) and properties else None


def _unkept(data: dict[str, Any], table: dict[str, Any]) -> Iterator[Fault]:
    """List what stands where Watershed does not look for it; it would be skipped in silence."""
    if not data.get("domain"):
        yield Fault("/domain", "is missing; it is the folder below raw/.")
    if table.get("quality"):
        yield Fault("/schema/0/quality", "rules for the whole table are not kept yet; state them by column.")
    if any(isinstance(p, dict) and p.get("vendor") in (None, "watershed") for p in table.get("customProperties") or []):
        yield Fault("/schema/0/customProperties", "is not read; these words stand under /customProperties.")
    keys = [p.get("primaryKeyPosition") for p in table["properties"] if isinstance(p, dict) and p.get("primaryKey")]
    stated = [position for position in keys if position is not None]
    if len(set(stated)) < len(stated) or (stated and len(stated) < len(keys)):
        yield Fault("/schema/0/properties", f"primaryKeyPosition is {keys}; give each column of the key its own.")
    for prop in table["properties"]:
        if isinstance(prop, dict) and prop.get("primaryKeyPosition") is not None and not prop.get("primaryKey"):
            place = f"/schema/0/properties/{prop.get('name')}/primaryKeyPosition"
            yield Fault(place, "is given, but the column is no primaryKey.")


def _is_key(prop: dict[str, Any]) -> bool:
    return prop.get("primaryKey") is True


def _position(prop: dict[str, Any]) -> int:
    position = prop.get("primaryKeyPosition")
    return position if isinstance(position, int) else 0


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _purpose(description: Any) -> str:
    return _text(description.get("purpose")) if isinstance(description, dict) else ""


def _delete_marker(
    document: Document, words: DeletedWords | None, columns: Sequence[Column]
) -> tuple[DeleteMarker | None, list[Fault]]:
    if words is None:
        return None, []
    values, wrong = list[Any](), list[Fault]()
    column = next((column for column in columns if column.name == words.column), None)
    for position, value in enumerate(words.values if column else []):
        where = f"/customProperties/deleted/values/{position}"
        try:
            values.append(literal(column.kind if column else Kind.STRING, value, document.written(where)))
        except WrongLiteral as error:
            wrong.append(Fault(where, f"{error}."))
    return DeleteMarker(words.column, tuple(values) if column else tuple(words.values)), wrong


def _batch_rules(words: BatchWords) -> BatchRules:
    return BatchRules(
        max_refused_share=words.maxRefusedShare,
        rows=(words.minRows, words.maxRows),
        of_median=(words.minOfMedian, words.maxOfMedian),
        max_age_hours=words.maxAgeHours,
        age_column=words.ageColumn,
        known_columns=words.knownColumns,
    )


def _freshness(data: dict[str, Any]) -> tuple[float | None, list[Fault]]:
    stated = [
        sla for sla in data.get("slaProperties") or [] if isinstance(sla, dict) and sla.get("property") == "freshness"
    ]
    if not stated:
        return None, []
    where, value, unit = "/slaProperties/freshness", stated[0].get("value"), stated[0].get("unit") or "h"
    wrong = []
    if len(stated) > 1:
        wrong.append(Fault(where, "stands more than once; only one can be meant."))
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        wrong.append(Fault(f"{where}/value", f"found {value!r}; expected a number above 0."))
    if unit not in UNITS:
        wrong.append(Fault(f"{where}/unit", f"no '{unit}'. Known: {', '.join(UNITS)}."))
    return (None, wrong) if wrong else (float(value or 0) * UNITS[unit], [])
