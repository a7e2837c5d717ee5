"""Delimited text: every line is read or refused, none is lost, and no good one is refused."""

import csv
import io
from pathlib import Path

import pytest

from common.core.shape import Dialect, Shape
from tests.unit.common.formats.dropped import Dropped

CDNOW = Path(__file__).parents[4] / "airflow/include/domains/ecommerce/samples/CDNOW_master.txt"


def test_short_and_long_rows_are_refused_with_their_place_and_bytes(tmp_path: Path) -> None:
    dropped = Dropped(tmp_path, b"id,name\n1,Ann\n2\n3,Bob,x\n4,Cy\n")
    assert dropped.rows == [("1", "Ann"), ("4", "Cy")]
    assert dropped.records == [1, 4]
    assert dropped.malformed == [(2, 3, 14, b"2", "short_row"), (3, 4, 16, b"3,Bob,x", "long_row")]
    dropped.check_places()


def test_a_short_row_beside_a_long_one_is_not_taken_for_two_good_ones(tmp_path: Path) -> None:
    dropped = Dropped(tmp_path, b"a,b,c\n1,2\n3,4,5,6\n")
    assert dropped.rows == []
    assert dropped.reasons == {2: "short_row", 3: "long_row"}


def test_quoted_fields_hold_delimiters_quotes_and_line_ends(tmp_path: Path) -> None:
    dropped = Dropped(tmp_path, b'a,b\r\n"x, y","say ""hi"""\r\n"two\nlines",""\r\n"","""\r\n"""\r\n')
    assert dropped.rows == [("x, y", 'say "hi"'), ("two\nlines", ""), ("", '"\r\n"')]
    assert dropped.malformed == []
    assert [row[1] for row in dropped.located()] == [2, 3, 5]
    dropped.check_places()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'5" disk,1', "stray_quote"),
        (b'"a"b,1', "stray_quote"),
        (b'"a"b"c",1', "stray_quote"),
        (b'"a,"b",c"', "stray_quote"),
        (b'""a"",1', "stray_quote"),
        (b'x, "a"', "stray_quote"),
        (b'"a" ,1', "stray_quote"),
        (b'"never closed,1', "unclosed_quote"),
        (b'1,"', "unclosed_quote"),
        (b"1,\xff\xfe", "bad_encoding"),
        (b'"1","\xff"', "bad_encoding"),
        (b"  ", "short_row"),
    ],
)
def test_a_broken_line_is_refused_and_its_neighbours_are_not(tmp_path: Path, line: bytes, reason: str) -> None:
    dropped = Dropped(tmp_path, b"a,b\n1,x\n" + line + b'\n2,"y"\n3,z\n')
    assert dropped.rows == [("1", "x"), ("2", "y"), ("3", "z")]
    assert dropped.malformed == [(2, 3, 8, line, reason)]
    dropped.check_places()


def test_an_unclosed_quote_does_not_swallow_the_lines_after_it(tmp_path: Path) -> None:
    lines = b"".join(b"%d,x\n" % number for number in range(50_000))
    dropped = Dropped(tmp_path, b'a,b\n"open,1\n' + lines, chunk_bytes=1 << 16)
    assert dropped.reasons == {2: "unclosed_quote"}
    assert len(dropped.rows) == 50_000


def test_a_quote_that_leads_to_a_record_of_another_width_refuses_one_line(tmp_path: Path) -> None:
    dropped = Dropped(tmp_path, b'a,b,c\n"x\ny",2\n3,4,5\n')
    assert dropped.rows == [("3", "4", "5")]
    assert dropped.reasons == {2: "unclosed_quote", 3: "stray_quote"}


def test_a_multi_line_record_with_bad_bytes_is_one_refused_record(tmp_path: Path) -> None:
    dropped = Dropped(tmp_path, b'a,b\n"x\n\xff",2\n3,4\n')
    assert dropped.malformed == [(1, 2, 4, b'"x\n\xff",2', "bad_encoding")]
    assert dropped.rows == [("3", "4")]


def test_blank_lines_are_no_records_but_count_as_lines(tmp_path: Path) -> None:
    dropped = Dropped(tmp_path, b"\n\na,b\n\n1,2\n\r\n3\n\n")
    assert dropped.rows == [("1", "2")]
    assert dropped.malformed == [(2, 7, 13, b"3", "short_row")]


def test_line_ends_may_be_mixed_and_the_last_one_missing(tmp_path: Path) -> None:
    dropped = Dropped(tmp_path, b"a,b\r\n1,2\n3,4\r\n5,6")
    assert dropped.rows == [("1", "2"), ("3", "4"), ("5", "6")]
    dropped.check_places()


def test_carriage_returns_inside_values_stay(tmp_path: Path) -> None:
    dropped = Dropped(tmp_path, b"a,b\n1\r,2\n3,4\r5\n")
    assert dropped.rows == [("1\r", "2"), ("3", "4\r5")]


def test_lines_that_end_with_carriage_returns_alone(tmp_path: Path) -> None:
    dropped = Dropped(tmp_path, b'a,b\r1,2\r3\r"x\ry",4\r')
    assert dropped.rows == [("1", "2"), ("x\ry", "4")]
    assert dropped.malformed == [(2, 3, 8, b"3", "short_row")]


