"""One meaning, two engines: what Spark makes of a file by a contract is what one machine makes of it, row by row."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from polars.testing import assert_frame_equal
from pyspark.sql import SparkSession

from common.core.errors import UnreadableFile
from common.quality import checks
from common.refine import clean, moments
from common.refine.spark import reader, rules, typed
from common.refine.spark.session import session
from tests.spark.cases import CASES
from tests.spark.pairs import Pair, groups
from tests.spark.sides import Files, Side, here, on_spark

PAIRS = 2000
TOGETHER = 8  # files of a contract, which one job reads
MOST = [
    "dates",
    "dates within limits",
    "times",
    "integers, with limits",
    "decimals, with a limit between",
    "texts",
    "texts by length",
    "booleans",
]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    """Let executors, which run in this process, fetch files from a folder."""
    made = Files(tmp_path)
    monkeypatch.setattr(reader, "fetch", made.fetch)
    return made


@pytest.fixture
def spark() -> Iterator[SparkSession]:
    """Give the Spark of this process."""
    with session() as found:
        yield found


def same(one: Side, other: Side) -> None:
    """Compare what two engines have made of the same files."""
    assert one.fault == other.fault
    assert one.read == other.read == one.good.height + one.refused.height
    assert_frame_equal(one.refused, other.refused)
    assert_frame_equal(one.good, other.good, check_exact=True)


def compared(pairs: Sequence[Pair], files: Files, spark: SparkSession) -> tuple[int, int]:
    """Compare both engines on files of one contract; return how many could be read, and rows that Spark was sure of."""
    readable = []
    for pair in pairs:
        try:
            readable.append(files.add(pair))
        except UnreadableFile:  # then landing refuses it whole, whatever the engine is
            continue
    if not readable:
        return 0, 0
    contract = pairs[0].contract
    one, other = here(contract, readable, files), on_spark(contract, readable, files, spark)
    if one.fault and len(readable) > 1:
        return tuple(map(sum, zip(*(compared([pair], files, spark) for pair in pairs), strict=True)))  # type: ignore[return-value]
    same(one, other)
    return len(readable), other.sure


@pytest.mark.parametrize("case", CASES)
def test_a_case_gives_the_same_rows_and_refusals_on_both_engines(files: Files, spark: SparkSession, case: str) -> None:
    assert compared([CASES[case]], files, spark)[0] == 1


def test_any_file_gives_the_same_rows_and_refusals_on_both_engines(files: Files, spark: SparkSession) -> None:
    counts = []

    @given(groups(TOGETHER))
    @settings(
        max_examples=PAIRS // TOGETHER * 11 // 10, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    def compare(pairs: list[Pair]) -> None:
        counts.append(compared(pairs, files, spark))

    compare()
    assert sum(pairs for pairs, _ in counts) >= PAIRS
    assert sum(sure for _, sure in counts) >= PAIRS // 4, "most rows were left to the second look: nothing was compared"


def wrong(module: Any, name: str, change: Callable[[Any], Any]) -> Any:
    return pytest.param(module, name, change, id=f"{module.__name__.rpartition('.')[2]}.{name}")


@pytest.mark.parametrize(
    ("module", "name", "change"),
    [
        wrong(typed, "BLANKS", lambda blanks: " "),
        wrong(typed, "ISO_DATE", lambda layout: (layout[0], "Ydm")),
        wrong(typed, "ISO_TIME", lambda layout: (layout[0], "YmdHSMfz")),
        wrong(typed, "MOST", lambda most: most + 10**15),
        wrong(typed, "DAY", lambda day: day + 1),
        wrong(typed, "TRUE", lambda texts: (*texts, "no")),
        wrong(rules, "edge", lambda edge: lambda column, limit, *, up, equal: edge(column, limit, up=up, equal=True)),
        wrong(rules, "limits", lambda limits: lambda column: ()),
        wrong(clean, "TRUE", lambda texts: (*texts, "no")),
        wrong(checks, "edge", lambda edge: lambda column, limit, *, up, equal: edge(column, limit, up=up, equal=False)),
        wrong(moments, "DAY", lambda day: day + 1),
    ],
)  # fmt: skip
def test_a_wrong_rule_in_either_engine_is_seen(
    files: Files,
    spark: SparkSession,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    name: str,
    change: Callable[[Any], Any],
) -> None:
    monkeypatch.setattr(module, name, change(getattr(module, name)))
    with pytest.raises(AssertionError):
        for case in MOST:
            compared([CASES[case]], files, spark)
