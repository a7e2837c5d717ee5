"""`watershed contract`: check, show, compare contracts, and write a first one from a sample."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from common.cli.options import Json, errors
from common.cli.show import console, show
from common.contracts.catalogue import (
    contract_faults,
    contract_files,
    contract_of,
    contracts,
    domains,
    placed_contract,
)
from common.contracts.contract import Contract
from common.contracts.diff import differences
from common.contracts.lint import warnings
from common.contracts.read import read_contract
from common.core.errors import ContractError, ModelError
from common.core.nouns import Dataset
from common.core.settings import domains_dir
from common.models.model import model_files, placed_model
from common.pipelines.kinds import equal_names

app = typer.Typer(no_args_is_help=True, help="Check, show and compare contracts; write a first one from a sample.")


def find(name: str) -> Contract:
    """Find a contract by its dataset's name or by its path."""
    return (
        read_contract(Path(name))
        if name.endswith((".yaml", ".yml"))
        else contract_of(Dataset.parse(name), domains_dir())
    )


@app.command()
def lint(
    paths: Annotated[list[Path] | None, typer.Argument(help="Files; all contracts and models without any.")] = None,
) -> None:
    """Check contracts and models' headers; without paths also that no two load one table; exit code 1 at a fault."""
    found = paths or [*contract_files(), *(path for domain in domains() for path in model_files(domain))]
    models = [path for path in found if path.suffix == ".sql"]
    files = [path for path in found if path not in models]
    bad = sum(not _sound(path, read_contract if paths else placed_contract) for path in files)
    wrong = sum(not _sound_model(path) for path in models)
    clashes = [] if paths else list(equal_names().values())
    for clash in clashes:
        _line(clash)
    console.print(f"{len(files)} contracts, {bad} with faults.")
    if models:
        console.print(f"{len(models)} models, {wrong} with faults.")
    raise typer.Exit(1 if bad or wrong or clashes else 0)


def _sound(path: Path, read: Callable[[Path], Contract]) -> bool:
    """Print what is wrong with a contract and what may be meant otherwise; return whether nothing is wrong."""
    from common.quality.checks import contract_checks

    try:
        contract = read(path)
        contract_checks(contract)
    except ContractError as error:
        _line(str(error) if str(error).startswith(str(path)) else f"{path}: {error}")
        return False
    for warning in warnings(contract):
        _line(f"{path}: warning: {warning}")
    return True


def _sound_model(path: Path) -> bool:
    """Print what is wrong with a model's header; return whether nothing is."""
    try:
        placed_model(path)
    except ModelError as error:
        _line(str(error))
        return False
    return True


def _line(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


@app.command("ls")
def list_all(as_json: Json = False) -> None:
    """List the datasets that have a contract; exit code 1 where one has a fault, which is told."""
    root = domains_dir()
    rows = [
        {
            "dataset": str(c.dataset),
            "version": c.version,
            "owner": c.owner,
            "columns": len(c.columns),
            "key": ", ".join(c.key),
        }
        for domain in domains(root)
        for c in contracts(domain, root).values()
    ]
    show(rows, ["dataset", "version", "owner", "columns", "key"], as_json=as_json, empty="There are no contracts.")
    wrong = [fault for domain in domains(root) for fault in contract_faults(domain, root).values()]
    for fault in wrong:
        errors.print(fault, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1 if wrong else 0)


@app.command("show")
def show_one(name: Annotated[str, typer.Argument(help="domain.dataset, or a path.")], as_json: Json = False) -> None:
    """Show what a contract promises."""
    contract = find(name)
    rows = [
        {
            "column": c.name,
            "source": c.source,
            "type": f"decimal({c.precision},{c.scale})" if c.kind == "decimal" else str(c.kind),
            "required": c.required,
            "key": c.name in contract.key,
            "personal": c.personal,
            "description": c.description,
        }
        for c in contract.columns
    ]
    if not as_json:
        key = ", ".join(contract.key) or "the record's place in its file"
        console.print(f"[bold]{contract.dataset}[/] {contract.version} ({contract.owner}): {contract.description}")
        console.print(f"A row is identified by {key}; partition: {contract.partition.column or 'none'}.")
    show(rows, ["column", "source", "type", "required", "key", "personal", "description"], as_json=as_json, empty="")


@app.command()
def diff(
    old: Annotated[str, typer.Argument(help="domain.dataset, or a path.")],
    new: Annotated[str, typer.Argument(help="domain.dataset, or a path.")],
    as_json: Json = False,
) -> None:
    """Compare two contracts; exit code 1 where the change breaks readers or files."""
    found = differences(find(old), find(new))
    rows = [{"where": d.where, "change": d.change, "breaking": d.breaking} for d in found]
    show(rows, ["where", "change", "breaking"], as_json=as_json, empty="The contracts say the same.")
    raise typer.Exit(1 if any(d.breaking for d in found) else 0)


@app.command()
def infer(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="Samples in any format.")],
    dataset: Annotated[str, typer.Option(help="domain.dataset that the contract is for.")] = "",
) -> None:
    """Write a first contract from samples, to standard output; read it before you trust it."""
    from common.refine.infer import dataset_of, infer_contract

    target = Dataset.parse(dataset) if dataset else dataset_of(files[0])
    print(infer_contract(files, target), end="")  # noqa: T201 - output of a command
