"""Rows that wait come back as they came, whether they were held in memory or put on disk."""

from pathlib import Path

import polars as pl
import pytest

from common.refine import rows
from common.refine.rows import Rows, compact

SCHEMA: dict[str, pl.DataType] = {"n": pl.Int64(), "text": pl.String(), "raw": pl.Binary(), "amount": pl.Decimal(6, 2)}


def frame(first: int, size: int) -> pl.DataFrame:
    numbers = pl.DataFrame({"n": range(first, first + size)})
    text = pl.when(pl.col("n") % 7 != 0).then(pl.format("a text of more than twelve bytes, {}", "n"))
    return numbers.with_columns(text.alias("text"), text.cast(pl.Binary).alias("raw"), amount=pl.col("n")).select(
        pl.col(name).cast(kind) for name, kind in SCHEMA.items()
    )


@pytest.mark.parametrize("held", [1, 20_000, 1 << 30])
def test_rows_come_back_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int) -> None:
    monkeypatch.setattr(rows, "HELD", held)
    monkeypatch.setattr(rows, "TOGETHER", 150)
    kept = Rows(tmp_path, "some", SCHEMA)
    for first in range(0, 1000, 100):
        kept.add(frame(first, 100))
        kept.add(frame(0, 0))
    whole = frame(0, 1000)
    assert kept.count == 1000
    assert pl.concat(kept.frames()).equals(whole)
    assert pl.concat(kept.frames(["n"])).equals(whole.select("n"))
    assert kept.scan().collect().equals(whole)
    assert any(tmp_path.iterdir()) is (held < 1 << 30)


def test_no_rows_are_of_their_schema(tmp_path: Path) -> None:
    kept = Rows(tmp_path, "none", SCHEMA)
    assert list(kept.frames()) == []
    assert kept.scan().collect().schema == SCHEMA


def test_a_compact_copy_is_equal_and_holds_nothing_else() -> None:
    few = frame(0, 10_000).filter(pl.col("n") % 1000 == 3)
    copy = compact(few)
    assert copy.equals(few)
    assert copy.schema == few.schema
