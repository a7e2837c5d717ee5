"""`watershed inspect`: what a file is, and which of its lines or rows would be refused, without any stack."""

from pathlib import Path
from typing import Annotated

import typer

from common.cli.contract import find
from common.cli.options import Json
from common.cli.show import console, print_json, show
from common.core.errors import UnreadableFile

SHOWN = 20


def inspect(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Any file.")],
    contract: Annotated[str, typer.Option(help="domain.dataset, or a path: judge the rows by it too.")] = "",
    as_json: Json = False,
) -> None:
    """Say what a file is, how many records it holds and which would be refused and why.

    Exit code 0 when the file can be read (even if some of its rows are refused), 1 when it is refused whole.
    """
    from common.refine.report import report

    try:
        found = report(file, find(contract) if contract else None)
    except UnreadableFile as error:
        if as_json:
            print_json({"file": str(file), "readable": False, "reason": error.reason, "message": str(error)})
        else:
            console.print(f"[red]refused whole[/] ({error.reason}): ", end="")
            console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error
    if as_json:
        print_json(found)
        return
    shape = {**found["shape"], "columns": ", ".join(found["shape"]["columns"])}
    console.print(f"[bold]{file.name}[/]: " + ", ".join(f"{k} {v!r}" for k, v in shape.items() if v not in (None, "")))
    console.print(f"{found['records']:,} records: {found['good']:,} good, {found['refused']:,} refused.")
    if found["refusals"]:
        columns = ["line", "record", "reason", "column", "value", "text"]
        show(found["refusals"][:SHOWN], columns, as_json=False, empty="")
    for hint in found["hints"]:
        console.print(f"The contract may say of {hint}", markup=False, highlight=False, soft_wrap=True)
    if found["refused"] > SHOWN:
        console.print(f"... and {found['refused'] - SHOWN:,} more; --json lists all.")
