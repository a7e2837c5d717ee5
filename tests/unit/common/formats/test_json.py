"""JSON, as lines or as one document: values keep their text, and every broken record is refused."""

import gzip
from pathlib import Path

import pytest

from common.core.errors import UnreadableFile
from common.core.shape import Dialect, Shape
from tests.unit.common.formats.dropped import Dropped


def test_values_are_the_text_that_stands_in_the_file(tmp_path: Path) -> None:
    data = (
        b'{"n": 12345678901234567890, "f": 1.10, "s": "1.10", "b": true, "o": {"x": [1, null]}}\n'
        b'{"n": 1234567890123456789012345678901234567890123, "f": 0.1000000000000000055, "s": "\\u00e9", "b": null}\n'
        b'{"n": -7, "f": 1e400, "s": "", "b": false, "o": []}\n'
        b'{"n": 2.0, "f": 100, "s": null, "b": true, "o": "x"}\n'
    )
    dropped = Dropped(tmp_path, data, "x.json")
    assert dropped.shape.format == "ndjson"
    assert dropped.rows == [
        ("12345678901234567890", "1.10", "1.10", "true", '{"x": [1, null]}'),
        ("1234567890123456789012345678901234567890123", "0.1000000000000000055", "é", None, None),
        ("-7", "1e400", "", "false", "[]"),
        ("2.0", "100", None, "true", "x"),
    ]


def test_a_number_keeps_its_text_where_it_first_appears_late(tmp_path: Path) -> None:
    data = b'{"a": 1}\n' * 50 + b'{"a": 2.50}\n' + b'{"a": "x"}\n' + b'{"a": 3.10}\n'
    dropped = Dropped(tmp_path, data, chunk_bytes=64)
    assert [row[0] for row in dropped.rows[50:]] == ["2.50", "x", "3.10"]


def test_the_same_key_in_a_nested_object_is_not_taken_for_the_column(tmp_path: Path) -> None:
    dropped = Dropped(tmp_path, b'{"o": {"a": 9.90}, "a": 1.10}\n{"o": {"a": 9.90}, "a": "1.10"}\n')
    assert [row[1] for row in dropped.rows] == ["1.10", "1.10"]


def test_the_first_value_of_a_repeated_key_counts(tmp_path: Path) -> None:
    data = b'{"a": 1, "a": 2}\n'
    assert Dropped(tmp_path, data).rows == [("1",)]
    assert Dropped(tmp_path, b"[" + data + b"]").rows == [("1",)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"nope", "not_json"),
        (b'{"a": 1', "not_json"),
        (b'{"a": 1},', "not_json"),
        (b'{"a": 1}{"a": 2}', "not_json"),
        (b'{"a": NaN}', "not_json"),
        (b'{"a": 01}', "not_json"),
        (b'{"a": "x\ty"}', "not_json"),
        (b'{"a": ' + b"[" * 100_000, "not_json"),
        (b"[1]", "not_an_object"),
        (b"5", "not_an_object"),
        (b"null", "not_an_object"),
        (b'{"a": "\xff"}', "bad_encoding"),
        (b'{"a": "\\ud800"}', "bad_encoding"),
    ],
)
def test_a_broken_line_is_refused_and_its_neighbours_are_not(tmp_path: Path, line: bytes, reason: str) -> None:
    dropped = Dropped(tmp_path, b'{"a": 1}\n\n' + line + b'\r\n{"a": 2}\n{"a": 3}', "x.ndjson")
    assert dropped.rows == [("1",), ("2",), ("3",)]
    assert dropped.malformed == [(2, 3, 10, line, reason)]
    dropped.check_places()


def test_a_broken_first_line_leaves_the_format_clear(tmp_path: Path) -> None:
    dropped = Dropped(tmp_path, b'{"a": \n{"a": 1}\n{"a": 2}\n')
    assert dropped.shape.format == "ndjson"
    assert dropped.reasons == {1: "not_json"}


