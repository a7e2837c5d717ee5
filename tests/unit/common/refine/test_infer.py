"""A first contract is what the samples show, keeps numbers numbers, and leaves to a person what only a person knows."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from common.contracts.read import parse_contract
from common.core.errors import UnreadableFile
from common.core.nouns import Dataset
from common.quality.checks import engine_faults
from common.refine.infer import infer_contract
from common.refine.report import report

SHOP = Dataset("shop", "orders")


def inferred(tmp_path: Path, *texts: str) -> tuple[str, dict[str, dict[str, Any]]]:
    paths = [tmp_path / f"{number}.csv" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    written = infer_contract(paths, SHOP)
    made = parse_contract(written)
    for path in paths:
        assert report(path, made)["refused"] == 0
    return written, {column["name"]: column for column in yaml.safe_load(written)["schema"][0]["properties"]}


def words(column: dict[str, Any]) -> dict[str, Any]:
    return {item["property"]: item["value"] for item in column.get("customProperties", [])}


def test_floating_point_stays_floating_point(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    pl.DataFrame(
        {"lat": [38.444022, 29.33], "whole": [1.0, None], "n": [1, 2], "price": ["1.50", "2.25"]}
    ).write_parquet(file)
    text = infer_contract(file, SHOP)
    made = parse_contract(text)
    assert {column.name: str(column.kind) for column in made.columns} == {
        "lat": "double",
        "whole": "double",
        "n": "integer",
        "price": "decimal",
    }
    assert "only whole numbers were seen" in text
    assert report(file, made)["refused"] == 0


def test_measurements_are_doubles_and_amounts_are_exact(tmp_path: Path) -> None:
    _, columns = inferred(tmp_path, "a,b,c\n1.50,1.5,1e3\n2.25,2.125,5\n")
    assert columns["a"]["physicalType"] == "decimal(18,2)"
    assert "physicalType" not in columns["b"]
    assert columns["b"]["logicalType"] == columns["c"]["logicalType"] == "number"


def test_what_means_nothing_is_seen(tmp_path: Path) -> None:
    text, columns = inferred(tmp_path, "n,s\n1,x\nNA,NA\n-,y\n")
    assert (columns["n"]["logicalType"], sorted(words(columns["n"])["nulls"])) == ("integer", ["-", "NA"])
    assert words(columns["s"]) == {}
    assert "# NA stands for some values" in text


def test_day_or_month_first_is_left_to_a_person(tmp_path: Path) -> None:
    text, columns = inferred(tmp_path, "a,b,t\n01/02/2024,13/02/2024,01/02/2024 10:30\n")
    assert columns["a"]["logicalType"] == columns["t"]["logicalType"] == "string"
    assert text.count("AMBIGUOUS, day or month first") == 2
    assert words(columns["b"])["formats"] == ["%d/%m/%Y"]


def test_a_second_file_ends_a_doubt_and_widens_a_type(tmp_path: Path) -> None:
    _, columns = inferred(tmp_path, "a,n\n01/02/2024,1\n", "A,n,more\n02/25/2024,x,5\n")
    assert words(columns["a"])["formats"] == ["%m/%d/%Y"]
    assert (columns["n"]["logicalType"], columns["more"]["logicalType"]) == ("string", "integer")


def test_numbers_of_other_countries_are_proposed(tmp_path: Path) -> None:
    _, columns = inferred(tmp_path, 'a,b,c,d\n"1.234,50",$5.00,5-,ja\n"2,5",$7.25,7,nein\n')
    assert words(columns["a"])["numbers"] == {"decimal": ",", "group": "."}
    assert words(columns["b"])["numbers"]["symbols"] == ["$"]
    assert words(columns["c"])["numbers"]["negative"] == ["trailing"]
    assert (words(columns["d"])["trueValues"], words(columns["d"])["falseValues"]) == (["ja"], ["nein"])


def test_a_sign_before_three_digits_is_left_to_a_person(tmp_path: Path) -> None:
    text, columns = inferred(tmp_path, 'a\n"1,234"\n"5,678"\n')
    assert columns["a"]["logicalType"] == "string"
    assert "AMBIGUOUS: a sign before three digits" in text


def test_nothing_is_required_and_key_latest_partition_and_load_are_comments(tmp_path: Path) -> None:
    text, columns = inferred(
        tmp_path, "id,zip,updated_at\n1,01234,2024-01-01T00:00:00Z\n2,99999,2024-01-02T00:00:00Z\n"
    )
    assert not any("required" in column or "primaryKey" in column for column in columns.values())
    assert columns["zip"]["logicalType"] == "string"
    for part in (
        "# primaryKey: true",
        "value: [updated_at, arrival]",
        "# - {property: partition",
        "# - {property: load",
    ):
        assert part in text


def test_names_that_would_be_equal_are_told_apart(tmp_path: Path) -> None:
    _, columns = inferred(tmp_path, "Order No,order_no,é,NO,1st\na,b,c,d,e\n")
    assert list(columns) == ["order_no", "order_no_2", "column", "no", "c_1st"]
    assert columns["no"]["physicalName"] == "NO"


CELLS = st.one_of(
    st.sampled_from(["1", "2.5", "NA", "", "2024-01-02", "01/02/2024", "ja", "1,5", "$5", "NO", "012", "12:30", "null", "~", "true", "1e3", "'", '"', "#", ": "]),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6),
)  # fmt: skip


@given(st.lists(CELLS, min_size=1, max_size=4, unique=True), st.data())
@settings(max_examples=12, deadline=None)
def test_what_is_inferred_lints_and_fits_its_sample(names: list[str], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.lists(CELLS, min_size=len(names), max_size=len(names)), min_size=2, max_size=5))
    with TemporaryDirectory() as folder:
        file = Path(folder) / "x.csv"
        pl.DataFrame([["h" + name for name in names], *rows], orient="row").write_csv(
            file, include_header=False, quote_style="always"
        )
        try:
            text = infer_contract(file, SHOP)
        except UnreadableFile:
            return
        made = parse_contract(text)
        assert engine_faults(made) == []
        found = report(file, made)
    assert [row for row in found["refusals"] if row["rule"] != "malformed"] == []


def test_a_file_without_a_record_is_no_sample(tmp_path: Path) -> None:
    from common.core.errors import ConfigError

    file = tmp_path / "x.csv"
    file.write_text("a,b\n")
    with pytest.raises(ConfigError, match="holds no record"):
        infer_contract(file, SHOP)
