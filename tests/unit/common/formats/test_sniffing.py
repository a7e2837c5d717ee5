"""What a file is: found from its content, with the name and the contract as hints."""

import gzip
import io
import random
import zipfile
from pathlib import Path

import pytest

from common.core.errors import ContractError, UnreadableFile
from common.core.shape import Dialect
from common.formats import sniff
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
