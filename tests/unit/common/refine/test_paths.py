"""Where the key of a file says what columns hold, its rows hold that, or are refused with their place."""

from pathlib import Path

import polars as pl
import pytest

from common.refine.fast import FEW
from common.refine.inspect import inspect_file
from common.refine.source import Source
from common.refine.spool import Spool, refine
from tests.unit.common.contract_text import contract

CONTRACT = contract(
    {"name": "study"},
    {"name": "site"},
    files={"names": ["*/*/orders/*.csv"], "path": "^(?P<study>[^/]+)/(?P<site>[^/]+)/orders/"},
)


def refined(folder: Path, *files: tuple[str, list[str]]) -> tuple[int, list[tuple[str, int, int, str, str, str]]]:
    """Refine files of rows under their keys in raw; give how many rows were good, and what the others are refused for."""
    spool = Spool(folder, CONTRACT)
    for number, (key, rows) in enumerate(files):
        path = folder / f"{number}.csv"
        path.write_text("study,site\n" + "".join(f"{row}\n" for row in rows))
        shape = inspect_file(path, path.name, CONTRACT)
        refine(Source(path, shape, path.name, f"b{number}", 1, raw=key), spool)
    refused = spool.refused.scan().select("batch", "record", "line", "rule", "column", "value").collect()
    return spool.good.count, refused.sort(pl.all()).rows()


@pytest.mark.parametrize("few", [3, FEW + 5], ids=["judged at once", "in the fast lane"])
def test_a_row_of_another_study_or_site_than_its_folder_is_refused(tmp_path: Path, few: int) -> None:
    rows = ["S1,101"] * few
    rows[1:3] = ["S2,101", "S1,102"]
    good, refused = refined(tmp_path, ("shop/S1/101/orders/a.csv", rows), ("shop/S2/101/orders/a.csv", rows))
    ours = [("b0", 2, 3, "path", "study", "S2"), ("b0", 3, 4, "path", "site", "102")]
    assert [row for row in refused if row[0] == "b0"] == ours
    theirs = [row for row in refused if row[0] == "b1"]
    assert len(theirs) == few - 1 and ("b1", 2) not in {row[:2] for row in theirs}
    assert good == few - 2 + 1


@pytest.mark.parametrize("key", ["shop/orders/a.csv", "shop/S1/101/invoices/a.csv", ""])
def test_a_key_of_another_form_says_nothing(tmp_path: Path, key: str) -> None:
    assert refined(tmp_path, (key, ["S1,101", "S2,102"])) == (2, [])


def test_a_missing_value_is_the_business_of_other_rules(tmp_path: Path) -> None:
    assert refined(tmp_path, ("shop/S1/101/orders/a.csv", ["S1,", ",101"])) == (2, [])
