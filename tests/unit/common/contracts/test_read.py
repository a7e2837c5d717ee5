"""Contracts are read from ODCS YAML, and every fault is named with what is allowed."""

from pathlib import Path

import pytest

from common.contracts.catalogue import contract_of, contracts, domains
from common.contracts.contract import DeleteMarker, Delivery, Kind
from common.contracts.diff import differences
from common.contracts.read import parse_contract, read_contract
from common.core.errors import ConfigError, ContractError
from common.core.nouns import Dataset

HEAD = """
apiVersion: v3.0.2
kind: DataContract
id: urn:test
name: orders
version: 1.2.3
status: active
domain: shop
schema:
  - name: orders
    properties:
"""
ID = "      - {name: id, logicalType: integer, primaryKey: true}\n"
LATEST = "customProperties:\n  - {property: latest, value: id}\n"


def test_the_words_of_odcs_become_columns() -> None:
    contract = parse_contract(
        HEAD
        + ID
        + "      - {name: amount, physicalName: Amount EUR, logicalType: number, physicalType: 'decimal(10, 3)'}\n"
        + "      - {name: state, logicalType: string, enum: [{value: new}, {value: paid}]}\n"
        + "      - {name: mail, logicalType: string, classification: pii}\n"
        + LATEST
    )
    amount, state = contract.column("amount"), contract.column("state")
    assert (amount.kind, amount.precision, amount.scale, amount.source) == (Kind.DECIMAL, 10, 3, "Amount EUR")
    assert state.accepted == ("new", "paid")
    assert contract.key == contract.identity == ("id",)
    assert contract.column("id").required
    assert contract.column("mail").personal
    assert contract.version == "1.2.3"


def test_without_a_key_the_place_in_the_file_identifies_a_row() -> None:
    contract = parse_contract(HEAD + "      - {name: a, logicalType: string}\n")
    assert contract.identity == ("_file", "_record")


def test_compound_keys_keep_their_declared_order() -> None:
    contract = parse_contract(
        HEAD
        + "      - {name: b, logicalType: string, primaryKey: true, primaryKeyPosition: 2}\n"
        + "      - {name: a, logicalType: string, primaryKey: true, primaryKeyPosition: 1}\n"
        + "customProperties:\n  - {property: latest, value: arrival}\n"
    )
    assert contract.key == ("a", "b")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: [", "is not YAML"),
        ("name: 1", "is not an ODCS v3 contract"),
        (HEAD + "      - {name: id, logicalType: money}\n", "'money' is not supported. Known: string"),
        (HEAD + ID, "/customProperties/latest: a dataset with a primary key must say"),
        (HEAD + ID + "customProperties:\n  - {property: latest, value: when}\n", "no column 'when'. Known: id"),
        (HEAD + ID + "customProperties:\n  - {property: lates, value: id}\n", "no property ['lates']. Known:"),
        (HEAD + "      - {name: Id, logicalType: integer}\n", "is no column name"),
        (HEAD + ID + ID + LATEST, "'id' stands more than once"),
        (
            HEAD + "      - {name: a, logicalType: string, logicalTypeOptions: {pattern: '('}}\n",
            "'(' is no regular expression",
        ),
        (
            HEAD + ID + "customProperties:\n  - {property: latest, value: id}\n"
            "  - {property: partition, value: {column: id, by: month}}\n",
            "'month' needs a date",
        ),
        (
            HEAD + ID + LATEST + "  - {property: load, value: [{to: warehouse, strategy: upsert}]}\n",
            "/customProperties/load: no strategy 'upsert'. Known: full, incremental, scd2.",
        ),
        (
            HEAD + ID + LATEST + "  - {property: load, value: [{to: warehose, strategy: full}]}\n",
            "/customProperties/load: no warehouse 'warehose'. Known: warehouse, duckdb, redshift, snowflake.",
        ),
        (
            HEAD + "      - {name: a, logicalType: string, quality: [{type: sql, query: SELECT 1}]}\n",
            "/schema/0/properties/a/quality",
        ),
        (HEAD + "      - {name: a, logicalType: string, unique: true}\n", "/schema/0/properties/a/unique"),
        (
            HEAD + ID + "customProperties:\n  - {property: latest, value: [arrival, id]}\n",
            "/customProperties/latest: 'arrival' stands before 'id', which could never decide",
        ),
        (HEAD + ID + LATEST + "  - {property: history, value: 'on'}\n", "/customProperties/history: found 'on'"),
        (
            HEAD + ID + LATEST + "  - {property: delivery, value: replace}\n",
            "/customProperties/delivery: 'replace' takes away the rows",
        ),
        (
            HEAD + ID + LATEST + "  - {property: delivery, value: add}\n",
            "/customProperties/delivery: no 'add'. Known: append, replace.",
        ),
        (
            HEAD + ID + LATEST + "  - {property: engine, value: pandas}\n",
            "/customProperties/engine: no 'pandas'. Known: polars, spark.",
        ),
        (
            HEAD + ID + LATEST + "  - {property: deleted, value: {column: op, values: [D]}}\n",
            "/customProperties/deleted/column: no column 'op'. Known: id.",
        ),
        (
            HEAD + ID + LATEST + "  - {property: deleted, value: {column: id, values: []}}\n",
            "/customProperties/deleted/values: is empty",
        ),
        (
            HEAD + ID + LATEST + "  - {property: deleted, value: {column: id, values: 1}}\n",
            "/customProperties/deleted/values: found 1; expected a list",
        ),
    ],
)
def test_a_fault_says_where_what_and_what_is_allowed(text: str, found: str) -> None:
    with pytest.raises(ContractError) as caught:
        parse_contract(text, "orders.yaml")
    assert str(caught.value).startswith("orders.yaml: ")
    assert found in str(caught.value)


