"""The engines of refining, by the words that contracts and settings use."""

from collections.abc import Callable

from common.contracts.contract import Contract, Refiner
from common.core.settings import settings
from common.refine.engine import Engine


def _here() -> Engine:
    from common.refine.local import OnThisMachine

    return OnThisMachine()


def _on_spark() -> Engine:
    from common.refine.spark.engine import OnSpark  # its packages are installed only where it is used

    return OnSpark()


ENGINES: dict[str, Callable[[], Engine]] = {Refiner.POLARS: _here, Refiner.SPARK: _on_spark}


def engine_of(contract: Contract) -> Engine:
    """Return the engine that refines the files of a contract; raises ConfigError where it is not installed."""
    return ENGINES[contract.engine or settings().engine]()
