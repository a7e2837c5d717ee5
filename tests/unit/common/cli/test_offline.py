"""Commands that need no stack: inspect and contract."""

import gzip
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from common.cli.main import app
from common.contracts.catalogue import contract_files
from devstack.folder import INCLUDE

RUN = CliRunner()
HEAD = "customer_id,date,number_of_cds,dollar_value\n"


def run(*arguments: str) -> tuple[int, str]:
    result = RUN.invoke(app, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_inspect_tells_shape_counts_and_refusals_with_line_numbers(tmp_path: Path) -> None:
    file = tmp_path / "p.csv.gz"
    file.write_bytes(gzip.compress((HEAD + "00001,19970101,1,1.00\n00002\n00003,19979999,1,1.00\n").encode()))
    code, text = run("inspect", str(file), "--contract", "ecommerce.transactions", "--json")
    found = json.loads(text)
    assert code == 0
    assert (found["shape"]["format"], found["shape"]["compression"], found["shape"]["delimiter"]) == (
        "csv",
        "gzip",
        ",",
    )
    assert (found["records"], found["good"], found["refused"]) == (3, 1, 2)
    assert [(row["line"], row["reason"], row["column"]) for row in found["refusals"]] == [
        (3, "short_row", None),
        (4, "type", "purchased_on"),
    ]
    code, text = run("inspect", str(file))
    assert code == 0
    assert "3 records: 2 good, 1 refused." in text


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (bytes(range(256)) * 9, "binary"), (gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)[:-9], "truncated")],
)
def test_inspect_refuses_whole_files_with_exit_code_1(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(content)
    code, text = run("inspect", str(file), "--json")
    assert (code, json.loads(text)["reason"]) == (1, reason)
    code, text = run("inspect", str(file))
    assert code == 1
    assert f"refused whole ({reason})" in text


def test_inspect_names_the_columns_that_are_missing(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("sku,north\n1,2\n")
    code, text = run("inspect", str(file), "--contract", "ecommerce.transactions")
    assert code == 1
    assert "lacks customer_id, date" in text.replace("\n", " ")


def test_lint_tells_how_many_contracts_have_faults(tmp_path: Path) -> None:
    code, text = run("contract", "lint")
    assert (code, f"{len(contract_files())} contracts, 0 with faults." in text) == (0, True)
    bad = tmp_path / "bad.yaml"
    bad.write_text("a: [")
    code, text = run("contract", "lint", str(bad))
    assert code == 1
    assert "is not YAML" in text


def test_lint_tells_machines_file_by_file(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("a: [")
    code, text = run("contract", "lint", str(bad), "--json")
    (file,) = json.loads(text)["files"]
    assert (code, file["file"]) == (1, str(bad))
    assert any("is not YAML" in fault for fault in file["faults"])
    code, text = run("contract", "lint", "--json")
    assert code == 0
    assert {Path(file["file"]).suffix for file in json.loads(text)["files"]} == {".yaml", ".sql"}
    assert not any(file["faults"] for file in json.loads(text)["files"])


def test_the_version_is_told() -> None:
    assert run("--version") == (0, f"watershed {version('watershed')}\n")


def test_a_difference_is_told_in_words(tmp_path: Path) -> None:
    known = INCLUDE / "domains" / "ecommerce" / "contracts" / "transactions.yaml"
    other = tmp_path / "transactions.yaml"
    other.write_text(known.read_text().replace("by: month", "by: year").replace("required: true", "required: false", 1))
    code, text = run("contract", "diff", "ecommerce.transactions", str(other), "--json")
    assert code == 1
    assert [(row["where"], row["change"]) for row in json.loads(text)] == [
        ("customer_id.required", "yes -> no"),
        ("partition", "column: purchased_on; by: month -> column: purchased_on; by: year"),
    ]


def test_contracts_are_listed_shown_and_compared() -> None:
    _, text = run("contract", "ls", "--json")
    assert {row["dataset"] for row in json.loads(text) if row["dataset"].startswith("ecommerce.")} == {
        f"ecommerce.{n}" for n in ("events", "transactions", "users")
    }
    _, text = run("contract", "show", "ecommerce.transactions", "--json")
    assert json.loads(text)[3]["type"] == "decimal(12,2)"
    assert "the record's place in its file" in run("contract", "show", "ecommerce.transactions")[1].replace("\n", " ")
    assert run("contract", "diff", "ecommerce.users", "ecommerce.users")[0] == 0
    assert run("contract", "diff", "ecommerce.users", "ecommerce.events")[0] == 1


def test_a_first_contract_is_inferred_and_fits_its_sample(tmp_path: Path) -> None:
    sample = tmp_path / "orders.csv"
    sample.write_text("Order No,when,price,zip,paid\n1,2024-01-02,1.50,01234,yes\n2,2024-01-03,,99999,no\n")
    code, text = run("contract", "infer", str(sample), "--dataset", "shop.orders")
    assert code == 0
    columns = {c["name"]: c for c in yaml.safe_load(text)["schema"][0]["properties"]}
    assert {name: c["logicalType"] for name, c in columns.items()} == {
        "order_no": "integer",
        "when": "date",
        "price": "number",
        "zip": "string",
        "paid": "boolean",
    }
    assert columns["order_no"]["physicalName"] == "Order No"
    assert "required" not in columns["price"]
    contract = tmp_path / "orders.yaml"
    contract.write_text(text)
    assert run("inspect", str(sample), "--contract", str(contract), "--json")[0] == 0
    assert json.loads(run("inspect", str(sample), "--contract", str(contract), "--json")[1])["refused"] == 0


def test_an_error_is_one_sentence_and_exit_code_2() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "common.cli", "contract", "show", "ecommerce.orders"],
        env={
            "PYTHONPATH": "airflow/include",
            "PATH": "/usr/bin:/bin",
            "WATERSHED_DOMAINS_DIR": str(INCLUDE / "domains"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "ConfigError: No dataset 'ecommerce.orders'. Known: ecommerce.events" in done.stderr
    assert "Traceback" not in done.stderr
