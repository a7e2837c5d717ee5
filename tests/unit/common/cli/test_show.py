"""What people see of rows: a table where it fits, else a block for each, and never a cut address."""

import pytest

from common.cli import show
from common.cli.show import Console

ADDRESS = "s3://watershed/quarantine/files/ecommerce/transactions/1997/a-very-long-folder/purchases.csv"
ROWS = [{"id": 1, "reason": "empty", "place": ADDRESS, "n": None}, {"id": 2, "reason": "short", "place": "x", "n": 3}]


def shown(monkeypatch: pytest.MonkeyPatch, width: int, *columns: str) -> list[str]:
    console = Console(width=width, record=True, force_terminal=True)
    monkeypatch.setattr(show, "console", console)
    show.show(ROWS, columns, as_json=False, empty="none")
    return console.export_text().splitlines()


def test_a_table_that_fits_has_a_line_for_each_row(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [line.split() for line in shown(monkeypatch, 80, "id", "reason", "n")] == [
        ["id", "reason", "n"],
        ["1", "empty"],
        ["2", "short", "3"],
    ]


def test_one_that_does_not_fit_is_shown_row_by_row_with_whole_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, 80, "id", "reason", "place", "n") == [
        "id      1",
        "reason  empty",
        f"place   {ADDRESS}",
        "",
        "id      2",
        "reason  short",
        "place   x",
        "n       3",
        "",
    ]
