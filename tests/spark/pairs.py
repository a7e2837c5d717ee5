"""Pairs of a contract and a file, made up: most values are adversarial, some lines are malformed."""

import csv
import gzip
import io
import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import polars as pl
from hypothesis import strategies as st

from common.contracts.contract import Column, Contract, Kind
from common.contracts.read import parse_contract
from common.core.errors import ContractError
from common.quality.checks import contract_checks
from tests.unit.common.refine.made_up import SERIES, TEXTS, columns

BLANKS = st.sampled_from(["", " ", "\t", "\u00a0", "\n", "\x0b", "\u2009", "\ufeff"])
USUAL = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.integers().map(str),
    st.decimals(-(10**6), 10**6, places=3).map(str),
    st.decimals(-99, 99, places=1).map(str),
    st.floats().map(repr),
    st.datetimes().map(lambda at: at.isoformat()),
    st.datetimes().map(lambda at: at.isoformat(" ", "seconds") + "Z"),
    st.datetimes().map(lambda at: at.isoformat("T", "milliseconds") + "+05:30"),
    st.datetimes().map(lambda at: at.strftime("%d/%m/%Y")),
    st.datetimes().map(lambda at: at.strftime("%Y%m%d")),
    st.dates().map(str),
    st.sampled_from(["true", "No", "ON", "Y", "a", "b", "ab12", "2024-02-29", "2023-02-29", "1900-02-29", "2000-02-29", "0999-12-31", "1000-01-01"]),
    st.text("0123456789.+-eE _,", max_size=8),
)  # fmt: skip
VALUES = st.one_of(USUAL, USUAL, TEXTS, st.tuples(BLANKS, USUAL | TEXTS, BLANKS).map("".join))
MALFORMED = st.sampled_from(
    [b"only one", b'"open', b"\xff\xfe,1", b"1,2,3,4,5,6,7,8,9", b'a"b,c', b"{", b'{"x0": 1', b"[1]", b"\xc3("]
)


FITTING: dict[Kind, st.SearchStrategy[str]] = {
    Kind.STRING: st.sampled_from(["a", "ab", "12345", "é", "Ünï", "x y", "a@b.de", "AB", "5", "10.0.0.255", "x\n", "12345\n"]) | st.text("abcxyz", min_size=1, max_size=6),
    Kind.INTEGER: st.integers(-10, 1000).map(str) | st.integers(-(2**63), 2**63 - 1).map(str) | st.sampled_from(["007", "-0", "5", "-1"]),
    Kind.DECIMAL: st.decimals(-99, 99, places=1).map(str) | st.integers(-9, 9).map(str) | st.sampled_from(["0.5", "-0.10", "00.1", "1"]),
    Kind.DOUBLE: st.floats(-1e6, 1e6).map(repr) | st.integers(-9, 9).map(str),
    Kind.BOOLEAN: st.sampled_from(["true", "false", "No", "YES", "on", "0", "1", "oﬀ", "Oﬃ", "\u212a"]),
    Kind.DATE: st.dates(date(1000, 1, 1)).map(str) | st.dates(date(1000, 1, 1)).map(lambda d: d.strftime("%d/%m/%Y")),
    Kind.TIMESTAMP: st.datetimes(datetime(1000, 1, 1)).map(lambda at: at.isoformat()) | st.datetimes(datetime(1900, 1, 1)).map(lambda at: at.isoformat(" ", "seconds") + "+02:00"),  # noqa: DTZ001
}  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """A contract, and the name and content of a file that is read by it."""

    contract: Contract
    name: str
    content: bytes


def drawn(draw: st.DrawFn, column: Column) -> str:
    """Draw a text for a column, that fits its type as often as not."""
    return draw(VALUES if draw(st.integers(0, 9)) < 4 else FITTING[column.kind])


def made(properties: list[dict[str, Any]], **words: Any) -> Contract | None:
    """Return the contract of some columns, or None where lint refuses it."""
    document = {
        "apiVersion": "v3.0.2", "kind": "DataContract", "id": "u", "name": "o", "version": "1.0.0", "domain": "shop",
        "schema": [{"name": "o", "properties": properties}],
        "customProperties": [{"property": name, "value": value} for name, value in words.items()],
    }  # fmt: skip
    try:
        contract = parse_contract(json.dumps(document))
        contract_checks(contract)
    except ContractError:
        return None
    return contract


