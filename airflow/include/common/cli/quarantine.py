"""`watershed quarantine`: what was refused, why, and what becomes of it: mended, sent again, discarded."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from common.cli.listing import group
from common.cli.options import Json, Limit, Now, Why, because, domain_of, then, who
from common.cli.show import console, print_json, show
from common.core.errors import ConfigError

app = group("What was refused and why; mend it, send it again, or discard it.")

Ids = Annotated[list[str] | None, typer.Argument(help="Ids of refusals, as `ls` shows them; by the filters without.")]
Dataset = Annotated[str, typer.Option(help="Beginning of a consumer's name, as in ecommerce.users.")]
Reason = Annotated[str, typer.Option(help="Why it was refused, as in short_row.")]
Column = Annotated[str, typer.Option(help="The column that broke a rule.")]
Batch = Annotated[str, typer.Option(help="The batch it came in.")]
SHOWN = ["line", "record", "reason", "rule", "column", "value", "text", "contract"]


def _filter(ids: list[str] | None, dataset: str, reason: str, column: str, batch: str) -> Any:
    from common.ledger.refusals import Filter

    return Filter(tuple(ids or ()), dataset, reason, column, batch)


@app.command("ls")
def list_refusals(
    dataset: Annotated[str, typer.Argument(help="Beginning of a consumer's name; all without it.")] = "",
    reason: Reason = "",
    column: Column = "",
    batch: Batch = "",
    state: Annotated[str, typer.Option(help="open, redriven or discarded; all without it.")] = "",
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """List what was refused: how many records or files, of which file, why, where they are and how it ended."""
    from common.cli.known import REFUSAL_STATES, require_consumer, require_known, require_reason
    from common.ledger.database import transaction
    from common.ledger.refusals import matching

    require_known("state", state, REFUSAL_STATES)
    with transaction() as connection:
        require_consumer(connection, dataset)
        require_reason(connection, reason)
        rows = matching(connection, replace(_filter(None, dataset, reason, column, batch), state=state), limit)
    columns = ["id", "consumer", "reason", "column", "count", "origin", "state", "who"]
    show(rows, columns, as_json=as_json, empty="Nothing was refused.")


@app.command("show")
def show_refusal(
    refusal: Annotated[str, typer.Argument(help="Id of a refusal, as `ls` shows it.")],
    limit: Limit = 20,
    as_json: Json = False,
) -> None:
    """Show one refusal with its rows: line, record, rule, column, value, text. Personal data is masked."""
    from common.ledger.database import transaction
    from common.ledger.refusals import Filter, matching
    from common.repair.mend import masked

    with transaction() as connection:
        found = matching(connection, Filter(ids=(refusal,)))
    if not found:
        raise ConfigError(f"There is no refusal {refusal}. See `watershed quarantine ls`.")
    (refused,) = found
    rows = masked(refused, limit) if refused["of"] == "row" else []
    if as_json:
        print_json({**refused, "rows": rows})
        return
    for name, value in refused.items():
        if value not in (None, ""):
            console.print(f"[bold]{name}[/] {value}", highlight=False)
    if rows:
        show(rows, SHOWN, as_json=False, empty="")


@app.command()
def export(
    to: Annotated[Path, typer.Option("--to", help="CSV file to write; a folder for refused files.")],
    ids: Ids = None,
    dataset: Dataset = "",
    reason: Reason = "",
    column: Column = "",
    batch: Batch = "",
) -> None:
    """Write refused rows of one dataset to a CSV file to be mended, or refused files to a folder; it is audited.

    The file shows personal data: mend it where that is allowed. Send it back with `redrive --rows FILE`.
    """
    from common.repair.decide import exported

    number, what = exported(_filter(ids, dataset, reason, column, batch), to, who())
    console.print(f"Wrote {number} {what} to {to}.")


@app.command("queries")
def list_queries(
    under: Annotated[str, typer.Argument(help="Folder as it is below raw, as clinical/ONC-101/101.")],
    to: Annotated[Path, typer.Option("--to", help="CSV file to write.")],
) -> None:
    """Write what whoever sent the files of a folder is asked: file, line and rule of all that is open; it is audited.

    The list has no values, so it may go to whoever may know the names of the files.
    """
    from common.repair.decide import export_queries

    number = export_queries(under, to, who())
    console.print(f"Wrote {number} quer{'y' if number == 1 else 'ies'} to {to}.")


@app.command()
def redrive(
    why: Why,
    ids: Ids = None,
    dataset: Dataset = "",
    reason: Reason = "",
    column: Column = "",
    batch: Batch = "",
    rows: Annotated[Path | None, typer.Option(help="An exported CSV file with its rows mended.")] = None,
    file: Annotated[Path | None, typer.Option(help="A mended copy of the one refused file.")] = None,
    to: Annotated[
        str, typer.Option(help="Dataset that refused files belong to, where their folder does not say.")
    ] = "",
    now: Now = False,
    as_json: Json = False,
) -> None:
    """Send open refusals through the same gates again: after a mend of the contract, of the rows, or of the file.

    What is refused again is a new refusal; sending a refusal twice changes nothing.
    """
    from common.repair.decide import redrive as send

    wanted = _filter(ids, dataset, reason, column, batch)
    if rows is not None and (wanted != _filter(None, "", "", "", "") or file or to):
        raise ConfigError("--rows names its refusals itself: leave out ids, filters, --file and --to.")
    sent = send(wanted, because(why), rows=rows, file=file, to=to)
    shown = [{"batch": again.batch.id, "asset": again.batch.asset, "refusals": len(again.refusals)} for again in sent]
    show(shown, ["batch", "asset", "refusals"], as_json=as_json and not now, empty="")
    then({domain_of(again.batch.asset) for again in sent}, now, as_json, [again.batch.id for again in sent])


@app.command()
def waive(
    why: Why,
    ids: Ids = None,
    dataset: Dataset = "",
    reason: Reason = "",
    column: Column = "",
    batch: Batch = "",
    now: Now = False,
) -> None:
    """Let later rows of a study pass refused ones of their subjects, which stay open and are still asked about."""
    from common.repair.decide import waive_refusals

    sent = waive_refusals(_filter(ids, dataset, reason, column, batch), because(why))
    console.print(f"Rows of {len(sent)} deliver{'y' if len(sent) == 1 else 'ies'} need not wait for it any more.")
    then({domain_of(again.batch.asset) for again in sent}, now, batches=[again.batch.id for again in sent])


@app.command()
def discard(
    why: Why,
    ids: Ids = None,
    dataset: Dataset = "",
    reason: Reason = "",
    column: Column = "",
    batch: Batch = "",
) -> None:
    """End open refusals for good: nobody will look at them again. What was refused stays in quarantine."""
    from common.repair.decide import discard as end

    number = end(_filter(ids, dataset, reason, column, batch), because(why))
    console.print(f"Discarded {number} refusal{'s' if number > 1 else ''}.")
