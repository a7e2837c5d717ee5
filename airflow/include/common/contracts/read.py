"""Read a contract from ODCS v3 YAML and say clearly what is wrong with it."""

import hashlib
import re
from pathlib import Path
from typing import Any

import yaml
from open_data_contract_standard.model import CustomProperty, OpenDataContractStandard, SchemaProperty
from pydantic import ValidationError

from common.contracts.contract import BatchRules, Column, Contract, DeleteMarker, Delivery, Kind, LoadSpec, Partitioning
from common.contracts.lint import faults
from common.core.errors import ContractError
from common.core.nouns import Dataset
from common.core.shape import Dialect

DECIMAL = re.compile(r"(?:decimal|numeric)\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)", re.IGNORECASE)
LOGICAL = {
    "string": Kind.STRING,
    "integer": Kind.INTEGER,
    "number": Kind.DOUBLE,
    "boolean": Kind.BOOLEAN,
    "date": Kind.DATE,
    "timestamp": Kind.TIMESTAMP,
}
CONTRACT_WORDS = {
    "latest", "partition", "dialect", "load", "owner", "batch", "immutable", "history", "deleted", "delivery",
}  # fmt: skip
BATCH_WORDS = {
    "maxRefusedShare", "minRows", "maxRows", "minOfMedian", "maxOfMedian", "maxAgeHours", "ageColumn", "knownColumns",
}  # fmt: skip
COLUMN_WORDS = {"formats", "nulls", "case", "normalise"}


