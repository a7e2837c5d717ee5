"""From a driver's errors to ours, by one table of each engine: the first class that fits counts."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from common.core.errors import WatershedError

Meanings = Sequence[tuple[type[Exception], type[WatershedError], str]]  # the driver's, ours, what to do


@contextmanager
def translated(what: str, meanings: Meanings, wording: Callable[[Exception], object] = str) -> Iterator[None]:
    """Raise a driver's errors as what they mean; `wording` says what an error may show."""
    try:
        yield
    except tuple(driver for driver, _, _ in meanings) as error:
        ours, advice = next((ours, advice) for driver, ours, advice in meanings if isinstance(error, driver))
        raise ours(f"{what}: {wording(error)}{advice}") from error
