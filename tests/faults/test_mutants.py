"""The mutants stay current: the text of each is in the source once, and the tests it names exist."""

import pytest

from tests.faults.mutants import MUTANTS, ROOT, Mutant, mutated


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.rule)
def test_a_mutant_still_fits_the_source(mutant: Mutant) -> None:
    compile(mutated(mutant), mutant.file, "exec")
    for test in mutant.tests:
        file, name = test.split("[")[0].split("::")
        assert f"def {name}(" in (ROOT / file).read_text()


def test_every_mutant_has_a_name_of_its_own() -> None:
    assert len({mutant.rule for mutant in MUTANTS}) == len(MUTANTS)
