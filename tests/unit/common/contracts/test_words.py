"""Every word of a contract is kept or a fault; all faults come at once, each with its line."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import open_data_contract_standard
import pytest
from typer.testing import CliRunner

from common.cli.main import app
from common.contracts.catalogue import contract_faults, contract_of, contracts
from common.contracts.lint import warnings
from common.contracts.read import parse_contract
from common.core.errors import ContractError
from common.core.nouns import Dataset
from devstack.folder import INCLUDE
from tests.unit.common.contract_text import contract, said

HEAD = """apiVersion: v3.0.2
kind: DataContract
id: urn:test
name: orders
version: 1.0.0
status: active
domain: shop
schema:
  - name: orders
    properties:
"""
SCHEMA = jsonschema.Draft201909Validator(
    json.loads(Path(open_data_contract_standard.__file__).with_name("schema.json").read_text())
)
DEMO = INCLUDE / "domains" / "ecommerce" / "contracts"


def fault(text: str) -> str:
    with pytest.raises(ContractError) as caught:
        parse_contract(text, "orders.yaml")
    return str(caught.value)


def column(text: str) -> str:
    return HEAD + f"      - {text}\n"


def word(text: str) -> str:
    return (
        HEAD
        + "      - {name: a}\n      - {name: d, logicalType: date}\n      - {name: n, logicalType: integer}\n"
        + f"customProperties:\n  - {text}\n"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (column("{name: a, customProperties: [{property: spellings, value: {x: [b], y: [b]}}]}"), "/spellings: 'b' would mean both 'x' and 'y'"),
        (column("{name: a, customProperties: [{property: case, value: lower}, {property: spellings, value: {x: [B]}}]}"), "/spellings: 'B' is never met: the column's texts are changed first, to 'b'"),
        (column("{name: a, logicalType: integer, customProperties: [{property: spellings, value: {x: [b]}}]}"), "/spellings: is for texts; this is a integer"),
        (column("{name: a, customProperties: [{property: normalise, value: email}, {property: mailDomains, value: {x.de: [X.d]}}]}"), "/mailDomains: 'X.d' is never met"),
        (word("{property: files, value: {names: ['/a/*.csv']}}"), "/customProperties/files/names/0: found '/a/*.csv'; expected a name below"),
        (word("{property: files, value: {columns: [b]}}"), "/customProperties/files/columns/0: no column of the files is called 'b' (physicalName). Known: a, d, n."),
        (word("{property: files, value: {path: '(?P<b>.*)/'}}"), "/customProperties/files/path: no column 'b'. Known: a, d, n."),
        (word("{property: files, value: {path: '(?P<n>.*)/'}}"), "/customProperties/files/path: 'n' is no text, so what the path says"),
        (word("{property: files, value: {path: '(.*)/'}}"), "/customProperties/files/path: '(.*)/' is not a regular expression with groups called after columns"),
        (word("{property: files, value: {path: '(?P<a>'}}"), "/customProperties/files/path: '(?P<a>' is not a regular expression"),
        (column("{name: a, requierd: true}"), "line 11: /schema/0/properties/a/requierd: no word 'requierd' here. Is 'required' meant?"),
        (column("{name: a, logicaltype: integer}"), "Is 'logicalType' meant?"),
        (column("{name: a, logicalType: Integer}"), "'Integer' is not supported. Known: string, integer"),
        (column("{name: n, logicalType: integer, logicalTypeOptions: {minimun: 1}}"), "no word 'minimun' for a column of type integer. Is 'minimum' meant?"),
        (column("{name: n, logicalType: integer, logicalTypeOptions: {minLength: 1}}"), "no word 'minLength' for a column of type integer"),
        (column("{name: n, logicalType: integer, logicalTypeOptions: {minimum: '5'}}"), "found '5'; expected a whole number"),
        (column("{name: n, logicalType: integer, logicalTypeOptions: {minimum: 1.5}}"), "expected a whole number"),
        (column("{name: n, logicalType: number, logicalTypeOptions: {multipleOf: 0.1}}"), "no word 'multipleOf'"),
        (column("{name: n, logicalType: number, logicalTypeOptions: {minimum: 5, maximum: 1}}"), "from 5.0 to 1.0 there is nothing"),
        (column("{name: n, logicalType: integer, logicalTypeOptions: {exclusiveMinimum: 5, maximum: 5}}"), "no value could pass"),
        (column("{name: a, logicalTypeOptions: {minLength: 5, maxLength: 1}}"), "minLength 5 is above maxLength 1"),
        (column("{name: a, logicalTypeOptions: {minLength: -1}}"), "expected a whole number from 0 on"),
        (column("{name: a, logicalTypeOptions: {pattern: '(?=x)'}}"), "has a look-ahead"),
        (column("{name: a, logicalTypeOptions: {pattern: '(a)\\1'}}"), "reference back"),
        (column("{name: n, logicalType: integer, enum: [{value: 5}, {value: x}]}"), "/enum/1/value: found 'x'; expected a whole number"),
        (column("{name: a, enum: [{value: NO}]}"), "found NO, which YAML reads as false; expected a text: write 'NO' in quotes"),
        (column("{name: a, enum: [{value: 012}]}"), "012 is a number that readers of YAML read differently"),
        (column("{name: a, enum: [{value: se}], customProperties: [{property: case, value: upper}]}"), "se can never pass"),
        (column("{name: a, enum: [{valeu: se}]}"), "no word 'valeu' here. Is 'value' meant?"),
        (column("{name: a, customProperties: [{property: nulls, value: NA}]}"), "/nulls: found 'NA'; expected a list"),
        (column("{name: a, customProperties: [{property: nulls, value: [0, no]}]}"), "found no, which YAML reads as false"),
        (column("{name: a, customProperties: [{property: formats, value: ['%Y']}]}"), "is for dates and timestamps"),
        (column("{name: d, logicalType: date, customProperties: [{property: formats, value: '%Y-%m-%d'}]}"), "expected a list"),
        (column("{name: d, logicalType: timestamp, customProperties: [{property: formats, value: ['%Y-%m-%d %Z']}]}"), "'%Z', whose texts have more than one meaning"),
        (column("{name: d, logicalType: date, logicalTypeOptions: {format: dd/QQ/yyyy}}"), "has 'QQ'"),
        (column("{name: d, logicalType: timestamp, logicalTypeOptions: {defaultTimezone: Europe/Berlinn}}"), "no 'Europe/Berlinn'"),
        (column("{name: d, logicalType: timestamp, logicalTypeOptions: {timezone: 'yes'}}"), "expected true or false"),
        (column("{name: a, customProperties: [{property: normalise, value: phone}]}"), "phone needs a region"),
        (column("{name: a, customProperties: [{property: normalise, value: phnoe}]}"), "no 'phnoe'. Known: email, phone"),
        (column("{name: a, customProperties: [{property: case, value: upper}, {property: case, value: lower}]}"), "'case' stands more than once"),
        (column("{name: a, name: b}"), "'name' stands more than once"),
        (column("{name: a, physicalName: x}\n      - {name: b, physicalName: x}"), "a and b both read the column 'x'"),
        (column("{name: n, logicalType: number, physicalType: decimal}"), "'decimal' says no digits"),
        (column("{name: n, logicalType: string, physicalType: 'decimal(5,2)'}"), "needs logicalType number"),
        (column("{name: n, logicalType: number, physicalType: 'decimal(5,2)', enum: [{value: 1.005}]}"), "1.005 can never pass"),
        (column("{name: n, logicalType: integer, unique: true}"), "only the primary key is kept unique"),
        (column("{name: n, logicalType: integer, partitioned: true}"), "state it for the contract"),
        (column("{name: n, primaryKeyPosition: 1}"), "is given, but the column is no primaryKey"),
        (column("{name: n, logicalType: object}"), "'object' is not supported"),
        (column("{name: n, required: 'yes'}"), "found 'yes'; expected true or false"),
        (word("{property: partition, value: d}"), "/partition: found 'd'; expected a mapping"),
        (word("{property: partition, value: {col: d}}"), "/partition/col: no word 'col' here. Is 'column' meant?"),
        (word("{property: partition, value: {column: d, by: week}}"), "no 'week'. Known: value, day, month, year"),
        (word("{property: dialect, value: {delimeter: ';'}}"), "no word 'delimeter' here. Is 'delimiter' meant?"),
        (word("{property: dialect, value: {delimiter: ';;'}}"), "expected one character"),
        (word("{property: dialect, value: {skip: -1}}"), "expected a number of lines from 0 on"),
        (word("{property: dialect, value: {encoding: utf-99}}"), "no 'utf-99'"),
        (word("{property: dialect, value: {format: excel}}"), "no 'excel'. Known: csv, json, ndjson, parquet"),
        (word("{property: dialect, value: {header: nope}}"), "expected true or false"),
        (word("{property: load, value: {to: warehouse, strategy: full}}"), "/load: found {'to': 'warehouse', 'strategy': 'full'}; expected a list"),
        (word("{property: load, value: [{to: warehouse, strategie: full}]}"), "Is 'strategy' meant?"),
        (word("{property: load, value: [{to: warehouse}]}"), "lacks 'strategy'"),
        (word("{property: batch, value: {maxRefusedShare: 5}}"), "found 5; a share is 0 to 1"),
        (word("{property: batch, value: {maxRefusedshare: 0.5}}"), "Is 'maxRefusedShare' meant?"),
        (word("{property: batch, value: {minRows: 5, maxRows: 1}}"), "is 5, above maxRows 1"),
        (word("{property: batch, value: {minRows: '5'}}"), "/batch/minRows: found '5'"),
        (word("{property: latest, value: [d]}"), "no column is `primaryKey`"),
        (word("{property: owner, value: no}"), "found no, which YAML reads as false"),
        (HEAD + "      - {name: a}\nslaProperties:\n  - {property: freshness, value: abc}\n", "/slaProperties/freshness/value: found 'abc'; expected a number"),
        (HEAD + "      - {name: a}\nslaProperties:\n  - {property: freshness, value: 3, unit: fortnights}\n", "no 'fortnights'. Known:"),
        (HEAD.replace("v3.0.2", "v2.2.2") + "      - {name: a}\n", "found 'v2.2.2'. Known: v3.0.0"),
        (HEAD.replace("version: 1.0.0", "version: 1.0") + "      - {name: a}\n", "line 5: /version: found 1.0; expected a text"),
        (HEAD.replace("status: active\n", "") .replace("id: urn:test\n", "") + "      - {name: a}\n", "lacks 'id'"),
        (HEAD.replace("domain: shop\n", "") + "      - {name: a}\n", "/domain: is missing"),
        ("- a\n", "found a list; expected a mapping"),
        ("a: &x [*x]\n", "nested without end"),
        ('{"a": "\\ud800"}', "half a character"),
    ],
)  # fmt: skip
def test_a_word_that_is_not_kept_is_a_fault(text: str, told: str) -> None:
    assert told in fault(text)


def test_all_faults_come_at_once_with_their_lines() -> None:
    text = HEAD + (
        "      - {name: a, requierd: true}\n"
        "      - name: n\n"
        "        logicalType: integer\n"
        "        logicalTypeOptions:\n"
        "          minimum: '5'\n"
        "customProperties:\n"
        "  - {property: latets, value: a}\n"
        "  - {property: dialect, value: {delimeter: ;}}\n"
    )
    lines = [int(line) for line in re.findall(r"line (\d+): /", fault(text))]
    assert lines == [11, 15, 17, 18]


def test_a_number_stands_for_itself_as_it_is_written() -> None:
    made = contract({"name": "a", "enum": [{"value": 1}, {"value": 2.50}]}, said("b", nulls=[0, -1.0]))
    assert made.column("a").accepted == ("1", "2.5")
    text = HEAD + "      - {name: a, enum: [{value: 1.50}, {value: 2024-01-02}]}\n      - {name: b, required: yes}\n"
    assert parse_contract(text).column("a").accepted == ("1.50", "2024-01-02")
    assert parse_contract(text).column("b").required
    assert made.column("b").nulls == ("", "0", "-1.0")


def test_words_of_another_vendor_are_left_to_it() -> None:
    text = HEAD + "      - {name: a, customProperties: [{property: soda, value: 1, vendor: soda}]}\n"
    assert parse_contract(text).column("a").name == "a"


def test_what_works_but_may_be_meant_otherwise_is_a_warning() -> None:
    found = contract(
        {"name": "id", "primaryKey": True},
        {"name": "at", "logicalType": "timestamp"},
        latest=["at"],
        immutable=["at"],
        partition={"column": "at", "by": "value"},
    )
    told = "\n".join(map(str, warnings(found)))
    for part in ("immutable: means nothing any more", "[at, arrival]", "every single value of 'at'"):
        assert part in told
    assert warnings(contract({"name": "id", "primaryKey": True}, latest=["arrival"])) == []


@pytest.mark.parametrize("path", sorted(DEMO.glob("*.yaml")), ids=lambda path: path.name)
def test_what_lints_is_valid_by_the_standards_own_schema(path: Path) -> None:
    import yaml

    parse_contract(path.read_text())
    assert list(SCHEMA.iter_errors(yaml.load(path.read_text(), yaml.BaseLoader) | {"schema": []})) == []


def _mutants(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Misspell every key and change the type of every value, one at a time."""
    found: list[dict[str, Any]] = []

    def walk(node: Any) -> None:
        items = list(node.items()) if isinstance(node, dict) else list(enumerate(node))
        for key, value in items:
            if isinstance(node, dict):
                del node[key]
                node[key + "x"] = value
                found.append(json.loads(json.dumps(document)))
                del node[key + "x"]
            for other in (7, "text", True, [1], {"x": 1}):
                if type(other) is not type(value):
                    node[key] = other
                    found.append(json.loads(json.dumps(document)))
            node[key] = value
            if isinstance(value, dict | list):
                walk(value)

    walk(document)
    return found


