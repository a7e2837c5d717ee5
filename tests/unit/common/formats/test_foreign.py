"""What is no table is called by its name, and what is beyond the limits is refused."""

import gzip
import io
import zipfile
from pathlib import Path

import pytest

from common.core.errors import UnreadableFile
from common.core.shape import Dialect
from common.formats import read, sniff
from tests.unit.common.formats.conftest import Limit
from tests.unit.common.formats.dropped import GZIP, NOISE, ROWS, TABLE, Dropped, refusal

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
