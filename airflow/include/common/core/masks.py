"""What engines say without the values they quote: incidents and alerts go where personal data must not."""

import re

from common.core.errors import WatershedError

MASK = "•••"
QUOTED = re.compile(r"['\"].*", re.DOTALL)  # to the end: a value may hold quotes and line breaks itself


def said(error: BaseException) -> str:
    """Return what an error says; of one that is neither the platform's nor Airflow's, without the values it quotes."""
    known = isinstance(error, WatershedError) or type(error).__module__.partition(".")[0] in ("airflow", "jinja2")
    return f"{type(error).__name__}: {error if known else without_values(error)}"


def without_values(message: object) -> str:
    """Cut a message where it begins to quote."""
    return QUOTED.sub(MASK, str(message))
