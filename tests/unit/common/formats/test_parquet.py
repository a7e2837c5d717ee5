"""Parquet: native types, in batches, and refused whole if any of it is broken."""

import ast
import datetime as dt
import gzip
import io
import json
import random
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from polars.exceptions import PanicException

from common.core.errors import UnreadableFile
from common.formats import read, sniff
from common.formats.footer import footer
from tests.unit.common.formats.conftest import Limit
from tests.unit.common.formats.dropped import Dropped

FRAME = pl.DataFrame({"a": range(30_000), "b": [f"value {n}" for n in range(30_000)], "_record": [0.5] * 30_000})


def parquet(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file, row_group_size=4096)
    return file.getvalue()


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_records_are_read_in_batches_with_their_types(tmp_path: Path, compress: type[bytes]) -> None:
    dropped = Dropped(tmp_path, compress(parquet(FRAME)), chunk_bytes=100_000)
    frame = pl.concat(chunk.frame for chunk in dropped.chunks)
    assert len(dropped.chunks) > 1
    assert dropped.columns == ("a", "b", "_record_2")
    assert frame["_record"].to_list() == list(range(1, 30_001))
    assert frame.drop("_record").rows() == FRAME.rows()
    assert dropped.chunks[0].locate([3]).rows() == [(3, None, None, None)]
    assert dropped.malformed == []


def test_a_file_without_rows_gives_its_columns(tmp_path: Path) -> None:
    dropped = Dropped(tmp_path, parquet(FRAME.clear()))
    assert dropped.chunks[0].frame.schema["a"] == pl.Int64
    assert dropped.rows == []


@pytest.mark.parametrize("cut", [slice(None, -4), slice(None, 1000), slice(None, 6)])
def test_a_broken_footer_is_corrupt(tmp_path: Path, cut: slice) -> None:
    with pytest.raises(UnreadableFile) as caught:
        Dropped(tmp_path, parquet(FRAME)[cut])
    assert caught.value.reason == "corrupt"


def test_a_broken_row_group_is_found_before_anything_is_read(tmp_path: Path) -> None:
    data = parquet(FRAME)
    with pytest.raises(UnreadableFile) as caught:
        Dropped(tmp_path, data[:10] + b"\xff" * 2000 + data[2010:])
    assert caught.value.reason == "corrupt"


def written(table: pa.Table, **how: object) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **how)
    return file.getvalue()


def cells(folder: Path, value: object, kind: pa.DataType, **how: object) -> list[object]:
    table = pa.table({"x": pa.array([value, None], kind)})
    return [row[0] for row in Dropped(folder, written(table, **how)).rows]


naive = dt.datetime.fromisoformat
NAMED = pa.struct([("p", pa.int64()), ("q", pa.list_(pa.string()))])


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ({"p": 1, "q": ['a"b', None, "C:\\new"]}, NAMED, '{"p": 1, "q": ["a\\"b", null, "C:\\\\new"]}'),
        ({"p": None, "q": None}, NAMED, '{"p": null, "q": null}'),
        ([1, None, 3], pa.list_(pa.int64()), "[1, null, 3]"),
        ([0.1, 1e100], pa.list_(pa.float32()), "[0.1, Infinity]"),
        ([float("nan"), 1e-7], pa.list_(pa.float64()), '["NaN", 1e-7]'),
        ([1, 2], pa.list_(pa.int8(), 2), "[1, 2]"),
        ([Decimal("2.50")], pa.list_(pa.decimal128(30, 2)), "[2.50]"),
        ([True, False], pa.list_(pa.bool_()), "[true, false]"),
        ([b"\xc3\xa9"], pa.list_(pa.binary()), '["é"]'),
        ([("k", 1), ("é", None)], pa.map_(pa.string(), pa.int64()), '{"k": 1, "é": null}'),
        ([(3, dt.time(1, 2, 3, 4))], pa.map_(pa.int32(), pa.time64("us")), '{"3": "01:02:03.000004"}'),
        ([dt.date(2024, 1, 2)], pa.list_(pa.date32()), '["2024-01-02"]'),
        ([naive("0001-01-01T00:00:00"), naive("2024-01-02T03:04:05.000006")], pa.list_(pa.timestamp("us")), '["0001-01-01T00:00:00", "2024-01-02T03:04:05.000006"]'),
        ([naive("2024-01-02T03:00:00")], pa.list_(pa.timestamp("ms", "Europe/Berlin")), '["2024-01-02T03:00:00+00:00"]'),
        ([dt.timedelta(days=-1, microseconds=1)], pa.list_(pa.duration("us")), '["-PT23H59M59.999999S"]'),
        (dt.timedelta(days=40, hours=2, seconds=1.5), pa.duration("ns"), "P40DT2H1.5S"),
        (dt.timedelta(0), pa.duration("s"), "PT0S"),
        (dt.timedelta(days=2), pa.duration("s"), "P2D"),
        (dt.time(23, 59, 59, 999999), pa.time64("us"), "23:59:59.999999"),
        (dt.time(1), pa.time32("s"), "01:00:00"),
        (b"caf\xc3\xa9", pa.binary(), "café"),
        ("x", pa.dictionary(pa.int8(), pa.string()), "x"),
        (None, pa.null(), None),
    ],
)  # fmt: skip
def test_what_is_not_plain_becomes_one_text(tmp_path: Path, value: object, kind: pa.DataType, text: str | None) -> None:
    text = text.replace("Infinity", '"Infinity"') if text else text
    assert cells(tmp_path, value, kind) == [text, None]
    assert text is None or text[0] not in "[{" or json.loads(text) is not None