# Columns that most fitting values are good for.
MILD = st.sampled_from(
    [
        {"logicalType": "string"},
        {"logicalType": "string", "logicalTypeOptions": {"maxLength": 5, "minLength": 2}, "required": True},
        {
            "logicalType": "string",
            "customProperties": [{"property": "spellings", "value": {"A": ["a", "ab"], "": ["x y"]}}],
        },
        {"logicalType": "string", "enum": [{"value": value} for value in ("a", "ab", "AB", "é")]},
        {"logicalType": "string", "logicalTypeOptions": {"pattern": r"\d{2,5}|[a-z]+( y)?"}},
        {"logicalType": "string", "logicalTypeOptions": {"format": "ipv4"}},
        {"logicalType": "integer"},
        {"logicalType": "integer", "logicalTypeOptions": {"minimum": 0, "exclusiveMaximum": 900, "multipleOf": 5}},
        {"logicalType": "integer", "customProperties": [{"property": "nulls", "value": ["-1", "007"]}]},
        {"logicalType": "number"},
        {"logicalType": "number", "physicalType": "decimal(6,2)"},
        {
            "logicalType": "number",
            "physicalType": "decimal(5,1)",
            "logicalTypeOptions": {"minimum": 0.05, "maximum": 50.25},
        },
        {"logicalType": "boolean"},
        {"logicalType": "date"},
        {"logicalType": "date", "logicalTypeOptions": {"format": "%d/%m/%Y", "minimum": "1500-01-01"}},
        {"logicalType": "timestamp"},
        {"logicalType": "timestamp", "logicalTypeOptions": {"timezone": True}},
        {"logicalType": "timestamp", "logicalTypeOptions": {"timezone": False, "maximum": "2500-01-01T00:00:00Z"}},
        {"logicalType": "timestamp", "logicalTypeOptions": {"defaultTimezone": "Europe/Berlin"}},
    ]
)


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    """Draw a contract of one to four columns, with history, markers and partitions now and then."""
    kinds = MILD if draw(st.booleans()) else columns()
    properties = [draw(kinds) | {"name": f"x{number}"} for number in range(draw(st.integers(1, 4)))]
    words: dict[str, Any] = {}
    if draw(st.integers(0, 4)) == 0:
        words["partition"] = {"column": "x0", "by": draw(st.sampled_from(["value", "day", "month", "year"]))}
    if len(properties) > 2 and draw(st.integers(0, 4)) == 0:
        properties[0]["primaryKey"] = True
        words |= {
            "latest": ["x1"],
            "history": draw(st.booleans()),
            "deleted": {"column": "x2", "values": ["1", "true", "a"]},
        }
    found = made(properties, **words) or made(properties)
    plain = [
        {"name": f"x{number}", "logicalType": kind} for number, kind in enumerate(draw(st.permutations(KINDS))[:3])
    ]
    return found or made(plain)  # type: ignore[return-value]


KINDS = ["string", "integer", "date", "timestamp", "boolean", "number"]


@st.composite
def groups(draw: st.DrawFn, size: int) -> list[Pair]:
    """Draw a contract, and files in some of the formats."""
    contract = draw(contracts())
    found = []
    for _ in range(size):
        name, make = draw(st.sampled_from(list(MAKERS.items())))
        kept = [c for c in contract.columns if c.source in contract.needed or draw(st.integers(0, 9))]
        found.append(Pair(contract, name, make(draw, kept or list(contract.columns[:1]))))
    return found


def _csv(draw: st.DrawFn, columns: list[Column]) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n", quoting=draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])))
    writer.writerow([*(column.source for column in columns), "other"])
    for _ in range(draw(st.integers(1, 5))):
        writer.writerow([*(drawn(draw, column) for column in columns), "o"])
    lines = buffer.getvalue().encode()
    return lines + b"".join(line + b"\n" for line in draw(st.lists(MALFORMED, max_size=2)))


def _ndjson(draw: st.DrawFn, columns: list[Column]) -> bytes:
    numbers = draw(st.booleans())  # a file has columns of texts alone, or of anything
    lines = []
    for _ in range(draw(st.integers(1, 5))):
        row = {c.source: draw(NUMBERS) if numbers and draw(st.booleans()) else drawn(draw, c) for c in columns}
        lines.append(json.dumps(row).encode())
    return b"\n".join([*lines, *draw(st.lists(MALFORMED, max_size=2)), lines[0]]) + b"\n"


def _json(draw: st.DrawFn, columns: list[Column]) -> bytes:
    lines = [line for line in _ndjson(draw, columns).splitlines() if line.startswith(b'{"') and line.endswith(b"}")]
    return b"[" + b",".join(lines) + b"]"


def _parquet(draw: st.DrawFn, columns: list[Column]) -> bytes:
    names = [column.source for column in columns]
    series = [draw(SERIES) for _ in names]
    rows = min(one.len() for one in series)
    buffer = io.BytesIO()
    pl.DataFrame([one.head(rows).alias(name) for one, name in zip(series, names, strict=True)]).write_parquet(buffer)
    return buffer.getvalue()


NUMBERS = st.one_of(
    st.integers(-(2**63), 2**63), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none()
)
MAKERS = {
    "f.csv": _csv,
    "g.csv": _csv,
    "f.csv.gz": lambda draw, columns: gzip.compress(_csv(draw, columns)),
    "f.ndjson": _ndjson,
    "f.json": _json,
    "f.parquet": _parquet,
}
