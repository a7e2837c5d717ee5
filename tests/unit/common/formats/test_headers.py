"""Where a table begins and how its lines are split: header, delimiter, quotes, line ends, and what a dialect declares."""

from pathlib import Path

import pytest

from common.core.shape import Dialect
from common.formats import sniff
from tests.unit.common.formats.dropped import Dropped, refusal


@pytest.mark.parametrize(
    ("data", "expected", "columns"),
    [
        (b"1,2020-01-01,5\n2,2020-01-02,6\n", ("id", "day", "n"), ("id", "day", "n")),
        (b"1,x\n2,y\n", (), ("column_1", "column_2")),
    ],
)
def test_a_file_without_header_is_told_from_its_data(
    tmp_path: Path, data: bytes, expected: tuple[str, ...], columns: tuple[str, ...]
) -> None:
    dropped = Dropped(tmp_path, data, columns=expected)
    assert not dropped.shape.header
    assert dropped.columns == columns
    assert len(dropped.rows) == 2


def test_what_is_declared_is_not_doubted(tmp_path: Path) -> None:
    dropped = Dropped(tmp_path, b"a;b\n1;2\n", declared=Dialect(header=False, delimiter=";", format="csv"))
    assert dropped.rows == [("a", "b"), ("1", "2")]
    quoted = Dropped(tmp_path, b"a,b\n'x,1',\"2\n", declared=Dialect(quote="'"))
    assert quoted.rows == [("x,1", '"2')]
    unquoted = Dropped(tmp_path, b'a,b\n"x,1"\n', declared=Dialect(quote=""))
    assert unquoted.rows == [('"x', '1"')]


def test_names_that_are_empty_or_repeated_or_reserved_are_made_different(tmp_path: Path) -> None:
    dropped = Dropped(tmp_path, b"a,a,, b ,_record\n1,2,3,4,5\n")
    assert dropped.columns == ("a", "a_2", "column_3", "b", "_record_2")


@pytest.mark.parametrize(
    ("data", "columns", "rows"),
    [
        (b"a,b,\n1,2,\n3,4,\n", ("a", "b", "column_3"), [("1", "2", ""), ("3", "4", "")]),
        (b"a,b,\n1,2\n3,4\n", ("a", "b"), [("1", "2"), ("3", "4")]),
    ],
)
def test_a_delimiter_at_the_end_of_lines_makes_no_row_too_long(
    tmp_path: Path, data: bytes, columns: tuple[str, ...], rows: list[tuple[str, ...]]
) -> None:
    dropped = Dropped(tmp_path, data)
    assert dropped.columns == columns
    assert dropped.rows == rows


def test_names_that_are_expected_tell_the_delimiter(tmp_path: Path) -> None:
    dropped = Dropped(tmp_path, b"id|a,b\n1|x,y\n2|z,w\n", columns=("id", "a,b"))
    assert dropped.columns == ("id", "a,b")


def test_one_column_stays_one_column(tmp_path: Path) -> None:
    assert Dropped(tmp_path, b"full name\nAnn Lee\nBob Ray\n").columns == ("full name",)


def test_single_quotes_are_found(tmp_path: Path) -> None:
    assert Dropped(tmp_path, b"a;b\n'x;1';2\n'y';3\n").rows == [("x;1", "2"), ("y", "3")]


def test_a_header_of_many_lines_is_passed_over(tmp_path: Path) -> None:
    dropped = Dropped(tmp_path, b'"a\nx",b\n1,2\n3\n', chunk_bytes=4)
    assert dropped.columns == ("a\nx", "b")
    assert dropped.malformed == [(2, 4, 13, b"3", "short_row")] or dropped.reasons == {4: "short_row"}
    dropped.check_places()


