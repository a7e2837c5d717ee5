"""Which tests one worker of pytest-xdist has to do one after the other.

Marks of `xdist_group` would say so too, but pytest-xdist 3.8 ignores them under pytest 9.2 (its issue 1386).
"""

from xdist.scheduler import LoadScopeScheduling

# Two whole stacks at a time are what two cores can bear.
SHOPS = ("tests/e2e/test_demo.py", "tests/e2e/test_sweeps.py")
# Their tests are many and short, or share a fixture that takes long; any other test may be done by another worker.
WHOLE = ("tests/unit/", "tests/dags/", "tests/e2e/", "tests/integration/test_stack.py")


class Together(LoadScopeScheduling):
    """Gives a worker all tests of a group at once."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """Return the name of a test's group: its file where that is done as a whole, else its own."""
    if nodeid.startswith(SHOPS):
        return "shops"
    return nodeid.partition("::")[0] if nodeid.startswith(WHOLE) else nodeid
