"""`watershed contract`: check, show, compare contracts, and write a first one from a sample."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from common.cli.listing import group
from common.cli.options import Json, errors
from common.cli.show import console, print_json, show
from common.contracts.catalogue import (
    contract_faults,
    contract_files,
    contract_of,
    contracts,
    domains,
    equal_files,
    placed_contract,
)
from common.contracts.contract import Contract
from common.contracts.diff import differences
from common.contracts.lint import warnings
from common.contracts.read import read_contract
from common.core.errors import ContractError, ModelError
from common.core.nouns import Dataset
from common.core.settings import domains_dir
from common.models.model import Model, model_files, placed_model
from common.notify.render import faults as template_faults
from common.notify.routes import route_faults
from common.pipelines.consumers import declared
from common.pipelines.kinds import equal_names

CONTRACTS = (".yaml", ".yml")
app = group("Check, show and compare contracts; write a first one from a sample.")


def find(name: str) -> Contract:
    """Find a contract by its dataset's name or by its path."""
    return read_contract(Path(name)) if name.endswith(CONTRACTS) else contract_of(Dataset.parse(name), domains_dir())


@app.command()
def lint(
    paths: Annotated[list[Path] | None, typer.Argument(help="Files; all contracts and models without any.")] = None,
    as_json: Json = False,
) -> None:
    """Check contracts and models' headers; without paths also that no two load one table, and how people are told.

    Exit code 1 at a fault.
    """
    found = paths or [*contract_files(), *(path for domain in domains() for path in model_files(domain))]
    read = read_contract if paths else placed_contract
    judged = [_judged(path, placed_model if path.suffix == ".sql" else read) for path in found]
    clashes = [] if paths else [*equal_names().values(), *equal_files(), *route_faults(), *template_faults()]
    if as_json:
        print_json({"files": judged, "faults": clashes})
    else:
        for file in judged:
            _lines(file["faults"])
            _lines([f"{file['file']}: warning: {warning}" for warning in file["warnings"]])
        _lines(clashes)
        for kind, ending in (("contracts", CONTRACTS), ("models", ".sql")):
            those = [file["faults"] for file in judged if file["file"].endswith(ending)]
            if those or kind == "contracts":
                console.print(f"{len(those)} {kind}, {sum(map(bool, those))} with faults.")
    raise typer.Exit(1 if clashes or any(file["faults"] for file in judged) else 0)


def _judged(path: Path, read: Callable[[Path], Contract | Model]) -> dict[str, Any]:
    """Say what is wrong with a contract or a model, and what in it may be meant otherwise."""
    from common.quality.checks import contract_checks

    faults, doubts = list[str](), list[str]()
    try:
        found = read(path)
        if isinstance(found, Contract):
            contract_checks(found)
            doubts = list(map(str, warnings(found)))
    except (ContractError, ModelError) as error:
        faults = str(error).splitlines()
        if not faults[0].startswith(str(path)):
            faults[0] = f"{path}: {faults[0]}"
    return {"file": str(path), "faults": faults, "warnings": doubts}


def _lines(texts: Iterable[str]) -> None:
    for text in texts:
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
            "type": c.type,
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
    new: Annotated[str, typer.Argument(help="domain.dataset, or a path; without it the first is compared alone.")] = "",
    warehouses: Annotated[bool, typer.Option(help="Look at the warehouses' tables, too.")] = True,
    as_json: Json = False,
) -> None:
    """Compare two contracts, and tell what loads of the last would do to their tables.

    A model is compared with its tables alone. Exit code 1 where the change breaks readers or files, or holds a load.
    """
    found = differences(find(old), find(new)) if new else []
    rows = [{"where": d.where, "change": d.change, "breaking": d.breaking} for d in found]
    if warehouses:
        from common.pipelines.outlook import outlooks

        last = find(new) if new else _table(old)
        rows += [{"where": o.load, "change": o.what, "breaking": o.holds} for o in outlooks(last)]
    empty = "The contracts say the same." if new else f"{old} is loaded into no warehouse."
    show(rows, ["where", "change", "breaking"], as_json=as_json, empty=empty)
    raise typer.Exit(1 if any(row["breaking"] for row in rows) else 0)


def _table(name: str) -> Contract | Model:
    """Find a contract, or a model by its dataset's name."""
    return find(name) if name.endswith(CONTRACTS) else declared(Dataset.parse(name))


@app.command()
def infer(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="Samples in any format.")],
    dataset: Annotated[str, typer.Option(help="domain.dataset that the contract is for.")] = "",
) -> None:
    """Write a first contract from samples, to standard output; read it before you trust it."""
    from common.refine.infer import dataset_of, infer_contract

    target = Dataset.parse(dataset) if dataset else dataset_of(files[0])
    print(infer_contract(files, target), end="")  # noqa: T201 - output of a command