def test_what_the_standards_schema_refuses_is_refused() -> None:
    """A second opinion on the shape: thousands of contracts with one word or type changed."""
    document = {
        "apiVersion": "v3.0.2", "kind": "DataContract", "id": "u", "name": "orders", "version": "1", "status": "active", "domain": "shop",
        "description": {"purpose": "p"}, "tags": ["a"],
        "schema": [{"name": "orders", "physicalType": "table", "properties": [
            {"name": "id", "logicalType": "integer", "primaryKey": True, "logicalTypeOptions": {"minimum": 1}},
            {"name": "s", "logicalType": "string", "required": True, "description": "d", "classification": "pii",
             "logicalTypeOptions": {"maxLength": 5}, "enum": [{"value": "a"}],
             "quality": [{"type": "library", "metric": "nullValues", "mustBe": 0}]},
        ]}],
        "slaProperties": [{"property": "freshness", "value": 3, "unit": "d"}],
        "team": {"name": "t", "members": [{"username": "u"}]},
        "customProperties": [{"property": "latest", "value": ["arrival"]}],
    }  # fmt: skip
    parse_contract(json.dumps(document))
    mutants = _mutants(document)
    refused_by_schema = [mutant for mutant in mutants if not SCHEMA.is_valid(mutant)]
    assert len(refused_by_schema) > 200
    kept = []
    for mutant in refused_by_schema:
        try:
            parse_contract(json.dumps(mutant))
        except ContractError:
            continue
        kept.append(mutant)
    assert kept == []


