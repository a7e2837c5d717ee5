"""Commands that do things again, and say beforehand what would come of it."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from common.cli.listing import group
from common.cli.options import Json, Now, Why, because, domain_of, errors, sweep_now, then
from common.cli.show import console, show
from common.core.beginnings import meant
from common.core.errors import ConfigError

backfill = group("Do partitions of a table again; see what would be done first.")
plan = group("What a hop, a load or a replay would do; writes nothing.")

Table = Annotated[str, typer.Argument(help="A dataset or gold table, or its beginning, as in ecommerce.trans.")]
First = Annotated[str, typer.Option("--from", help="First partition, as in 1997-01.")]
Last = Annotated[str, typer.Option("--to", help="Last partition, included.")]
All = Annotated[
    bool, typer.Option("--all", help="All of the table in one commit: every delivery read under today's contract.")
]
Only = Annotated[list[str] | None, typer.Option("--only", help="Only those that are missing, failed or stale.")]
BatchId = Annotated[str, typer.Argument(help="Id of a batch, as `watershed batches` shows it.")]
To = Annotated[str, typer.Option("--to", help="Last zone to do again: silver, gold or warehouse; the next by default.")]
COUNTS = ["consumer", "batches", "taken", "good", "merged", "refused"]
Rows = list[dict[str, Any]]


def sweep(domain: Annotated[str, typer.Argument(help="A domain; all without it.")] = "", as_json: Json = False) -> None:
    """Do every hop that is due, here and now, as the DAGs would; needs no Airflow.

    Exit code 2 where one failed, or a contract or model has a fault, so that its hops are left out.
    """
    from common.contracts.catalogue import contract_faults, domains
    from common.models.model import model_faults

    wanted = [domain] if domain else domains()
    wrong = [fault for name in wanted for found in (contract_faults, model_faults) for fault in found(name).values()]
    for fault in wrong:
        errors.print(fault, markup=False, highlight=False, soft_wrap=True)
    sweep_now(wanted, as_json)
    if wrong:
        raise typer.Exit(2)


def replay(
    batch: BatchId,
    why: Why,
    to: To = "",
    now: Now = False,
    as_json: Json = False,
) -> None:
    """Do a batch again: its rows replace what they gave before, so that an unchanged contract gives the same table."""
    from common.repair.decide import replay as again

    done = again(batch, to, because(why))
    rows = [{"batch": one.batch.id, "asset": one.batch.asset, "again": one.batch.parents[0]} for one in done]
    show(rows, ["batch", "asset", "again"], as_json=as_json and not now, empty="Nothing reads this batch.")
    then({domain_of(one.batch.asset) for one in done}, now, as_json, [one.batch.id for one in done])


def restate(
    load: Annotated[str, typer.Argument(help="A load, as in ecommerce.users@warehouse.")],
    key: Annotated[list[str], typer.Option(help="A key: COLUMN=VALUE,COLUMN=VALUE. Say it again for another one.")],
    why: Why,
    now: Now = False,
    as_json: Json = False,
) -> None:
    """Load chosen keys of a warehouse's table again: its rows of them become those that the lake has."""
    from common.repair.decide import restate as again

    done = again(load, key, because(why))
    rows = [{"batch": one.batch.id, "load": load, "keys": len(key)} for one in done]
    show(rows, ["batch", "load", "keys"], as_json=as_json and not now, empty=f"{load} has loaded nothing yet.")
    then({domain_of(one.batch.asset) for one in done}, now, as_json, [one.batch.id for one in done])


@backfill.command("plan")
def backfill_plan(
    table: Table,
    first: First = "",
    last: Last = "",
    only: Only = None,
    whole: All = False,
    as_json: Json = False,
) -> None:
    """Show how each partition stands and what doing it again would give; nothing is written."""
    from common.ledger.database import transaction
    from common.repair.backfill import backfilled, backfilled_whole
    from common.repair.decide import chosen
    from common.repair.origins import table_named

    _require_one(whole, first, last, only)
    dataset = table_named(table)
    with transaction() as connection:
        states = [] if whole else chosen(connection, dataset, first, last, only or [])
        derived = backfilled_whole(connection, dataset) if whole else backfilled(connection, dataset, states)
    rows = [asdict(state) | {"batches": len(state.batches)} for state in states]
    if not as_json and not whole:
        show(rows, ["partition", "state", "why", "batches"], as_json=False, empty="There is no such partition.")
    _show_plans([_planned(one.batch) for one in derived], as_json)


