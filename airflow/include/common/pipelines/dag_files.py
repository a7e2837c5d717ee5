"""Which domains have a DAG file: one that calls `domain_dags` with their name. No DAG file is run for it."""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

from common.contracts.catalogue import domains

CALLED = "domain_dags"


def domains_without_dags() -> dict[str, str]:
    """Return the domains that no file in Airflow's folder of DAGs makes DAGs for, each with what to do.

    None where that folder is not here, or where a file computes the names.
    """
    folder = _folder()
    if folder is None:
        return {}
    named = {name for path in _files(folder) for name in _called_with(path)}
    if None in named:
        return {}
    return {
        domain: f'No file in {folder} makes its DAGs, so Airflow runs none of it: call {CALLED}("{domain}") in one.'
        for domain in domains()
        if domain not in named
    }


def _folder() -> Path | None:
    chosen, home = os.environ.get("AIRFLOW__CORE__DAGS_FOLDER"), os.environ.get("AIRFLOW_HOME")
    folder = Path(chosen) if chosen else Path(home) / "dags" if home else None
    return folder if folder and folder.is_dir() else None


def _files(folder: Path) -> Iterator[Path]:
    for where, _, names in os.walk(folder, followlinks=True):  # as Airflow does
        yield from (Path(where) / name for name in names if name.endswith(".py"))


def _called_with(path: Path) -> Iterator[str | None]:
    """Name the domains that a file makes DAGs for; None for one whose name it computes."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return  # Airflow shows it as an import error
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == CALLED:
            given = node.args[0] if node.args else next((word.value for word in node.keywords), None)
            yield given.value if isinstance(given, ast.Constant) and isinstance(given.value, str) else None
