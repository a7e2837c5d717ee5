"""Structured logs: one JSON object a line, with the batch, dataset and run it is about."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from pythonjsonlogger.json import JsonFormatter

_context: ContextVar[dict[str, Any]] = ContextVar("watershed_log_context", default={})  # noqa: B039 - never mutated


class _Bound(logging.Filter):
    """Adds what is bound to every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in _context.get().items():
            setattr(record, name, value)
        return True


_bound = _Bound()


def logger(name: str) -> logging.Logger:
    """Give the logger of a module, whose lines carry what is bound."""
    found = logging.getLogger(name)
    found.addFilter(_bound)
    return found


@contextmanager
def bound(**facts: Any) -> Iterator[None]:
    """Put facts on every line logged inside the block."""
    token = _context.set({**_context.get(), **facts})
    try:
        yield
    finally:
        _context.reset(token)


def log_as_json(level: int = logging.INFO) -> None:
    """Write the platform's logs as JSON lines to standard error; Airflow tasks have handlers of their own."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(
            "%(asctime)s %(levelname)s %(name)s %(message)s", rename_fields={"asctime": "time", "levelname": "level"}
        )
    )
    root = logging.getLogger("common")
    root.handlers[:] = [handler]
    root.setLevel(level)
