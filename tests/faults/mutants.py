"""Each rule of a hop taken away in a copy of the source: some test must notice, or the rule is not tested.

A mutant is killed where the tests chosen for it fail, and they pass on the source as it is.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack.stack import running
from tests.faults.mutant import Mutant
from tests.faults.mutants_of_deliveries import OF_DELIVERIES
from tests.faults.mutants_of_hops import OF_HOPS
from tests.faults.mutants_of_meaning import OF_MEANING
from tests.faults.mutants_of_messages import OF_MESSAGES
from tests.faults.mutants_of_publishing import OF_PUBLISHING
from tests.faults.mutants_of_sources import OF_SOURCES
from tests.faults.mutants_of_the_lake import OF_THE_LAKE
from tests.faults.mutants_of_the_whole import OF_THE_WHOLE
from tests.faults.tally import REPORT, ROOT, VAR, write_section

INCLUDE = Path("airflow/include")
PATIENCE = 300
MUTANTS = (
    *OF_HOPS,
    *OF_MEANING,
    *OF_THE_WHOLE,
    *OF_MESSAGES,
    *OF_SOURCES,
    *OF_PUBLISHING,
    *OF_THE_LAKE,
    *OF_DELIVERIES,
)


def mutated(mutant: Mutant, root: Path = ROOT) -> str:
    """Give the source without the rule; raises ValueError where its text is not found exactly once."""
    text = (root / INCLUDE / mutant.package / mutant.file).read_text(encoding="utf-8")
    if (found := text.count(mutant.old)) != 1:
        raise ValueError(f"mutant '{mutant.rule}': its text is found {found} times in {mutant.file}, expected once")
    return text.replace(mutant.old, mutant.new)


def hunt(state: Path, say: Callable[[str], None]) -> dict[str, str]:
    """Run the tests of every mutant on the stack of that state folder; tell of each whether it was killed."""
    chosen = tuple(dict.fromkeys(test for mutant in MUTANTS for test in mutant.tests))
    with copied() as copy:
        if (how := _tested(copy, state, chosen, 4 * PATIENCE)) != "survived":
            return {"none: the tests on the source as it is": f"{how}, where they must pass"}
    found = {}
    for mutant in MUTANTS:
        found[mutant.rule] = _hunted(mutant, state)
        say(f"mutant {mutant.rule}: {found[mutant.rule]}")
    return found


def _hunted(mutant: Mutant, state: Path) -> str:
    with copied() as copy:
        try:
            (copy / INCLUDE / mutant.package / mutant.file).write_text(mutated(mutant, copy), encoding="utf-8")
        except ValueError as error:
            return str(error)
        return _tested(copy, state, mutant.tests, PATIENCE)


@contextmanager
def copied() -> Iterator[Path]:
    """Copy source and tests to a folder of their own for the length of a block."""
    with tempfile.TemporaryDirectory(prefix="watershed-mutant-") as folder:
        copy = Path(folder)
        for name in ("airflow", "tests"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        yield copy


def _tested(copy: Path, state: Path, tests: tuple[str, ...], patience: int) -> str:
    env = {**os.environ, "TEST_STACK": str(state), "PYTHONDONTWRITEBYTECODE": "1"}
    env.pop("PYTHONPATH", None)
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(command, cwd=copy, env=env, capture_output=True, text=True, timeout=patience)
    except subprocess.TimeoutExpired:
        return f"no answer within {patience} s"
    if done.returncode > 1:
        return f"could not be tested: {done.stdout[-500:]}"
    return "killed" if done.returncode else "survived"


def main() -> int:
    """Hunt every mutant on a stack of its own, and add what was found to the report of the last campaign."""
    state = VAR / "stack"
    with running(state, services=("postgres", "s3", "standins")):
        found = hunt(state, lambda line: sys.stdout.write(f"{line}\n") and sys.stdout.flush())
    report = json.loads(REPORT.read_text(encoding="utf-8")) | {"mutants": found}
    REPORT.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    write_section(report)
    return 0 if set(found.values()) == {"killed"} else 1


if __name__ == "__main__":
    sys.exit(main())
