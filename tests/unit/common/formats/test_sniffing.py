"""What a file is: found from its content, with the name and the contract as hints."""

import gzip
import io
import random
import zipfile
from pathlib import Path

import pytest

from common.core.errors import ContractError, UnreadableFile
from common.core.shape import Dialect
from common.formats import read, sniff
from tests.unit.common.formats.conftest import Limit
from tests.unit.common.formats.dropped import Dropped

TABLE = b'id,name,amount\n1,Ann,1.50\n2,"Bob, B",2\n'
ROWS = [("1", "Ann", "1.50"), ("2", "Bob, B", "2")]


def zipped(*members: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for number, member in enumerate(members):
            opened.writestr(f"member{number}.csv", member)
    return archive.getvalue()


def spoiled(data: bytes, at: int) -> bytes:
    return data[:at] + bytes(byte ^ 0xFF for byte in data[at : at + 4]) + data[at + 4 :]


def refusal(folder: Path, data: bytes, name: str = "file.csv", declared: Dialect | None = None) -> str:
    path = folder / "refused"
    path.write_bytes(data)
    with pytest.raises(UnreadableFile) as caught:
        sniff(path, name, declared)
    return caught.value.reason


NOISE = random.Random(1).randbytes(1 << 14)
GZIP = gzip.compress(TABLE * 1000 + NOISE.hex().encode(), mtime=0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b" \r\n\t\n", "empty"),
        (gzip.compress(b"", mtime=0), "empty"),
        (NOISE, "binary"),
        (GZIP[:-3], "truncated"),
        (GZIP[: len(GZIP) // 2], "truncated"),
        (spoiled(GZIP, len(GZIP) // 2), "corrupt"),
        (spoiled(GZIP, len(GZIP) - 8), "corrupt"),
        (GZIP + b"trailing rubbish", "corrupt"),
        (zipped(TABLE)[:-30], "truncated"),
        (spoiled(zipped(NOISE), 5000), "corrupt"),
        (zipped(TABLE, TABLE), "unrecognised"),
        (zipped(), "unrecognised"),
        (b"\x28\xb5\x2f\xfd" + NOISE, "unrecognised"),
        (b"%PDF-1.7 ...", "unrecognised"),
        (b"<!DOCTYPE html><p>not found", "unrecognised"),
        (TABLE.decode().encode("utf-16")[:-1], "encoding"),
    ],
)
def test_a_file_that_cannot_be_read_to_its_end_is_refused_with_its_reason(
    tmp_path: Path, data: bytes, reason: str
) -> None:
    assert refusal(tmp_path, data) == reason


def test_an_unknown_declared_encoding_is_said(tmp_path: Path) -> None:
    assert refusal(tmp_path, TABLE, declared=Dialect(encoding="klingon")) == "encoding"


def test_a_delimiter_that_cannot_be_is_the_contracts_fault(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="one ASCII character"):
        Dropped(tmp_path, TABLE, declared=Dialect(delimiter="::"))


@pytest.mark.parametrize("name", ["x.csv", "x.json", "x.parquet", "x", "x.tsv.gz"])
@pytest.mark.parametrize(
    "data",
    [
        TABLE,
        gzip.compress(TABLE, mtime=0),
        gzip.compress(TABLE[:20], mtime=0) + gzip.compress(TABLE[20:], mtime=0) + b"\0" * 100,
        zipped(TABLE),
        TABLE.replace(b",", b"\t").replace(b"\t B", b", B"),
        TABLE.replace(b",", b";").replace(b"; B", b", B"),
        TABLE.replace(b",", b"|").replace(b"| B", b", B"),
        b"\xef\xbb\xbf" + TABLE,
        TABLE.decode().encode("utf-16"),
        TABLE.decode().encode("utf-16-be"),
        b"\xfe\xff" + TABLE.decode().encode("utf-16-be"),
        TABLE.decode().encode("utf-32"),
    ],
)
def test_content_decides_whatever_the_name(tmp_path: Path, name: str, data: bytes) -> None:
    dropped = Dropped(tmp_path, data, name)
    assert dropped.columns == ("id", "name", "amount")
    assert dropped.rows == ROWS
    dropped.check_places()


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-8-sig", "cp1252", "utf-8"])
def test_places_are_those_of_the_original_bytes(tmp_path: Path, encoding: str) -> None:
    text = "id,näme\n1,é\n2\n3,ü\n"
    dropped = Dropped(tmp_path, text.encode(encoding), declared=Dialect(encoding=encoding))
    assert dropped.rows == [("1", "é"), ("3", "ü")]
    assert dropped.malformed[0][3] == "2".encode(encoding.removesuffix("-sig"))
    dropped.check_places()


def test_a_file_in_another_encoding_is_read_in_it(tmp_path: Path) -> None:
    text = "id,name\n1,José\n2,Zoë\n3,Müller\n4,Renée\n5,Ann\n"
    dropped = Dropped(tmp_path, text.encode("latin-1"))
    assert dropped.shape.encoding == "cp1252"
    assert [row[1] for row in dropped.rows] == ["José", "Zoë", "Müller", "Renée", "Ann"]


def test_a_few_spoiled_lines_do_not_change_the_encoding(tmp_path: Path) -> None:
    good = "".join(f"{n},é\n" for n in range(20)).encode()
    dropped = Dropped(tmp_path, b"id,name\n" + good + b"21,\xe9\n22,\xff\n")
    assert dropped.shape.encoding == "utf-8"
    assert dropped.reasons == {22: "bad_encoding", 23: "bad_encoding"}


def test_bytes_that_a_declared_encoding_lacks_spoil_their_line_only(tmp_path: Path) -> None:
    dropped = Dropped(tmp_path, b"a,b\n1,\x80\n2,\x81\n", declared=Dialect(encoding="cp1252"))
    assert dropped.rows == [("1", "€")]
    assert dropped.malformed == [(2, 3, 8, b"2,\x81", "bad_encoding")]


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


TAR = b"a.csv".ljust(257, b"\0") + b"ustar\x0000" + b"\0" * 247 + TABLE.ljust(512, b"\0")
XLSX = io.BytesIO()
with zipfile.ZipFile(XLSX, "w") as workbook:
    for member in ("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"):
        workbook.writestr(member, "<x/>")


@pytest.mark.parametrize(
    ("data", "word", "reason"),
    [
        (b"<!doctype html><p>x", "HTML", "unrecognised"),
        (b"<HTML><BODY>a,b", "HTML", "unrecognised"),
        (b"\r\n\n <html lang=en>\n1,2\n", "HTML", "unrecognised"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><a/>", "XML", "unrecognised"),
        ("<?xml version='1.0'?><a/>".encode("utf-16"), "XML", "unrecognised"),
        (b"<Error><Code>NoSuchKey</Code></Error>", "XML", "unrecognised"),
        (b"<!-- saved -->\n<rss version='2'><b/></rss>", "XML", "unrecognised"),
        (b"{\\rtf1\\ansi a,b}", "RTF", "unrecognised"),
        (TAR, "tar", "unrecognised"),
        (gzip.compress(TAR, mtime=0), "tar", "unrecognised"),
        (gzip.compress(GZIP, mtime=0), "compressed twice", "unrecognised"),
        (XLSX.getvalue(), "Excel workbook", "unrecognised"),
        (b"SQLite format 3\0" + NOISE, "SQLite", "unrecognised"),
        (b"\xef\xbb\xbf", "nothing", "empty"),
        (b"\xff\xfe", "nothing", "empty"),
        (b"\xef\xbb\xbf\r\n \n", "nothing", "empty"),
        ("\ufeff \r\n".encode("utf-16-le"), "nothing", "empty"),
    ],
)
def test_what_is_no_table_is_called_by_its_name(tmp_path: Path, data: bytes, word: str, reason: str) -> None:
    path = tmp_path / "refused"
    path.write_bytes(data)
    for declared in (None, Dialect(format="csv", header=True)):
        with pytest.raises(UnreadableFile, match=word) as caught:
            sniff(path, "x.csv", declared)
        assert caught.value.reason == reason


def test_names_in_angle_brackets_are_names(tmp_path: Path) -> None:
    assert Dropped(tmp_path, b"<DATE>,<OPEN>\n20240101,1\n").columns == ("<DATE>", "<OPEN>")


def test_what_systems_add_to_a_zip_is_passed_over(tmp_path: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        for name in ("__MACOSX/._a.csv", "data/.DS_Store", "data/a.csv", "data/._a.csv", "Thumbs.db"):
            opened.writestr(name, TABLE if name == "data/a.csv" else NOISE)
    assert Dropped(tmp_path, archive.getvalue(), "a.zip").rows == ROWS


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, None])
def test_a_file_that_inflates_beyond_the_limit_is_refused(tmp_path: Path, kind: int | None, limit: Limit) -> None:
    limit(max_inflated_bytes=10 << 20, max_inflation=20)
    large = b"0,0\n" * (3 << 20)
    archive = io.BytesIO()
    if kind is None:
        archive.write(gzip.compress(large, mtime=0))
    else:
        with zipfile.ZipFile(archive, "w", kind) as opened:
            opened.writestr("a.csv", large)
    assert refusal(tmp_path, archive.getvalue()) == "too_large"
    limit(max_inflation=100_000)
    (tmp_path / "refused").write_bytes(archive.getvalue())
    assert sniff(tmp_path / "refused", "a").compression == ("zip" if kind else "gzip")


def test_one_line_without_end_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, b"a,b" * (14 << 20)) == "too_long"
    assert refusal(tmp_path, b"x" * (40 << 20)) == "too_long"


def test_a_long_line_among_others_is_refused(tmp_path: Path, limit: Limit) -> None:
    limit(max_record_bytes=1 << 20)
    (tmp_path / "long").write_bytes(b"a,b\n1,2\n" + b"y" * (9 << 20) + b",1\n")
    shape = sniff(tmp_path / "long", "x.csv")
    with pytest.raises(UnreadableFile) as caught:
        list(read(tmp_path / "long", shape))
    assert caught.value.reason == "too_long"


@pytest.mark.parametrize("name", ["c{}", "same", ""])
def test_any_number_of_columns_is_named_or_refused(tmp_path: Path, name: str) -> None:
    def table(width: int) -> bytes:
        return ",".join(name.format(n) for n in range(width)).encode() + b"\n" + b",".join([b"x"] * width) + b"\n"

    assert refusal(tmp_path, table(100_000)) == "too_wide"
    dropped = Dropped(tmp_path, table(20_000), declared=Dialect(header=True))
    assert len(set(dropped.columns)) == 20_000
    assert len(dropped.rows[0]) == 20_000