def test_one_contract_at_fault_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "shop" / "contracts"
    folder.mkdir(parents=True)
    good = HEAD + "      - {name: a}\n"
    (folder / "orders.yaml").write_text(good)
    (folder / "bad.yaml").write_text(
        good.replace("name: orders", "name: bad").replace("{name: a}", "{name: a, requierd: true}")
    )
    (folder / "latin.yml").write_bytes(good.replace("urn:test", "ürn").encode("latin-1"))
    assert contract_of(Dataset("shop", "orders"), tmp_path).dataset.name == "orders"
    assert list(contracts("shop", tmp_path)) == ["orders"]
    bad, latin = contract_faults("shop", tmp_path).items()
    assert (bad[0].name, "requierd" in bad[1]) == ("bad.yaml", True)
    assert (latin[0].name, "latin.yml: is not UTF-8" in latin[1]) == ("latin.yml", True)
    with pytest.raises(ContractError, match="requierd"):
        contract_of(Dataset("shop", "bad"), tmp_path)
    monkeypatch.setenv("WATERSHED_DOMAINS_DIR", str(tmp_path))
    result = CliRunner().invoke(app, ["contract", "lint"])
    assert result.exit_code == 1
    assert "3 contracts, 2 with faults." in result.output
    assert "requierd" in result.output
    assert "is not UTF-8" in result.output


