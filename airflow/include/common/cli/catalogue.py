"""`watershed docs`: the catalogue of DAGs, written from the DAGs themselves."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from common.cli.show import console
from common.core.errors import ConfigError

TITLE = "# DAGs\n\nWritten by `watershed docs` from the DAGs' own documentation; do not edit.\n"


def page(dag_docs: Iterable[tuple[str, str]]) -> str:
    """Write the catalogue of `(dag id, documentation)` pairs."""
    parts = [TITLE]
    for dag_id, doc in sorted(dag_docs):
        body = "\n".join(line for line in doc.splitlines() if not line.startswith("# ")).strip()
        parts.append(f"## {dag_id}\n\n{body}\n")
    return "\n".join(parts)


def docs(
    folder: Annotated[Path, typer.Argument(help="Folder of the DAG files.")] = Path("airflow/dags"),
    to: Annotated[Path, typer.Option(help="The catalogue.")] = Path("docs/dags/README.md"),
) -> None:
    """Write the catalogue of DAGs."""
    import importlib

    bag = importlib.import_module("airflow.dag_processing.dagbag").DagBag(str(folder))
    if bag.import_errors or not bag.dags:
        faults = "; ".join(f"{file}: {error.strip().splitlines()[-1]}" for file, error in bag.import_errors.items())
        raise ConfigError(f"No catalogue without all DAGs of {folder}: {faults or 'there are none'}. Try `make docs`.")
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(page((dag.dag_id, dag.doc_md or "") for dag in bag.dags.values()), encoding="utf-8")
    console.print(f"Wrote {len(bag.dags)} DAGs to {to}.")
