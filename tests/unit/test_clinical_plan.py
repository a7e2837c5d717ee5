"""The clinical test plan names tests that there are, and each of its lines names one."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLAN = (ROOT / "docs" / "clinical-test-plan.md").read_text(encoding="utf-8")
TEST = re.compile(r"`(tests/[a-z0-9_/]+\.py)::(test_[a-z0-9_]+)`")


@cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return frozenset(found.name for found in tree.body if isinstance(found, ast.FunctionDef))


def test_every_line_of_the_plan_names_tests_that_there_are() -> None:
    lines = [line for line in PLAN.splitlines() if line.startswith("|") and not line.startswith(("|---", "| requ"))]
    named = {line: TEST.findall(line) for line in lines}
    assert len(lines) > 25 and [line for line, tests in named.items() if not tests] == []
    lacking = [f"{file}::{test}" for tests in named.values() for file, test in tests if test not in names_in(file)]
    assert lacking == []