def test_two_files_of_one_dataset_are_a_fault(tmp_path: Path) -> None:
    folder = tmp_path / "shop" / "contracts"
    folder.mkdir(parents=True)
    for ending in ("yaml", "yml"):
        (folder / f"orders.{ending}").write_text(HEAD + "      - {name: a}\n")
    assert contracts("shop", tmp_path) == {}
    for fault in contract_faults("shop", tmp_path).values():
        assert "orders.yaml and orders.yml are contracts of one dataset" in fault
    with pytest.raises(ContractError, match=r"orders\.yaml and orders\.yml are contracts of one dataset"):
        contract_of(Dataset("shop", "orders"), tmp_path)


def test_lint_reads_on_after_a_file_that_is_no_yaml(tmp_path: Path) -> None:
    for name, content in (
        ("a.yaml", b"a: ["),
        ("b.yaml", b"\xff\xfe\x00"),
        ("c.yaml", (HEAD + "      - {name: a}\n").encode()),
    ):
        (tmp_path / name).write_bytes(content)
    result = CliRunner().invoke(app, ["contract", "lint", *(str(tmp_path / f"{name}.yaml") for name in "abc")])
    assert result.exit_code == 1
    assert "3 contracts, 2 with faults." in result.output


def test_a_dialect_may_say_that_nothing_is_a_quote() -> None:
    found = parse_contract(word("{property: dialect, value: {quote: '', delimiter: \"\\t\", skip: 2, decimal: ','}}"))
    assert (found.dialect.quote, found.dialect.delimiter, found.dialect.skip) == ("", "\t", 2)
    assert found.column("n").numbers.decimal == ","
