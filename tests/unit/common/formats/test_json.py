"""JSON, as lines or as one document: values keep their text, and every broken record is refused."""

import gzip
from pathlib import Path

import pytest

from common.core.errors import UnreadableFile
from common.core.shape import Dialect, Shape
from tests.unit.common.formats.conftest import Limit
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


@pytest.mark.parametrize(
    "record", [b'{"a": 1, "a": 2}', b'{"a": 1, "\\u0061": 1}', b'{"a": {"b": [{"c": 1, "c": 1}]}}']
)
def test_a_key_that_stands_twice_refuses_its_record(tmp_path: Path, record: bytes) -> None:
    for data in (b'{"a": 5}\n%b\n', b'[{"a": 5}, %b]', b'{"a": 5}{\n"a": 6}%b\n'):
        dropped = Dropped(tmp_path, data % record, columns=("a",))
        assert [(text, reason) for *_, text, reason in dropped.malformed] == [(record, "repeated_key")]
        assert dropped.rows[0] == ("5",)
        dropped.check_places()


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
        (b'{"a": ' + b"[" * 100_000, "too_deep"),
        (b'{"a":' * 900 + b"1" + b"}" * 900, "too_deep"),
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


@pytest.mark.parametrize("late", [b'{"a": 2, "z": 7}', b'{"z": 7, "a": 2}', b'{"o": [{"z": 1}], "a": 2, "z": 7}'])
def test_a_key_that_comes_late_is_a_column(tmp_path: Path, late: bytes) -> None:
    data = b'{"a": 1}\n' * 6000 + late + b"\nbroken\n" + b'{"a": 3}\n'
    dropped = Dropped(tmp_path, data)
    assert dropped.columns[-1] == "z"
    assert dropped.rows[6000][-1] == "7"
    assert dropped.rows[6001][0] == "3"


def test_objects_without_keys_have_the_columns_that_are_expected(tmp_path: Path) -> None:
    dropped = Dropped(tmp_path, b"{}\n{}\n", columns=("a", "z"))
    assert dropped.rows == [(None, None)] * 2
    assert dropped.shape.absent == ("a", "z")


def test_a_key_that_reading_uses_itself_is_renamed_as_a_columns_name_is(tmp_path: Path) -> None:
    line = b'{"_record": 7, " a ": 1, "": 2.50, "_record_2": {"_record": 1}}'
    for data in (line + b"\n" + line, b"[" + line + b"," + line + b"]"):
        dropped = Dropped(tmp_path, data)
        assert dropped.columns == ("_record_2", "a", "column_3", "_record_2_2")
        assert dropped.rows == [("7", "1", "2.50", '{"_record": 1}')] * 2
        assert dropped.records == [1, 2]


NESTED = b'{"p": ["C:\\\\new", "t\\tx", "b\\\\", "\\"", 12345678901234567890.12, 2.50, -0, 1E400], "q": {"a\\\\b": null}, "n": 2.50}'


@pytest.mark.parametrize(
    "data", [NESTED, NESTED + b"\n" + NESTED, b"[" + NESTED + b"]", b"\n" + NESTED.replace(b", ", b",\r\n ")]
)
def test_nested_values_stay_the_same_json_on_every_path(tmp_path: Path, data: bytes) -> None:
    dropped = Dropped(tmp_path, data)
    for row in dropped.rows:
        assert row == (
            '["C:\\\\new", "t\\tx", "b\\\\", "\\"", 12345678901234567890.12, 2.50, -0, 1E400]',
            '{"a\\\\b": null}',
            "2.50",
        )
    assert dropped.malformed == []


def test_a_column_of_strings_keeps_the_digits_of_a_late_number(tmp_path: Path) -> None:
    data = b'{"a": "x", "b": null}\n' * 6000 + b'{"a": 20.00, "b": 2.50}\n{"a": 1e3, "b": -0}\n{"a": {"k": "\\\\"}}\n'
    rows = Dropped(tmp_path, data).rows
    assert rows[6000:] == [("20.00", "2.50"), ("1e3", "-0"), ('{"k": "\\\\"}', None)]


