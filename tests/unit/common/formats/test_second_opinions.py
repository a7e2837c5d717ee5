"""Other readers of the same generated files: where they differ from ours, the test says why."""

import csv
import io
import json
import string
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from common.core.errors import UnreadableFile
from common.core.shape import Dialect, Shape
from tests.unit.common.formats.dropped import Dropped

SOME = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MANY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# Debian's package node-csv-spectrum: files with what their readers should find.
SPECTRUM = Path("/usr/share/nodejs/csv-spectrum")


@pytest.mark.skipif(not SPECTRUM.exists(), reason="csv-spectrum is not installed: `make packages`")
@pytest.mark.parametrize("path", sorted(SPECTRUM.glob("csvs/*.csv")), ids=lambda path: path.stem)
def test_the_spectrum_of_csv_is_read(tmp_path: Path, path: Path) -> None:
    wanted = [tuple(row.values()) for row in json.loads((SPECTRUM / "json" / f"{path.stem}.json").read_text())]
    assert wanted
    assert Dropped(tmp_path, path.read_bytes()).rows == wanted


cells = st.text(st.sampled_from(string.ascii_letters + string.digits + " ,;\t|\"'.-_/\n€é"), max_size=8)


@st.composite
def written(draw: st.DrawFn) -> tuple[bytes, list[list[str]], str]:
    """A table with a header, as Python's csv writes it."""
    delimiter = draw(st.sampled_from(",;\t|"))
    width = draw(st.integers(2, 5))
    names = [f"name_{chr(97 + n)}" for n in range(width)]
    rows = draw(st.lists(st.lists(cells, min_size=width, max_size=width), min_size=2, max_size=15))
    out = io.StringIO()
    writer = csv.writer(
        out,
        delimiter=delimiter,
        lineterminator=draw(st.sampled_from(["\n", "\r\n"])),
        quoting=draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])),
    )
    writer.writerows([names, *rows])
    return out.getvalue().encode(), rows, delimiter


# Of a line of quotes and a tab a reader by tabs could make two fields, too, but not of the names above it.
QUOTED_TAB = b'"name_a","name_b"\n"",""\n"\n\t","\n"\n', [["", ""], ["\n\t", "\n"]], ","


@SOME
@given(table=written())
@example(table=QUOTED_TAB)
def test_a_written_table_is_read_as_python_duckdb_and_pyarrow_read_it_when_told(
    tmp_path: Path, table: tuple[bytes, list[list[str]], str]
) -> None:
    data, rows, delimiter = table
    ours = [list(row) for row in Dropped(tmp_path, data, "x").rows]
    assert ours == rows  # not told
    assert list(csv.reader(io.StringIO(data.decode(), newline=""), delimiter=delimiter))[1:] == rows
    path = tmp_path / "dropped"
    # DuckDB takes an empty value for NULL, unless NULL is something else.
    told = duckdb.read_csv(
        str(path),
        header=True,
        delimiter=delimiter,
        quotechar='"',
        escapechar='"',
        all_varchar=True,
        na_values="\x01",
        auto_detect=False,
        columns={f"c{n}": "VARCHAR" for n in range(len(rows[0]))},
    )  # type: ignore[call-overload]
    assert [list(row) for row in told.fetchall()] == rows
    parse = pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=False)
    names = data.decode().splitlines()[0].replace('"', "").split(delimiter)
    convert = pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
    theirs = pa_csv.read_csv(path, parse_options=parse, convert_options=convert)
    assert [list(row.values()) for row in theirs.to_pylist()] == rows


@MANY
@given(
    table=written(),
    at=st.floats(0, 1, exclude_max=True),
    put=st.sampled_from([b'"', b",", b"\n", b"x", b"", b'",', b"\r"]),
)
def test_where_a_damaged_table_is_not_refused_pythons_strict_reader_agrees(
    tmp_path: Path, table: tuple[bytes, list[list[str]], str], at: float, put: bytes
) -> None:
    data, rows, delimiter = table
    place = int(len(data) * at)
    data = data[:place] + put + data[place + 1 :]
    assume(data.strip() and b"\r" not in data.replace(b"\r\n", b""))  # csv takes a lone CR for a line end
    width = len(rows[0])
    shape = Shape("csv", "none", "utf-8", delimiter, '"', header=False, columns=tuple(f"c{n}" for n in range(width)))
    dropped = Dropped(tmp_path, data, shape=shape)
    if dropped.malformed:
        return
    try:
        theirs = [
            row
            for row in csv.reader(
                io.StringIO(data.decode(errors="replace"), newline=""), delimiter=delimiter, strict=True
            )
            if row
        ]
    except csv.Error:
        pytest.fail("nothing was refused where Python's reader refuses")
    assert [list(row) for row in dropped.rows] == theirs


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.sampled_from(["a", "b", "_record", 'é"', " x"]), values, min_size=1, max_size=4)


