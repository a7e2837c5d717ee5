"""Parquet: native types, in batches, and refused whole if any of it is broken."""

import gzip
import io
from pathlib import Path

import polars as pl
import pytest

from common.core.errors import UnreadableFile
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