def test_a_number_is_not_taken_from_a_nested_object_that_equals_it(tmp_path: Path) -> None:
    data = b'{"o": {"a": 1.10}, "a": 1.1}\n{"a": 1.100, "o": {"a": 1.10}}\n{"x\\"a": 1.10, "a": 1.1}\n'
    assert [row[1] for row in Dropped(tmp_path, data).rows] == ["1.1", "1.100", "1.1"]


@pytest.mark.parametrize(
    ("data", "name", "good", "reasons"),
    [
        (b'{"a": 1}{"a": 2}', "x.json", 2, []),
        (b'{"a": 1}{"a": 2}\n{"a": 3}{"a": 4}\n', "x.ndjson", 4, []),
        (b'{\n "a": 1\n}\n{\n "a": 2\n}\n', "x", 2, []),
        (b'{\n "a": {}\n}\n\n{\n "a": 2\n}\n5', "x.ndjson", None, ["corrupt"]),
        (b'[\n{"a": 1},\n{"a": 2}\n]\n', "x.ndjson", 2, []),
        (b'[\n{"a": 1},\n{"a": 2},\n]\n', "x.ndjson", None, ["corrupt"]),
        (b'{"a": 1},\n{"a": 2},\n', "x.ndjson", None, ["corrupt"]),
        (b'{"a": NaN}\n{"a": 1}\n', "x", 1, ["not_json"]),
        (b'{"a": NaN}\n{"a": 1}\n', "x.json", 1, ["not_json"]),
        (b'{"a": 1}\n{"a": Infinity}\n', "x.csv", 1, ["not_json"]),
        (b'{"a": NaN}', "x.csv", None, ["corrupt"]),
    ],
)
def test_objects_are_told_apart_however_they_are_laid_out(
    tmp_path: Path, data: bytes, name: str, good: int | None, reasons: list[str]
) -> None:
    if good is None:
        with pytest.raises(UnreadableFile) as caught:
            Dropped(tmp_path, data, name)
        assert [caught.value.reason] == reasons
        return
    dropped = Dropped(tmp_path, data, name)
    assert len(dropped.rows) == good
    assert list(dropped.reasons.values()) == reasons
    dropped.check_places()


@pytest.mark.parametrize("depth", [99, 100, 150, 900, 5000, 100_000])
def test_a_record_that_is_too_deep_is_refused_and_its_neighbours_are_not(tmp_path: Path, depth: int) -> None:
    deep = b'{"a": ' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"
    for data in (b'{"a": 1}\n%b\n{"a": 2}\n', b'[{"a": 1}, %b, {"a": 2}]', b'{\n"a": 1}%b{"a": 2}'):
        dropped = Dropped(tmp_path, data % deep)
        assert [row[-1] for row in dropped.malformed] == ["too_deep"] * (depth > 100)
        assert len(dropped.rows) == 2 + (depth <= 100)
        dropped.check_places()


def test_brackets_inside_strings_are_not_deep(tmp_path: Path) -> None:
    assert len(Dropped(tmp_path, b'{"a": "%b\\"%b"}\n' % (b"[" * 500, b"{" * 500)).rows) == 1


def test_too_many_keys_are_refused(tmp_path: Path, limit: Limit) -> None:
    limit(max_columns=100)
    lines = b"".join(b'{"k%d": 1}\n' % n for n in range(101))
    for data in (lines, b"[" + lines.strip().replace(b"\n", b",") + b"]", b'{"a": 1}\n' * 6000 + lines):
        with pytest.raises(UnreadableFile) as caught:
            Dropped(tmp_path, data)
        assert caught.value.reason == "too_wide"


def test_an_element_or_a_line_that_is_too_long_is_refused(tmp_path: Path, limit: Limit) -> None:
    limit(max_record_bytes=1 << 20)
    long = b'{"a": "%b"}' % (b"x" * (6 << 20))
    for data in (
        b"[" + long + b"]",
        b'[{"a": 1}, {"a": "' + b"x" * (6 << 20),
        long + b"\n" + long,
        b'{"a": 1}\n' + long,
    ):
        with pytest.raises(UnreadableFile) as caught:
            Dropped(tmp_path, data, "x.json")
        assert caught.value.reason == "too_long"


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
