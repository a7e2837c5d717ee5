"""Any delimited text, good or spoiled and cut anywhere, is read as the plain reference reads it."""

import csv
import io
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.core.shape import Shape
from common.formats.delimited import Delimited
from tests.unit.common.formats import reference
from tests.unit.common.formats.dropped import Dropped

QUICK = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PIECES = [
    *(b"a", b",", b'"', b"\n", b"\r", b"\r\n", b'""', b'"b"', b',"', b'",', b"a,b\n", b'"c,d",e\n', b"\xc3\xa9"),
    *(b"\xff", b"\xef\xbb\xbf", b'"a\nb",c\n', b'"a""b",""\r\n', b"a,b\r\n", b"\x00", b"  ", b"a,b\n" * 5),
]


def shape(width: int, delimiter: str = ",", quote: str = '"') -> Shape:
    columns = tuple(f"c{place}" for place in range(width))
    return Shape("csv", "none", "utf-8", delimiter, quote, header=False, columns=columns)


def compare(dropped: Dropped, expected: list[reference.Record]) -> None:
    good = [(number, record) for number, record in enumerate(expected, start=1) if record.values is not None]
    bad = [(number, record) for number, record in enumerate(expected, start=1) if record.values is None]
    assert list(zip(dropped.records, map(list, dropped.rows), strict=True)) == [(n, r.values) for n, r in good]
    assert dropped.malformed == [(n, r.line, r.offset, r.text, r.reason) for n, r in bad]
    assert dropped.located() == [(n, r.line, r.offset, r.text) for n, r in good]


@QUICK
@given(
    data=st.lists(st.sampled_from(PIECES), min_size=1, max_size=40).map(b"".join),
    width=st.integers(1, 3),
    chunk_bytes=st.sampled_from([1, 3, 7, 20, 100, 1 << 20]),
)
def test_any_bytes_are_read_as_the_reference_reads_them(
    tmp_path: Path, data: bytes, width: int, chunk_bytes: int
) -> None:
    data = data.removeprefix(b"\xef\xbb\xbf") or b"a"
    if data.startswith(b"\xef\xbb\xbf"):
        return
    compare(Dropped(tmp_path, data, shape=shape(width), chunk_bytes=chunk_bytes), reference.records(data, width))


@pytest.mark.parametrize("width", [1, 2, 3])
def test_what_is_trusted_as_clean_is_clean_for_every_short_text(width: int) -> None:
    grammar = Delimited(shape(width))
    for length in range(1, 6):
        for letters in product(b'a,"\n\r', repeat=length):
            clean = grammar.clean(bytes(letters))
            if clean:
                expected = reference.records(bytes(letters), width)
                refused = {number: place.reason for number, place in clean.refused}
                values = iter(list(row) for row in clean.frame.rows())
                found = [None if number in refused else next(values) for number in range(clean.records)]
                assert found == [record.values for record in expected]
                assert list(refused.values()) == [record.reason for record in expected if record.values is None]


texts = st.text(st.sampled_from("ab ,;\t|\"'\n€é"), max_size=6)  # csv.writer leaves a lone CR unquoted
spoiled_lines = st.sampled_from(
    ['x"y{d}1{d}2', '"open{d}1{d}2', "short", "1{d}2{d}3{d}4", '"a"b{d}1{d}2', "\udcff{d}1{d}2"]
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[bytes, list[list[str]], int, str]:
    """A table as the standard library writes it, with broken lines between the rows."""
    delimiter = draw(st.sampled_from(",;\t|"))
    line_end = draw(st.sampled_from(["\n", "\r\n"]))
    quote_all = draw(st.booleans())
    rows = draw(st.lists(st.lists(texts, min_size=3, max_size=3), min_size=1, max_size=12))
    out, broken = io.StringIO(), 0
    writer = csv.writer(
        out, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    )
    for row in rows:
        writer.writerow(row)
        if draw(st.integers(0, 3)) == 0:
            # A quoted row after it, so that an open quote cannot be closed by what follows.
            out.write(draw(spoiled_lines).replace("{d}", delimiter) + line_end)
            out.write(delimiter.join(['"q"'] * 3) + line_end)
            broken += 1
    return out.getvalue().encode("utf-8", "surrogateescape"), rows, broken, delimiter


@QUICK
@given(table=tables(), chunk_bytes=st.sampled_from([1, 16, 64, 1 << 20]))
def test_the_rows_that_were_written_come_back_and_the_broken_lines_are_refused(
    tmp_path: Path, table: tuple[bytes, list[list[str]], int, str], chunk_bytes: int
) -> None:
    data, rows, broken, delimiter = table
    dropped = Dropped(tmp_path, data, shape=shape(3, delimiter), chunk_bytes=chunk_bytes)
    assert [list(row) for row in dropped.rows if row != ("q", "q", "q")] == rows
    assert len(dropped.malformed) == broken
    assert len(dropped.rows) == len(rows) + broken
    dropped.check_places()
    compare(dropped, reference.records(data, 3, delimiter.encode()))