@pytest.mark.parametrize("word", ["history, value: true", "deleted, value: {column: a, values: [D]}"])
def test_versions_and_deletes_need_a_key(word: str) -> None:
    with pytest.raises(ContractError, match="no column is `primaryKey`"):
        parse_contract(HEAD + "      - {name: a}\n" + f"customProperties:\n  - {{property: {word}}}\n")


def test_history_delete_markers_and_replacing_deliveries_are_read() -> None:
    keyed = parse_contract(
        HEAD
        + ID
        + "      - {name: at, logicalType: timestamp}\n      - {name: op}\n"
        + "customProperties:\n  - {property: latest, value: [at, arrival]}\n  - {property: history, value: true}\n"
        + "  - {property: deleted, value: {column: op, values: [D, X]}}\n"
    )
    assert (keyed.latest, keyed.history, keyed.deleted) == (("at", "arrival"), True, DeleteMarker("op", ("D", "X")))
    assert keyed.delivery == Delivery.APPEND
    plain = parse_contract(
        HEAD + "      - {name: a}\n" + "customProperties:\n  - {property: delivery, value: replace}\n"
    )
    assert (plain.delivery, plain.history, plain.deleted) == (Delivery.REPLACE, False, None)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ContractError, match=r"Bad.*; .*Worse"):
        parse_contract(HEAD + "      - {name: Bad, logicalType: string}\n      - {name: Worse, logicalType: string}\n")


def test_quality_of_the_standard_becomes_rules() -> None:
    contract = parse_contract(
        HEAD
        + "      - name: state\n        logicalType: string\n        quality:\n"
        + "          - {type: library, metric: nullValues, mustBe: 0}\n"
        + "          - {type: library, metric: invalidValues, arguments: {validValues: [a, b]}, mustBe: 0}\n"
    )
    assert contract.column("state").required
    assert contract.column("state").accepted == ("a", "b")


def test_a_missing_file_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"none\.yaml: cannot be read"):
        read_contract(tmp_path / "none.yaml")


def test_the_catalogue_is_the_folders(tmp_path: Path) -> None:
    folder = tmp_path / "shop" / "contracts"
    folder.mkdir(parents=True)
    (folder / "orders.yaml").write_text(HEAD + ID + LATEST)
    assert domains(tmp_path) == ["shop"]
    assert contract_of(Dataset("shop", "orders"), tmp_path).dataset == Dataset("shop", "orders")
    with pytest.raises(ConfigError, match=r"No dataset 'shop\.order'\. Known: shop\.orders\."):
        contract_of(Dataset("shop", "order"), tmp_path)
    with pytest.raises(ConfigError, match="No domain 'toys'"):
        contracts("toys", tmp_path)


def test_a_contract_in_the_wrong_place_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "toys" / "contracts"
    folder.mkdir(parents=True)
    (folder / "orders.yaml").write_text(HEAD + ID + LATEST)
    with pytest.raises(ContractError, match=r"describes shop\.orders; its place says toys\.orders"):
        contract_of(Dataset("toys", "orders"), tmp_path)


def test_a_difference_tells_whether_it_breaks() -> None:
    old = parse_contract(HEAD + ID + "      - {name: a, logicalType: string}\n" + LATEST)
    new = parse_contract(HEAD + ID + "      - {name: b, logicalType: string}\n" + LATEST)
    found = {(d.where, d.change): d.breaking for d in differences(old, new)}
    assert found == {("a", "column removed"): True, ("b", "column added"): False}
    assert differences(old, old) == []
    typed = parse_contract(HEAD + ID + "      - {name: a, logicalType: integer}\n" + LATEST)
    assert [(d.where, d.breaking) for d in differences(old, typed)] == [("a.kind", True)]
