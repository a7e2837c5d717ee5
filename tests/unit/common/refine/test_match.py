"""A file's columns are the contract's by their exact names, then without case and Unicode form where that is clear."""

from pathlib import Path

import polars as pl
import pytest

from common.core.errors import UnreadableFile
from common.core.shape import Shape
from common.refine.clean import clean
from common.refine.inspect import inspect_file
from common.refine.match import matched, of_shape
from common.refine.report import report
from tests.unit.common.contract_text import contract

EMAIL = ({"name": "id"}, {"name": "email"})
COMPOSED, APART = "b\u00e9", "be\u0301"


@pytest.mark.parametrize("name", ["Email", "EMAIL", "email"])
def test_a_name_that_differs_only_in_case_is_the_same_column(tmp_path: Path, name: str) -> None:
    file = tmp_path / "x.csv"
    file.write_text(f"id,{name}\n1,a@x.com\n")
    found = report(file, contract(*EMAIL))
    assert (found["good"], found["unknown"], found["missing"]) == (1, [], [])
    assert clean(pl.DataFrame({"id": ["1"], name: ["a"]}), contract(*EMAIL))["email"].to_list() == ["a"]


@pytest.mark.parametrize(
    ("source", "name"), [(COMPOSED, APART), (APART, COMPOSED), (APART, COMPOSED.upper()), ("straße", "STRASSE")]
)
def test_a_name_in_another_unicode_form_is_the_same_column(source: str, name: str) -> None:
    made = contract({"name": "x", "physicalName": source})
    assert clean(pl.DataFrame({name: ["a"]}), made)["x"].to_list() == ["a"]


def test_where_several_could_be_meant_the_file_is_held(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("id,Email,EMAIL\n1,a,b\n")
    with pytest.raises(UnreadableFile, match="Email and EMAIL could each be email") as caught:
        inspect_file(file, "x.csv", contract(*EMAIL))
    assert caught.value.reason == "schema"


def test_the_exact_name_wins_and_the_other_is_unknown() -> None:
    found = matched(["id", "Email", "email"], contract(*EMAIL))
    assert (found.files, found.unknown, found.unclear) == ({"id": "id", "email": "email"}, ("Email",), {})
    both = contract({"name": "a", "physicalName": "X"}, {"name": "b", "physicalName": "x"})
    assert matched(["x", "X"], both).files == {"a": "X", "b": "x"}
    assert matched(["X"], both).missing == ("x",)
    third = contract({"name": "a", "physicalName": "Xx"}, {"name": "b", "physicalName": "xX"})
    assert set(matched(["XX"], third).unclear) == {"Xx", "xX"}


def test_a_needed_column_is_found_by_its_folded_name_and_missed_by_its_own(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("ID,other\n1,2\n")
    made = contract({"name": "id", "required": True}, {"name": "more", "required": True})
    with pytest.raises(UnreadableFile, match=r"lacks more; it has ID, other"):
        inspect_file(file, "x.csv", made)
    file.write_text("ID,More\n1,2\n")
    assert inspect_file(file, "x.csv", made).columns == ("ID", "More")


def test_a_key_of_json_that_comes_late_and_one_of_other_case_are_one_column() -> None:
    shape = Shape(
        "ndjson", "none", "utf-8", None, None, header=False, columns=("id", "Email", "email"), absent=("email",)
    )
    assert of_shape(shape, contract(*EMAIL)).missing == ()
    frame = pl.DataFrame({"id": ["1", "2"], "Email": ["a", None], "email": [None, "b"]})
    assert clean(frame, contract(*EMAIL), shape)["email"].to_list() == ["a", "b"]


@pytest.mark.parametrize(
    "name", ["_file", "_record", "_arrival", "__raw__id", "__in__id", "rule", "value", "column", "reason"]
)
def test_no_column_of_a_file_is_replaced_by_one_of_ours(tmp_path: Path, name: str) -> None:
    file = tmp_path / "x.csv"
    file.write_text(f"id,{name}\n1,mine\n2,yours\n")
    made = contract(
        {"name": "id", "logicalType": "integer"}, {"name": "x", "physicalName": name, "enum": [{"value": "mine"}]}
    )
    found = report(file, made)
    assert (found["good"], found["unknown"]) == (1, [])
    assert [(row["column"], row["value"], row["rule"]) for row in found["refusals"]] == [("x", "yours", "accepted")]


def test_columns_that_the_contract_lacks_are_told(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("id,more,and more\n1,2,3\n")
    found = report(file, contract(*EMAIL))
    assert (found["unknown"], found["missing"]) == (["more", "and more"], ["email"])


def test_the_number_of_a_record_is_no_column_of_the_file() -> None:
    made = contract({"name": "x", "physicalName": "_Record"}, {"name": "y", "physicalName": "_record"})
    found = clean(pl.DataFrame({"_record": [1], "a": ["b"]}), made)
    assert found.select("x", "y").rows() == [(None, None)]


def test_a_column_that_the_contract_reads_and_the_header_has_twice_holds_the_file(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("id,email,email\n1,a,b\n")
    with pytest.raises(UnreadableFile, match="has email more than once") as caught:
        inspect_file(file, "x.csv", contract(*EMAIL))
    assert caught.value.reason == "schema"
    file.write_text("id,email,other,other\n1,a,b,c\n")
    assert report(file, contract(*EMAIL))["unknown"] == ["other", "other_2"]
    file.write_text("id,email,email_2\n1,a,b\n")
    assert report(file, contract(*EMAIL))["unknown"] == ["email_2"]
    file.write_bytes("id,email,email\n1,a,b\n".encode("utf-16"))
    with pytest.raises(UnreadableFile, match="has email more than once"):
        inspect_file(file, "x.csv", contract(*EMAIL))
