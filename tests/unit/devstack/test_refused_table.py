"""What the end of a demo says of what was refused."""

from typing import Any

from rich.console import Console

from devstack.summary import show_arrived


def test_rows_that_a_target_refuses_stand_beside_those_of_files() -> None:
    console = Console(record=True, width=200)
    row: dict[str, Any] = {
        "reason": "required",
        "column": "age",
        "count": 2,
        "origin": "raw/a.csv",
        "consumer": "a.silver",
    }
    delivered = row | {"reason": "undelivered", "column": None, "count": 1, "origin": None, "consumer": "a@STUDY"}
    show_arrived(console, {"hops": [], "refused": [row, delivered], "warehouse": {}})
    shown = console.export_text()
    assert "raw/a.csv" in shown and "2 required in age" in shown
    assert "a@STUDY" in shown and "1 undelivered" in shown
