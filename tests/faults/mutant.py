"""A mutant: a rule, taken away by a small replacement of text in a copy of the source."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A rule, the text that keeps it, what stands there without it, and the tests that must fail then."""

    rule: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    package: str = "common"
