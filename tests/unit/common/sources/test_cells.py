"""Cells of a sheet as NDJSON."""

import pytest

from common.sources.cells import corner, letters_of, records


def lines(*rows: list[object], range_: str = "A!B2:F9") -> list[str]:
    return list(records(list(rows), range_, "the sheet"))


@pytest.mark.parametrize(
    ("range_", "found"),
    [
        ("A!B2:F", (2, 2)),
        ("Agents!A1:ZZZ9", (1, 1)),
        ("'It''s'!$AA$10", (27, 10)),
        ("Agents!C:F", (3, 1)),
        ("", (1, 1)),
    ],
)
def test_the_corner_of_a_range_is_found(range_: str, found: tuple[int, int]) -> None:
    assert corner(range_) == found


def test_columns_have_letters() -> None:
    assert [letters_of(n) for n in (1, 26, 27, 52, 53, 702, 703)] == ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]


def test_numbers_keep_their_digits_and_texts_their_zeros() -> None:
    row = [12345678901234567000, 1.2345678901234567e19, 1e-7, 5.0, -0.1, "007", "1e5", True, "", None]
    names = [f"c{n}" for n in range(len(row))]
    assert lines(names, row) == [
        '{"c0": 12345678901234567000, "c1": 12345678901234567000, "c2": 0.0000001, "c3": 5, "c4": -0.1, "c5": "007", '
        '"c6": "1e5", "c7": true, "c8": null, "c9": null}'
    ]


def test_short_rows_have_nulls_and_rows_without_values_are_no_records() -> None:
    assert lines(["a", "b"], ["x"], [], ["", None], ["", 0]) == ['{"a": "x", "b": null}', '{"a": null, "b": 0}']


def test_a_sheet_without_rows_has_no_records() -> None:
    assert lines() == lines(["a"]) == []
