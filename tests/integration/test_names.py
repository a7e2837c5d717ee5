"""Any name that a contract or a model may use comes through the lake into both warehouses and back."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from common.upkeep.verify import verify
from tests.world import World, new_world

# Words of SQL, of one engine or another.
WORDS = (
    "all", "and", "array", "as", "between", "by", "case", "cast", "check", "column", "current_date", "cross", "default", "desc",
    "distinct", "else", "end", "except", "false", "filter", "for", "foreign", "from", "full", "grant", "group", "having", "in",
    "index", "interval", "into", "is", "join", "key", "left", "like", "limit", "natural", "not", "null", "offset", "on", "or",
    "order", "over", "partition", "primary", "range", "references", "right", "row", "rows", "select", "set", "table", "then",
    "timestamp", "to", "true", "union", "unique", "update", "user", "using", "value", "values", "view", "when", "where", "window",
    "with", "year",
)  # fmt: skip
CONTRACT = """
apiVersion: v3.0.2
kind: DataContract
id: urn:odd:words
name: words
version: 1.0.0
status: active
domain: odd
schema:
  - name: words
    properties:
      - {{name: group, logicalType: string, primaryKey: true}}
      - {{name: order, logicalType: integer, required: true}}
{columns}
customProperties:
  - {{property: latest, value: [order, arrival]}}
  - {{property: load, value: [{{to: warehouse, strategy: incremental}}, {{to: duckdb, strategy: incremental}}]}}
"""
MODEL = """/*
description: Names that only quotes keep.
key: ["Group", select]
slice: "The slice"
inputs: {odd.words: '"group"'}
load: [{to: warehouse, strategy: incremental}, {to: duckdb, strategy: full}]
*/
SELECT "group" AS "Group", "select", "group" AS "The slice", "end" AS "Ünï;-- code", "order" AS "a""b"
FROM odd.words
"""
BY_VALUE = """/*
description: Sliced by what stands in the data.
key: [group]
slice: group
inputs: {odd.words: '"group"'}
load: [{to: warehouse, strategy: incremental}]
*/
SELECT "group", "order" FROM odd.words
"""
ODD_VALUES = ("c'", "a b", "a/b", "é", "x=y", "50%", "50%25", "..", "#1?", "_", "a\\b", "tab\there", "~")


@pytest.fixture
def odd(stack: Mapping[str, str], tmp_path: Path) -> Iterator[World]:
    """A dataset whose columns are called like words of SQL, and a model with names that need quotes."""
    domain = tmp_path / "domains" / "odd"
    for part in ("contracts", "gold"):
        (domain / part).mkdir(parents=True)
    columns = "\n".join(
        f'      - {{name: "{word}", logicalType: string}}' for word in WORDS if word not in ("group", "order")
    )
    (domain / "contracts" / "words.yaml").write_text(CONTRACT.format(columns=columns))
    (domain / "gold" / "names.sql").write_text(MODEL)
    (domain / "gold" / "by_value.sql").write_text(BY_VALUE)
    with new_world(stack, tmp_path, "odd", domain.parent) as made:
        yield made


def land(world: World, key: str, *rows: tuple[str, int]) -> None:
    names = ["group", "order", *(word for word in WORDS if word not in ("group", "order"))]
    lines = [",".join([group, str(order), *(f"{word}{order}" for word in names[2:])]) for group, order in rows]
    world.land(f"words/{key}.csv", "\n".join([",".join(names), *lines, ""]).encode())
    world.flow()


def test_words_of_sql_and_names_that_need_quotes_are_names_like_others(odd: World) -> None:
    land(odd, "1", ("a", 1), ("b", 1))
    land(odd, "2", ("a", 2), ("c'", 1))
    query = 'SELECT "group", "order", "end", "select", "where" FROM odd.words ORDER BY 1'
    assert odd.rows(query) == [
        ("a", 2, "end2", "select2", "where2"),
        ("b", 1, "end1", "select1", "where1"),
        ("c'", 1, "end1", "select1", "where1"),
    ]
    named = 'SELECT "Group", "The slice", "Ünï;-- code", "a""b" FROM odd.names ORDER BY 1'
    assert odd.rows(named) == [("a", "a", "end2", 2), ("b", "b", "end1", 1), ("c'", "c'", "end1", 1)]
    land(odd, "3", *((value, 7) for value in ODD_VALUES))
    land(odd, "4", *((value, 8) for value in ODD_VALUES[::2]))
    expected = {"a": 2, "b": 1} | dict.fromkeys(ODD_VALUES, 7) | dict.fromkeys(ODD_VALUES[::2], 8)
    assert dict(odd.rows('SELECT "group", "order" FROM odd.by_value')) == expected
    assert dict(odd.lake("gold", "by_value").select("group", "order").rows()) == expected
    assert list(verify()) == []
    assert odd.rows("SELECT count(*) FROM incident", "ledger") == [(0,)]