def test_columns_that_are_expected_are_read_even_where_the_sample_lacks_them(tmp_path: Path) -> None:
    dropped = Dropped(tmp_path, b'{"a": 1}\n', columns=("a", "z"))
    assert dropped.rows == [("1", None)]
    assert dropped.shape.absent == ("z",)


def test_an_array_is_read_element_by_element(tmp_path: Path) -> None:
    data = b'[\n {"a": 1.10, "b": "x"},\n 5,\n {"a": 2,\n  "c": [1, 2]}\n, {"b": "\\ud800"}]\n'
    dropped = Dropped(tmp_path, data, chunk_bytes=10)
    assert dropped.shape.format == "json"
    assert dropped.columns == ("a", "b", "c")
    assert dropped.rows == [("1.10", "x", None), ("2", None, "[1, 2]")]
    assert dropped.malformed == [
        (2, 3, 27, b"5", "not_an_object"),
        (4, 6, 57, b'{"b": "\\ud800"}', "bad_encoding"),
    ]
    dropped.check_places()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_an_array_may_be_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    dropped = Dropped(tmp_path, '[{"a": "é"}, {"a": "€"}]'.encode(encoding), "x.json")
    assert dropped.rows == [("é",), ("€",)]
    dropped.check_places()


def test_a_single_object_is_one_record(tmp_path: Path) -> None:
    dropped = Dropped(tmp_path, b'{\n "a": 1,\n "b": {"x": 1}\n}\n')
    assert dropped.shape.format == "json"
    assert dropped.rows == [("1", '{"x": 1}')]


def test_an_empty_array_holds_no_record(tmp_path: Path) -> None:
    assert Dropped(tmp_path, b"[]", columns=("a",)).rows == []


def test_an_array_larger_than_the_window_is_read(tmp_path: Path) -> None:
    element = b'{"a": 1, "b": "%b"}' % (b"x" * 300_000)
    data = b"[" + b",\n".join([element] * 10) + b"]"
    dropped = Dropped(tmp_path, gzip.compress(data), "x.json.gz", chunk_bytes=1 << 19)
    assert len(dropped.rows) == 10
    assert [row[1] for row in dropped.located()] == list(range(1, 11))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'[{"a": 1}, {"a": 2', "truncated"),
        (b'[{"a": 1}, {"a": "x', "truncated"),
        (b'[{"a": 1}, {"a": 2}', "truncated"),
        (b'[{"a": 1},', "truncated"),
        (b'[{"a": 1}, {"a" 2}, {"a": 3}]', "corrupt"),
        (b'[{"a": 1} {"a": 3}]', "corrupt"),
        (b'[{"a": 1}] x', "corrupt"),
        (b'[{"a": "\xff"}]', "corrupt"),
        (b'{\n"a": 1,\n', "truncated"),
        (b"[{}]", "unrecognised"),
        (b"hello world", "unrecognised"),
    ],
)
def test_a_broken_document_is_refused_whole(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableFile) as caught:
        Dropped(tmp_path, data, "x.json")
    assert caught.value.reason == reason


def test_brackets_do_not_make_a_table_json(tmp_path: Path) -> None:
    assert Dropped(tmp_path, b"[id],[name]\n1,2\n").columns == ("[id]", "[name]")


def test_a_declared_format_is_not_doubted(tmp_path: Path) -> None:
    dropped = Dropped(tmp_path, b"[1]\n[2]\n", declared=Dialect(format="ndjson"), columns=("a",))
    assert dropped.reasons == {1: "not_an_object", 2: "not_an_object"}


def test_a_shape_made_by_hand_is_enough_to_read(tmp_path: Path) -> None:
    shape = Shape("ndjson", "none", "utf-8", None, None, header=False, columns=("a", "b"))
    dropped = Dropped(tmp_path, b'{"a": "x", "b": 1.0}\n{"a": 1}\n', shape=shape)
    assert dropped.rows == [("x", "1.0"), ("1", None)]