def read_contract(path: Path) -> Contract:
    """Read and check one contract file.

    Raises ContractError with every fault found, each with what was found, what is allowed and where.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ContractError(f"{path}: cannot be read: {error.strerror}.") from error
    return parse_contract(text, str(path))


def parse_contract(text: str, where: str = "contract") -> Contract:
    """Read and check the text of one contract; `where` names it in errors."""
    try:
        document = OpenDataContractStandard.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise ContractError(f"{where}: is not YAML: {error}") from error
    except ValidationError as error:
        found = "; ".join(f"/{'/'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ContractError(f"{where}: is not an ODCS v3 contract: {found}") from error
    try:
        contract = _contract(document, hashlib.sha256(text.encode()).hexdigest()[:12])
    except ContractError as error:
        raise ContractError(f"{where}: {error}") from error
    if wrong := faults(contract):
        raise ContractError(f"{where}: " + "; ".join(wrong))
    return contract


def _contract(document: OpenDataContractStandard, digest: str) -> Contract:
    if not document.schema_ or len(document.schema_) != 1 or not document.schema_[0].properties:
        raise ContractError("/schema: expected exactly one table with properties.")
    if document.schema_[0].quality:
        raise ContractError("/schema/0/quality: rules for the whole table are not kept yet; state them by column.")
    if not document.domain:
        raise ContractError("/domain: is missing; it is the folder below raw/.")
    table = document.schema_[0]
    words = _words(document.customProperties, CONTRACT_WORDS, "/customProperties")
    properties = table.properties or []
    keys = sorted((p for p in properties if p.primaryKey), key=lambda p: p.primaryKeyPosition or 0)
    latest = words.get("latest", [])
    return Contract(
        dataset=Dataset(document.domain, table.name or ""),
        version=document.version or "0.0.0",
        hash=digest,
        columns=tuple(_column(p) for p in properties),
        key=tuple(p.name or "" for p in keys),
        latest=(latest,) if isinstance(latest, str) else tuple(latest),
        immutable=tuple(words.get("immutable", [])),
        history=words.get("history", False),
        deleted=_delete_marker(words.get("deleted")),
        delivery=words.get("delivery", Delivery.APPEND),
        partition=Partitioning(**words.get("partition", {})),
        dialect=Dialect(**words.get("dialect", {})),
        loads=tuple(LoadSpec(**load) for load in words.get("load", [])),
        batch=_batch_rules(words.get("batch", {})),
        owner=words.get("owner", "data-platform"),
        description=(document.description.purpose or "") if document.description else "",
        freshness_hours=_freshness(document),
    )


def _delete_marker(value: Any) -> DeleteMarker | None:
    if value is None:
        return None
    if not isinstance(value, dict) or set(value) != {"column", "values"} or not isinstance(value["values"], list):
        raise ContractError(
            f"/customProperties/deleted: found {value!r}; expected {{column: NAME, values: [VALUE, ...]}}: a record "
            "with one of the values in that column says that its key is gone."
        )
    return DeleteMarker(str(value["column"]), tuple(value["values"]))


def _batch_rules(words: dict[str, Any]) -> BatchRules:
    if unknown := set(words) - BATCH_WORDS:
        known = ", ".join(sorted(BATCH_WORDS))
        raise ContractError(f"/customProperties/batch: no rule {sorted(unknown)}. Known: {known}.")
    return BatchRules(
        max_refused_share=words.get("maxRefusedShare"),
        rows=(words.get("minRows"), words.get("maxRows")),
        of_median=(words.get("minOfMedian"), words.get("maxOfMedian")),
        max_age_hours=words.get("maxAgeHours"),
        age_column=words.get("ageColumn"),
        known_columns=bool(words.get("knownColumns", False)),
    )


def _column(prop: SchemaProperty) -> Column:
    name = prop.name or ""
    words = _words(prop.customProperties, COLUMN_WORDS, f"/schema/0/properties/{name}/customProperties")
    options = prop.logicalTypeOptions or {}
    precision, scale = 18, 2
    kind = LOGICAL.get(prop.logicalType or "string")
    if kind is None:
        raise ContractError(
            f"/schema/0/properties/{name}/logicalType: '{prop.logicalType}' is not supported. "
            f"Known: {', '.join(LOGICAL)}."
        )
    if found := DECIMAL.fullmatch((prop.physicalType or "").strip()):
        kind, precision, scale = Kind.DECIMAL, int(found[1]), int(found[2])
    stated = _stated(prop, f"/schema/0/properties/{name}")
    return Column(
        name=name,
        kind=kind,
        source=prop.physicalName or name,
        description=prop.description or "",
        precision=precision,
        scale=scale,
        required=bool(prop.required or prop.primaryKey or "required" in stated),
        formats=tuple(words.get("formats", [options["format"]] if "format" in options else [])),
        nulls=("", *words.get("nulls", [])),
        case=words.get("case"),
        normalise=words.get("normalise"),
        accepted=tuple(map(str, [*(item.value for item in prop.enum or []), *stated.get("accepted", [])])),
        minimum=options.get("minimum"),
        maximum=options.get("maximum"),
        min_length=options.get("minLength"),
        max_length=options.get("maxLength"),
        pattern=options.get("pattern") or stated.get("pattern"),
        personal=(prop.classification or "").lower() in {"pii", "personal", "sensitive"}
        or "pii" in {tag.lower() for tag in prop.tags or []},
    )


def _stated(prop: SchemaProperty, where: str) -> dict[str, Any]:
    """Read the quality rules of a column; one that cannot be kept is a fault, for it would be skipped in silence."""
    if prop.unique and not prop.primaryKey:
        raise ContractError(f"{where}/unique: only the primary key is kept unique; make the column part of it.")
    found: dict[str, Any] = {}
    for rule in prop.quality or []:
        values = rule.arguments or {}
        if rule.metric == "nullValues" and rule.mustBe == 0:
            found["required"] = True
        elif rule.metric == "invalidValues" and rule.mustBe == 0 and values.keys() <= {"validValues", "pattern"}:
            found |= {"accepted": values.get("validValues", []), "pattern": values.get("pattern")}
        else:
            raise ContractError(
                f"{where}/quality: cannot keep {rule.metric or rule.rule or rule.type}. Known: metric nullValues with "
                "mustBe 0, metric invalidValues with arguments validValues or pattern and mustBe 0."
            )
    return found


def _words(properties: list[CustomProperty] | None, known: set[str], where: str) -> dict[str, Any]:
    words = {p.property or "": p.value for p in properties or []}
    if unknown := set(words) - known:
        raise ContractError(f"{where}: no property {sorted(unknown)}. Known: {', '.join(sorted(known))}.")
    return words


def _freshness(document: OpenDataContractStandard) -> float | None:
    hours = {"h": 1.0, "hours": 1.0, "d": 24.0, "days": 24.0, "m": 1 / 60, "minutes": 1 / 60}
    for sla in document.slaProperties or []:
        if sla.property == "freshness" and sla.value is not None:
            return float(sla.value) * hours.get(sla.unit or "h", 1.0)
    return None
