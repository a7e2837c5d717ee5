"""One meaning, two engines: what Spark makes of a file by a contract is what one machine makes of it, row by row."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from polars.testing import assert_frame_equal

from common.core.errors import UnreadableFile
from common.refine.spark import reader
from tests.spark.pairs import Pair, pairs
from tests.spark.sides import Files, Side, here, on_spark

PAIRS = int(__import__("os").environ.get("PAIRS", 2000))


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    """Let executors, which run in this process, fetch files from a folder."""
    made = Files(tmp_path)
    monkeypatch.setattr(reader, "fetch", made.fetch)
    yield made


def same(one: Side, other: Side) -> None:
    """Compare what two engines have made of the same files."""
    assert one.fault == other.fault
    assert one.read == other.read
    assert_frame_equal(one.refused, other.refused)
    assert_frame_equal(one.good, other.good, check_exact=True)


@given(pairs())
@settings(max_examples=PAIRS, phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck))
def test_a_file_gives_the_same_rows_and_refusals_on_both_engines(files: Files, pair: Pair) -> None:
    try:
        batch, _ = files.add(pair)
    except UnreadableFile:
        return
    same(here(pair.contract, [batch], files), on_spark(pair.contract, [batch], files))