@backfill.command("run")
def backfill_run(
    table: Table,
    why: Why,
    first: First = "",
    last: Last = "",
    only: Only = None,
    whole: All = False,
    now: Now = False,
) -> None:
    """Do partitions again, or all: the files of a silver table, the slices of a gold one."""
    from common.repair.decide import backfill as again
    from common.repair.decide import backfill_whole
    from common.repair.origins import table_named

    _require_one(whole, first, last, only)
    dataset, by = table_named(table), because(why)
    done = backfill_whole(dataset, by) if whole else again(dataset, first, last, only or [], by)
    console.print(f"{len(done)} batch{'es are' if len(done) != 1 else ' is'} to be done again.")
    if done:
        then({table_named(table).domain}, now, batches=[one.batch.id for one in done])


def _require_one(whole: bool, first: str, last: str, only: list[str] | None) -> None:
    if whole and (first or last or only):
        raise ConfigError("--all is all of the table: leave out --from, --to and --only, or leave out --all.")


@backfill.command("status")
def backfill_status(table: Table, first: First = "", last: Last = "", as_json: Json = False) -> None:
    """Show how each partition stands: done, stale, failed, waiting, waived or missing."""
    from common.ledger.database import transaction
    from common.repair.decide import chosen
    from common.repair.origins import table_named

    with transaction() as connection:
        states = chosen(connection, table_named(table), first, last, [])
    show(map(asdict, states), ["partition", "state", "why"], as_json=as_json, empty="There is no such partition.")


@backfill.command()
def waive(table: Table, partition: Annotated[str, typer.Argument(help="The partition.")], why: Why) -> None:
    """Say that a partition of a dataset will never come, so that gold goes on without it."""
    from common.repair.decide import waive as give_up
    from common.repair.origins import table_named

    give_up(table_named(table), partition, because(why))
    console.print(f"Partition {partition} of {table} is waived; models that waited for it are due.")


@plan.command("hop")
def plan_hop(
    consumer: Annotated[str, typer.Argument(help="A consumer, as `watershed status` shows it, or its beginning.")],
    as_json: Json = False,
) -> None:
    """Tell what the next hop of a consumer would take, insert, merge and refuse."""
    from common.pipelines.kinds import all_consumers

    begins = [known.name for known in all_consumers() if known.name.startswith(consumer)]
    # Where none begins so, the error names those that are missing by a fault of their contract.
    _show_plans([_plan(meant("consumer", consumer, begins) if begins else consumer, None)], as_json)


@plan.command("load")
def plan_load(
    table: Annotated[str, typer.Argument(help="A warehouse table, or its beginning, as in ecommerce.daily_revenue@.")],
    as_json: Json = False,
) -> None:
    """Tell what the next load of a table would insert and update."""
    from common.pipelines.kinds import all_consumers

    names = [consumer.name for consumer in all_consumers() if consumer.kind == "load"]
    chosen = [name for name in names if name.startswith(table)]
    if not chosen:
        raise ConfigError(f"No load of '{table}'. Known: {', '.join(names)}.")
    _show_plans([_plan(name, None) for name in chosen], as_json)


@plan.command("replay")
def plan_replay(batch: BatchId, to: To = "", as_json: Json = False) -> None:
    """Tell what doing a batch again would give."""
    from common.ledger.database import transaction
    from common.repair.decide import planned_replay

    with transaction() as connection:
        derived = planned_replay(connection, batch, to)
    _show_plans([_planned(one.batch) for one in derived], as_json)


def _planned(batch: Any) -> dict[str, Any]:
    from common.pipelines.kinds import reader_of

    return _plan(reader_of(batch).name, [batch])


def _plan(consumer: str, batches: list[Any] | None) -> dict[str, Any]:
    from common.pipelines.kinds import consumer_named, step_of
    from common.pipelines.plan import plan as look

    counts = look(step_of(consumer_named(consumer)), batches)
    return {"consumer": consumer, "batches": len(batches or []) or None, **(vars(counts) if counts else {"taken": 0})}


def _show_plans(rows: Rows, as_json: bool) -> None:
    show(rows, COUNTS, as_json=as_json, empty="There is nothing to do.")