def test_sniffing_a_large_file_of_another_delimiter_takes_no_time(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    path.write_bytes(b'"a","b"\n' + b'"1","2"\n' * 700_000)
    assert sniff(path, "large.csv").columns == ("a", "b")


ROW_OF_TYPES = [
    "1E5,2E5",
    "1.5e-3,7",
    "nan,1",
    "N/A,2",
    "12:30,x",
    "12:30:01.5,x",
    "9:05 pm,x",
    "x,\\N",
    "01-Jan-2024,x",
    "20240101T120000Z,x",
    "-inf,x",
    "(1,234.50);x",
    "12-;x",
    "PT5M,x",
    "x,10.0.0.1",
]


@pytest.mark.parametrize("first", ROW_OF_TYPES)
def test_a_first_row_of_data_is_no_header(tmp_path: Path, first: str) -> None:
    dropped = Dropped(tmp_path, f"{first}\n{first}\n".encode())
    assert not dropped.shape.header
    assert len(dropped.rows) == 2


@pytest.mark.parametrize("header", ["id,no", "t,e5", "E,pi", "date,time", "a1,2b", "p,t", "n,na_count", "1st,2nd"])
def test_names_are_a_header(tmp_path: Path, header: str) -> None:
    assert Dropped(tmp_path, f"{header}\nx,y\n".encode()).shape.header


@pytest.mark.parametrize("declared", [Dialect(), Dialect(header=True)])
@pytest.mark.parametrize(
    "data",
    [
        b'id,"na"me\n1,Ann\n2,Bob\n',
        b'id,na"me\n1,Ann\n2,Bob\n',
        b'\n"id,name\n1,Ann\n',
        b"datetime,qty,note\n2024-01-01,10:00,5,\n",
        b"a,b\n1,2,\n3,4,\n",
        b"a;b\nr1;1;2\nr2;3;4\n",
        b"Report of June\n\nid,name,qty\n1,Ann,2\n2,Bob,3\n",
    ],
)
def test_a_header_that_does_not_fit_refuses_the_file(tmp_path: Path, data: bytes, declared: Dialect) -> None:
    assert refusal(tmp_path, data, "x.txt", declared) == "header"


@pytest.mark.parametrize(
    ("data", "declared", "columns", "rows"),
    [
        (b"a,b\nr1,1,2\nr2,3,4\n", Dialect(rownames=True), ("column_1", "a", "b"), [("r1", "1", "2"), ("r2", "3", "4")]),
        (b"a,b\n1,2,\n", Dialect(trailing=True), ("a", "b", "column_3"), [("1", "2", "")]),
        (b'id,"na"me\n1,Ann\n', Dialect(header=False), ("column_1", "column_2"), [("1", "Ann")]),
        (b"Report\n\nid,name\n1,Ann\n", Dialect(skip=2), ("id", "name"), [("1", "Ann")]),
        (b"Report\r\nid,name\r\nint,text\r\n1,Ann\r\n", Dialect(skip=1, below=1), ("id", "name"), [("1", "Ann")]),
        (b"x;y\n1,5;2\n", Dialect(skip=1, header=False, delimiter=";"), ("column_1", "column_2"), [("1,5", "2")]),
        (b"sep=;\na,x;b\n1,5;2\n", Dialect(), ("a,x", "b"), [("1,5", "2")]),
        (b'"sep=|"\r\na|b\r\n1|2\r\n', Dialect(), ("a", "b"), [("1", "2")]),
        (b'a,b\n"x", "y,1"\n"z" ,1\n', Dialect(trim=True), ("a", "b"), [("x", "y,1"), ("z", "1")]),
        (b'a,b\n="001",2\n"x",="a"\n', Dialect(formulas=True), ("a", "b"), [("001", "2"), ("x", "a")]),
        (b'a\tb\n5\t5" pipe\n', Dialect(quote=""), ("a", "b"), [("5", '5" pipe')]),
        (b"a,b\n'x,1','it''s'\n", Dialect(quote="'"), ("a", "b"), [("x,1", "it's")]),
        (b'a,b\n"x\\"y",C:\\\\d\n\\N,"p\\\nq"\n1\\,2,3\n', Dialect(escape="\\"), ("a", "b"), [('x"y', "C:\\d"), ("\\N", "p\nq"), ("1,2", "3")]),
    ],
)  # fmt: skip
def test_what_a_dialect_declares_is_read(
    tmp_path: Path, data: bytes, declared: Dialect, columns: tuple[str, ...], rows: list[tuple[str, ...]]
) -> None:
    for cut in (1 << 20, 3):
        dropped = Dropped(tmp_path, data, "x.txt", declared=declared, chunk_bytes=cut)
        assert dropped.columns == columns
        assert dropped.rows == rows
        dropped.check_places()


@pytest.mark.parametrize(
    ("line", "declared", "reason"),
    [
        (b'"x", "y"', Dialect(), "stray_quote"),
        (b'="001",1', Dialect(), "stray_quote"),
        (b'5" pipe,1', Dialect(), "stray_quote"),
        (b'"x\\"y",1', Dialect(), "stray_quote"),
        (b'"x\\ny",1', Dialect(escape="\\"), "stray_escape"),
        (b"C:\\dir,1", Dialect(escape="\\"), "stray_escape"),
        (b'"x\\",1', Dialect(escape="\\"), "unclosed_quote"),
        (b'"x"y ,1', Dialect(trim=True), "stray_quote"),
        (b'=x"1",1', Dialect(formulas=True), "stray_quote"),
    ],
)
def test_what_no_dialect_declares_is_refused_with_its_reason(
    tmp_path: Path, line: bytes, declared: Dialect, reason: str
) -> None:
    dropped = Dropped(tmp_path, b"a,b\n1,2\n" + line + b"\n3,4\n", declared=declared)
    assert dropped.rows == [("1", "2"), ("3", "4")]
    assert dropped.reasons == {3: reason}


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"id,name\r1,Ann\r2,Bob\n", [("1", "Ann"), ("2", "Bob")]),
        (b"id,name\r1,Ann\n", [("1", "Ann")]),
        (b"id,name\r1,Ann\r\r2,Bob", [("1", "Ann"), ("2", "Bob")]),
        (b'"i\nd",name\r1,"A\nnn"\r', [("1", "A\nnn")]),
        (b"id,name\r\r\n1,Ann\r\r\n2,Bob", [("1", "Ann"), ("2", "Bob")]),
        (b'id,name\r\r\n"1","x\r\r\ny"\r\r\n', [("1", "x\r\ny")]),
        (b"id,name\n1,A\rnn\n2,Bob\r\n", [("1", "A\rnn"), ("2", "Bob")]),
        (b"id,na\rme\n1,Ann\n2,Bob\n", [("1", "Ann"), ("2", "Bob")]),
        (b"id,name\r\n1,A\rnn\r\n", [("1", "A\rnn")]),
        (b"\r\n\r\nid,name\r\n1,Ann\r\n", [("1", "Ann")]),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_the_headers_line_says_what_ends_lines(
    tmp_path: Path, data: bytes, rows: list[tuple[str, ...]], encoding: str
) -> None:
    for cut in (1 << 20, 4):
        dropped = Dropped(
            tmp_path, data.decode().encode(encoding), declared=Dialect(encoding=encoding), chunk_bytes=cut
        )
        assert len(dropped.columns) == 2
        assert dropped.rows == rows
        dropped.check_places()


@pytest.mark.parametrize(
    ("data", "columns"),
    [
        (b"a, x;b, y;c\n1,5;2,5;3\n", ("a, x", "b, y", "c")),
        (b"a;b\n1,5;2,5\n1,25;2\n", ("a", "b")),
        (b"day|note\n2024-01-01|a, b\n2024-01-02|c, d\n", ("day", "note")),
        (b"name\tn;m\nx\t1,5;2\n", ("name", "n;m")),
    ],
)
def test_the_delimiter_is_the_one_that_leaves_whole_values(
    tmp_path: Path, data: bytes, columns: tuple[str, ...]
) -> None:
    assert Dropped(tmp_path, data, "x").columns == columns
