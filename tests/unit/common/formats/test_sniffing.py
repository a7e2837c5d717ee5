"""What a file is: found from its content, with the name and the contract as hints."""

import gzip
from pathlib import Path

import pytest

from common.core.errors import ContractError
from common.core.shape import Dialect
from tests.unit.common.formats.dropped import GZIP, NOISE, ROWS, TABLE, Dropped, refusal, spoiled, zipped


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
        (GZIP + b"rub", "corrupt"),
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
