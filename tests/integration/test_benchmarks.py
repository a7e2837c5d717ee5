"""Benchmarks still run on today's code: between two measurements nobody looks at what they measure."""

from pathlib import Path

import pytest

from devstack.environment import for_children
from tests.world import World

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_loads_end_with_the_counted_rows_and_sums(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    from load import expected
    from peers.measure import contend

    env = for_children({**world.env, "WATERSHED_DOMAINS_DIR": str(tmp_path / "domains")})
    contend("load_all", "prepare", str(tmp_path), "1000", "100", env=env)
    for to, strategy, which in (
        ("warehouse", "full", "first"),
        ("warehouse", "incremental", "changed"),
        ("duckdb", "scd2", "changed"),
    ):
        run = contend("load_all", "ours", str(tmp_path), to, strategy, which, env=env)
        assert run["ends"] == expected(1000, 100)["scd2" if strategy == "scd2" else which], strategy
