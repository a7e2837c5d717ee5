"""What the tests of reading files share."""

from collections.abc import Callable, Iterator

import pytest

from common.core.caches import forget

Limit = Callable[..., None]


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Limit]:
    """Set limits by their names in the settings, for one test."""

    def set_to(**values: int) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"WATERSHED_{name.upper()}", str(value))
        forget()

    yield set_to
    monkeypatch.undo()
    forget()