def test_one_column_keeps_quoted_empty_values_and_passes_over_blank_lines(tmp_path: Path) -> None:
    dropped = Dropped(tmp_path, b'name\nann\n\n""\nbob\nx,y\n', declared=Dialect(delimiter=","))
    assert dropped.rows == [("ann",), ("",), ("bob",)]
    assert dropped.malformed == [(4, 6, 17, b"x,y", "long_row")]


def test_zero_bytes_and_marks_inside_the_file_are_data(tmp_path: Path) -> None:
    dropped = Dropped(tmp_path, b"a,b\n1,x\x00y\n\xef\xbb\xbf2,z\n", chunk_bytes=8)
    assert dropped.rows == [("1", "x\x00y"), ("\ufeff2", "z")]


def test_a_header_alone_is_a_file_without_records(tmp_path: Path) -> None:
    dropped = Dropped(tmp_path, b"a,b\n")
    assert dropped.rows == []
    assert dropped.chunks[0].frame.columns == ["a", "b", "_record"]


def test_rows_of_a_megabyte_are_read(tmp_path: Path) -> None:
    wide = b"x" * (1 << 20)
    dropped = Dropped(tmp_path, b'a,b\n1,"%b"\n2,%b\n3\n' % (wide, wide), chunk_bytes=1 << 16)
    assert [len(row[1]) for row in dropped.rows] == [1 << 20, 1 << 20]
    assert dropped.reasons == {4: "short_row"}


def test_many_columns_are_read(tmp_path: Path) -> None:
    header = ",".join(f"c{n}" for n in range(2000)).encode()
    row = b",".join(b'"%d"' % n for n in range(2000))
    dropped = Dropped(tmp_path, header + b"\n" + row + b"\n" + row[:-7] + b"\n")
    assert len(dropped.rows) == 1
    assert dropped.reasons == {3: "short_row"}


def test_white_space_separated_text_counts_runs_of_blanks_once(tmp_path: Path) -> None:
    data = b" id  day  n\r\n 1  19970101   2\r\n\t2\t19970102 3\t\r\n 3 4\r\n \r\n4 5 \xff\r\n 5 6 7 8\r\n"
    dropped = Dropped(tmp_path, data, "dropped.txt")
    assert dropped.shape.delimiter == " "
    assert dropped.shape.quote is None
    assert dropped.rows == [("1", "19970101", "2"), ("2", "19970102", "3")]
    assert dropped.reasons == {4: "short_row", 6: "bad_encoding", 7: "long_row"}
    dropped.check_places()


def test_the_real_purchases_are_read_as_they_are(tmp_path: Path) -> None:
    dropped = Dropped(tmp_path, CDNOW.read_bytes(), "CDNOW_master.txt", chunk_bytes=1 << 18)
    assert dropped.columns == ("customer_id", "date", "number_of_cds", "dollar_value")
    assert len(dropped.rows) == 69_659
    assert sum(round(float(row[3]) * 100) for row in dropped.rows) == 250_031_563
    assert dropped.malformed == []


@pytest.mark.parametrize("start", [b"x^2", b"x\x01", b"x\xda\x80", b"x\x9c", b"\x1f\x8b", b"(\xb5/\xfd"])
def test_a_block_that_looks_compressed_is_text(tmp_path: Path, start: bytes) -> None:
    good = start.decode(errors="replace").encode() == start
    for shape, line in (
        (Shape("csv", "none", "utf-8", ",", '"', header=False, columns=("a", "b")), start + b",1\n"),
        (Shape("csv", "none", "utf-8", " ", None, header=False, columns=("a", "b")), start + b" 1\n"),
        (Shape("ndjson", "none", "utf-8", None, None, header=False, columns=("a", "b")), start + b"\n"),
    ):
        for chunk_bytes in (1, 1 << 20):
            dropped = Dropped(tmp_path, line * 3, shape=shape, chunk_bytes=chunk_bytes)
            if good and shape.format == "csv":
                assert dropped.rows == [(start.decode(), "1")] * 3
            else:
                assert len(dropped.malformed) == 3
            dropped.check_places()


@pytest.mark.parametrize(
    "text",
    [
        'first,address\nJohn,"120 any st., Anytown, WW"\n',
        'a,b,c\n1,"",""\n2,3,4\n',
        'a,b\n1,"ha ""ha"" ha"\n3,4\n',
        'key,val\n1,"{""type"": ""Point"", ""coordinates"": [102.0, 0.5]}"\n',
        'a,b,c\n1,2,3\n"Once upon \na time",5,6\n7,8,9\n',
        'a,b\n1,"ha \n""ha"" \nha"\n3,4\n',
        "a,b,c\n1,2,3\n4,5,\u02a4\n",
        'where\n"37\u00b036\'37.8""N 121\u00b02\'17.9""W"\n',
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_kinds_of_a_public_suite_are_read_as_python_reads_them(tmp_path: Path, text: str, end: str) -> None:
    text = text.replace("\n", end)
    first, *others = csv.reader(io.StringIO(text, newline=""))
    dropped = Dropped(tmp_path, text.encode())
    assert list(dropped.columns) == first
    assert [[cell or "" for cell in row] for row in dropped.rows] == others
    assert dropped.malformed == []