def has_surrogate(text: str) -> bool:
    return any(0xD800 <= ord(char) < 0xE000 for char in text)


@MANY
@given(found=st.lists(objects, min_size=1, max_size=6), ascii_only=st.booleans(), cut=st.sampled_from([1, 40, 1 << 20]))
def test_objects_of_any_kind_come_back_from_lines_and_from_an_array(
    tmp_path: Path, found: list[dict[str, Any]], ascii_only: bool, cut: int
) -> None:
    texts = [json.dumps(one, ensure_ascii=ascii_only) for one in found]
    for data in ("\n".join(texts), "[" + ",\n".join(texts) + "]", "".join(texts)):
        dropped = Dropped(tmp_path, data.encode(), "x.json", chunk_bytes=cut)
        keys = dropped.shape.keys or dropped.shape.columns
        assert set(keys) == {key for one in found for key in one}
        for row, one in zip(dropped.rows, found, strict=True):
            for key, text in zip(keys, row, strict=True):
                value = one.get(key)
                if isinstance(value, str) or value is None:
                    assert text == value
                else:
                    assert json.loads(text) == value


@MANY
@given(one=objects, at=st.floats(0, 1, exclude_max=True), put=st.sampled_from([*'{}[]",:\\ 0-.eE+nx\t', ""]))
def test_a_damaged_line_is_a_record_only_if_pythons_json_takes_it(
    tmp_path: Path, one: dict[str, Any], at: float, put: str
) -> None:
    text = json.dumps(one)
    place = int(len(text) * at)
    text = text[:place] + put + text[place + 1 :]
    assume(text.strip())
    repeated = False

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        repeated |= len(dict(items)) < len(items)
        return dict(items)

    def no(constant: str) -> None:
        raise ValueError(constant)

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=no)
        good = isinstance(value, dict) and not repeated and not has_surrogate(json.dumps(value, ensure_ascii=False))
    except ValueError:
        good = False
    shape = Shape("ndjson", "none", "utf-8", None, None, header=False, columns=("a", "b"))
    dropped = Dropped(tmp_path, text.encode() + b'\n{"a": 1}', shape=shape)
    assert len(dropped.malformed) == (0 if good else 1)


@SOME
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "p": st.none() | st.integers(-(2**63), 2**63 - 1),
                "q": st.none() | st.lists(st.none() | st.text(max_size=4), max_size=3),
                "r": st.fixed_dictionaries({"s": st.booleans()}),
            }
        ),
        min_size=1,
        max_size=5,
    )
)
def test_a_nested_value_is_one_text_in_parquet_lines_and_an_array(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    kind = pa.struct([("p", pa.int64()), ("q", pa.list_(pa.string())), ("r", pa.struct([("s", pa.bool_())]))])
    file = io.BytesIO()
    pq.write_table(pa.table({"v": pa.array(rows, kind)}), file)
    lines = [json.dumps({"v": {name: row[name] for name in "pqr"}}) for row in rows]
    spelled = (file.getvalue(), "\n".join(lines).encode(), f"[{','.join(lines)}]".encode())
    texts = [[row[0] for row in Dropped(tmp_path, data).rows] for data in spelled]
    assert texts[0] == texts[1] == texts[2]
    assert [json.loads(text) for text in texts[0]] == rows


@MANY
@given(
    data=st.binary(max_size=300)
    | st.lists(
        st.sampled_from(
            [
                b"PAR1",
                b"PK\x03\x04",
                b"\x1f\x8b\x08",
                b"{",
                b"[",
                b'"',
                b",",
                b"\n",
                b"\r",
                b"a",
                b"1",
                b"\xff",
                b"\xef\xbb\xbf",
                b"<",
                b"\x00",
                b"sep=;",
            ]
        ),
        max_size=40,
    ).map(b"".join)
)
def test_any_bytes_are_read_or_refused_with_a_word(tmp_path: Path, data: bytes) -> None:
    for declared in (
        None,
        Dialect(header=True),
        Dialect(format="ndjson"),
        Dialect(format="parquet"),
        Dialect(escape="\\", trim=True),
    ):
        try:
            dropped = Dropped(tmp_path, data, declared=declared)
        except UnreadableFile as error:
            assert error.reason.replace("_", "").isalpha()
        else:
            assert all(row[-1] for row in dropped.malformed)