MAP = pa.map_(pa.string(), pa.int64())
TWICE = [("k", 1), ("j", 2), ("k", 3)]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (TWICE, MAP),
        ([TWICE], pa.list_(MAP)),
        ({"p": [{"q": TWICE}]}, pa.struct([("p", pa.list_(pa.struct([("q", MAP)])))])),
        ([("a", TWICE)], pa.map_(pa.string(), MAP)),
        ([("a", {"b": [TWICE, None]})], pa.map_(pa.string(), pa.struct([("b", pa.list_(MAP))]))),
    ],
)
def test_a_key_twice_in_a_map_refuses_its_record_wherever_it_stands(
    tmp_path: Path, value: object, kind: pa.DataType
) -> None:
    once: Any = ast.literal_eval(repr(value).replace("('k', 3)", "('l', 3)"))
    table = pa.table({"x": pa.array([None, once, value, once, value], kind), 'o"dd': [1, 2, 3, 4, 5]})
    for group in (1, 5):
        dropped = Dropped(tmp_path, written(table, row_group_size=group), chunk_bytes=1)
        assert dropped.records == [1, 2, 4]
        assert [(row[0], row[4]) for row in dropped.malformed] == [(3, "repeated_key"), (5, "repeated_key")]
        assert dropped.rows[1] == (*dropped.rows[2][:1], 2)
        assert all(f'"{key}"' in dropped.rows[1][0] for key in "kjl")


def test_maps_without_a_key_twice_are_kept(tmp_path: Path) -> None:
    values: Any = [[("k", 1)], [], None, [("k", None), ("K", 1)]]
    dropped = Dropped(tmp_path, written(pa.table({"x": pa.array(values, MAP)})))
    assert dropped.rows == [('{"k": 1}',), ("{}",), (None,), ('{"k": null, "K": 1}',)]
    assert dropped.malformed == []


@pytest.mark.parametrize(
    ("value", "kind"),
    [(b"\xff", pa.binary()), ([b"\xff"], pa.list_(pa.binary())), (b"\xff\xff", pa.binary(2))],
)
def test_bytes_that_are_no_text_are_refused_by_their_column(tmp_path: Path, value: object, kind: pa.DataType) -> None:
    with pytest.raises(UnreadableFile, match="'x'") as caught:
        cells(tmp_path, value, kind)
    assert caught.value.reason == "type"


@pytest.mark.parametrize(
    "value", [naive("9999-12-31T00:00:00"), naive("1600-01-01T00:00:00"), naive("0001-01-01T00:00:00"), naive("2024-01-02T03:04:05.000006")]
)  # fmt: skip
def test_old_dates_are_read_whatever_nanoseconds_can_hold(tmp_path: Path, value: dt.datetime) -> None:
    how = {"use_deprecated_int96_timestamps": True, "store_schema": False}
    assert cells(tmp_path, value, pa.timestamp("us"), **how) == [value, None]


def test_nanoseconds_of_the_old_type_are_kept(tmp_path: Path) -> None:
    table = pa.table({"x": pa.array([1], pa.timestamp("ns"))})
    data = written(table, use_deprecated_int96_timestamps=True, store_schema=False)
    (chunk,) = Dropped(tmp_path, data).chunks
    assert chunk.frame["x"].to_physical().to_list() == [1]


