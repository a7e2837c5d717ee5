"""What engines say without the values they quote: incidents and alerts go where personal data must not."""

import re

from common.core.errors import WatershedError

REASONS = {
    "task_failure": "A task of this run has failed for good, or was killed.",
    "timed_out": "The run took longer than its DAG allows.",
    "all_tasks_deadlocked": "No task of this run can begin any more.",
}
MASK = "•••"
QUOTED = re.compile(r"['\"].*", re.DOTALL)  # to the end: a value may hold quotes and line breaks itself


def said(error: object) -> str:
    """Return what an error says, or Airflow's reason for the end of a run.

    Of an error that is neither the platform's nor Airflow's it leaves out the values that it quotes.
    """
    if not isinstance(error, BaseException):
        return REASONS.get(str(error), str(error))
    known = isinstance(error, WatershedError) or type(error).__module__.partition(".")[0] in ("airflow", "jinja2")
    return f"{type(error).__name__}: {error if known else without_values(error)}"


def without_values(message: object) -> str:
    """Cut a message where it begins to quote."""
    return QUOTED.sub(MASK, str(message))
