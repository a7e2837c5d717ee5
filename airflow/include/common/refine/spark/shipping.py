"""What a job takes along to executors on other machines: its code, the settings that it goes by, a word of both."""

import hashlib
import json
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from common.core import caches
from common.core.caches import per_process
from common.core.settings import PREFIX, settings
from common.refine.spark.faults import UNFIT

Step = Callable[[Iterator[Any]], Iterator[Any]]
# What reading goes by. Credentials are the executors' own, as are all other settings.
READ_BY = (
    "bucket", "zone_buckets", "max_columns", "max_record_bytes", "max_depth", "max_inflated_bytes", "max_inflation",
)  # fmt: skip
NO_LEDGER = {"WATERSHED_LEDGER_URL": "postgresql://executors.know.no.ledger/"}


def shipped(step: Step) -> Step:
    """Return a step of a job as executors elsewhere can run it, or say why they cannot.

    It is packed apart from what unpacks it, which travels as code and needs no package to be there.
    """
    from pyspark.cloudpickle import dumps

    packed, code, variables = dumps(step), code_here(), _variables()  # type: ignore[no-untyped-call]
    unfit = UNFIT

    def run(items: Iterator[Any]) -> Iterator[Any]:
        try:
            from common.refine.spark.shipping import unpacked
        except ImportError as error:
            raise RuntimeError(f"{unfit} {error}. Its Python needs Watershed and requirements-spark.lock.") from error
        yield from unpacked(packed, code, variables)(items)

    return run


def unpacked(packed: bytes, code: str, variables: dict[str, str]) -> Step:
    """Return the step on an executor, whose process goes by the worker's settings from now on.

    Raises RuntimeError where its code is another than the worker's: it might read a file otherwise.
    """
    if (here := code_here()) != code:
        raise RuntimeError(f"{UNFIT} its code is {here}, the worker's {code}. Install the same release on both.")
    if variables.items() - os.environ.items():
        os.environ.update(variables)
        caches.forget()
    step: Step = pickle.loads(packed)  # noqa: S301 # by Spark, from the worker
    return step


@per_process
def code_here() -> str:
    """Name the code that files are read by: polars, and the digest of this package."""
    digest, package = hashlib.sha256(), Path(__file__).resolve().parents[2]
    for path in sorted(package.rglob("*.py")):
        digest.update(str(path.relative_to(package)).encode() + path.read_bytes())
    return f"{digest.hexdigest()[:16]} on polars {pl.__version__}"


def _variables() -> dict[str, str]:
    """Return the settings that reading goes by, as variables."""
    chosen = settings().model_dump(include=set(READ_BY), mode="json")
    return NO_LEDGER | {f"{PREFIX}{name.upper()}": _text(value) for name, value in chosen.items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