def test_a_name_with_brackets_is_no_pattern(tmp_path: Path) -> None:
    path = tmp_path / "a[1]*.parquet"
    path.write_bytes(parquet(FRAME))
    assert sum(chunk.frame.height for chunk in read(path, sniff(path, path.name))) == FRAME.height


CHECKED = written(
    pa.table({"a": list(range(2000)), "b": [f"value {n % 7}" for n in range(2000)]}),
    write_page_checksum=True,
    compression="none",
    row_group_size=500,
)


def test_any_flipped_bit_is_found_by_checksums_or_changes_nothing(tmp_path: Path) -> None:
    good = Dropped(tmp_path, CHECKED).rows
    chance, refused = random.Random(7), 0
    for _ in range(150):
        data = bytearray(CHECKED)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        try:
            dropped = Dropped(tmp_path, bytes(data))
        except UnreadableFile as error:
            assert error.reason in {"corrupt", "type", "too_large", "unrecognised", "encoding", "binary"}
            refused += 1
            continue
        if dropped.shape.format == "parquet" and dropped.columns == ("a", "b"):
            assert dropped.rows == good
    assert refused > 100


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
def test_a_damaged_page_without_a_checksum_never_ends_in_another_error(tmp_path: Path, compression: str) -> None:
    plain = written(pa.table({"a": list(range(3000)), "b": [str(n) for n in range(3000)]}), compression=compression)
    chance, refused = random.Random(8), 0
    for _ in range(60):
        at, size = chance.randrange(4, len(plain) - 8), chance.randrange(1, 200)
        data = plain[:at] + chance.randbytes(size) + plain[at + size :]
        try:
            Dropped(tmp_path, data)
        except UnreadableFile:
            refused += 1
    assert refused > 10


def test_rows_are_compared_with_the_footer(tmp_path: Path) -> None:
    data = written(pa.table({"a": [1, 2, 3]}), store_schema=False)
    end = data[-int.from_bytes(data[-8:-4], "little") - 8 :]
    more = end.replace(b"\x16\x06", b"\x16\x08")  # three rows become four, wherever they are counted
    assert more != end
    with pytest.raises(UnreadableFile) as caught:
        Dropped(tmp_path, data[: -len(end)] + more)
    assert caught.value.reason == "corrupt"


def test_pages_that_inflate_beyond_the_limit_are_refused_before_they_do(tmp_path: Path, limit: Limit) -> None:
    limit(max_inflated_bytes=1_000_000)
    equal = written(pa.table({"a": [7] * 1_000_000}))
    zeros = written(pa.table({"a": ["0" * 5_000_000]}), compression="zstd", use_dictionary=False)
    for data in (equal, zeros):
        assert len(data) < 5000
        with pytest.raises(UnreadableFile) as caught:
            Dropped(tmp_path, data)
        assert caught.value.reason == "too_large"


def test_too_many_columns_are_refused(tmp_path: Path, limit: Limit) -> None:
    limit(max_columns=2)
    with pytest.raises(UnreadableFile, match="WATERSHED_MAX_COLUMNS") as caught:
        Dropped(tmp_path, parquet(FRAME))
    assert caught.value.reason == "too_wide"


def test_a_panic_of_the_engine_is_a_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def panic(*_: object, **__: object) -> None:
        raise PanicException("index out of bounds")

    monkeypatch.setattr(pl.LazyFrame, "collect_batches", panic)
    with pytest.raises(UnreadableFile, match="index out of bounds") as caught:
        Dropped(tmp_path, parquet(FRAME))
    assert caught.value.reason == "corrupt"


def test_a_footer_that_contradicts_its_row_groups_is_corrupt(tmp_path: Path) -> None:
    data = written(pa.table({"a": [1, 2, 3]}), store_schema=False)
    start = len(data) - int.from_bytes(data[-8:-4], "little") - 8
    path = tmp_path / "contradicts.parquet"
    path.write_bytes(data[:start] + data[start:].replace(b"\x16\x06", b"\x16\x08", 1))
    with pytest.raises(UnreadableFile, match="row groups") as caught:
        footer(path)
    assert caught.value.reason == "corrupt"


def test_a_batch_that_the_engine_leaves_out_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pl.LazyFrame.collect_batches

    def all_but_one(scan: pl.LazyFrame, **how: Any) -> Iterator[pl.DataFrame]:
        return islice(whole(scan, **how), 1, None)

    monkeypatch.setattr(pl.LazyFrame, "collect_batches", all_but_one)
    with pytest.raises(UnreadableFile, match="footer counts 30000") as caught:
        Dropped(tmp_path, parquet(FRAME))
    assert caught.value.reason == "corrupt"
