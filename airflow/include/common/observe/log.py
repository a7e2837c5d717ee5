"""Structured logs: one JSON object a line, with the consumer, hop and run it is about.

In a task Airflow has configured structlog, and the lines stand in the task's log; elsewhere `log_as_json` does.
"""

import logging
import sys
from contextlib import AbstractContextManager
from typing import Any

import structlog


def logger(name: str) -> Any:
    """Return the logger of a module; what is said beside the message becomes fields of the line."""
    return structlog.get_logger(name)


def bound(**facts: Any) -> AbstractContextManager[Any]:
    """Put facts on every line logged inside the block."""
    return structlog.contextvars.bound_contextvars(**facts)


def log_as_json(level: int = logging.INFO) -> None:
    """Write the platform's logs as JSON lines to standard error."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
