"""What no message and no log line may say: the values that Airflow knows to be secret."""

from collections.abc import Callable
from typing import cast

from common.core.caches import per_process


def redacted(text: str) -> str:
    """Return a text with every secret that this process has read from a Connection or Variable masked."""
    return _mask()(text)


@per_process
def _mask() -> Callable[[str], str]:
    try:
        from airflow.sdk.log import redact  # type: ignore[attr-defined]
    except ImportError:  # no Airflow here, or a release that keeps it elsewhere
        return str
    return lambda text: cast("str", redact(text))
