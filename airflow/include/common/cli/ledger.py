"""Commands that answer from the ledger, with no Airflow running."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from common.cli.listing import group
from common.cli.options import Json, Limit, Why, because, who
from common.cli.show import ALSO, console, counted, print_json, show
from common.contracts.catalogue import domains
from common.core.errors import ConfigError

ledger = group("Verify the ledger against what it speaks of, or rebuild it.")
audit = group("Who decided what, when and why; a chain that shows tampering.")


def apply(
    plan: Annotated[
        bool, typer.Option("--plan", help="Print the SQL that would change tables of warehouses, and do nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make what contracts and models need: ledger, lake tables, warehouse tables, tokens. Safe to repeat.

    Exit code 1 where a contract or table is at fault; all others are made.
    """
    if plan:
        _plan(as_json=as_json)
        return
    from common.pipelines.dag_files import domains_without_dags
    from common.upkeep.apply import apply_all

    found, done = apply_all(), dict[str, list[str]]()
    for consumer in found.done:
        done.setdefault(consumer.kind, []).append(consumer.name)
    wrong = [*found.faults, *(f"{type(error).__name__}: {error}" for error in found.errors)]
    undriven = domains_without_dags()
    if as_json:
        print_json({**done, **({"faults": wrong} if wrong else {}), **({"undriven": undriven} if undriven else {})})
    else:
        console.print("Applied: " + ", ".join(f"{len(names)} {kind}" for kind, names in done.items()) + ".")
        for domain, what_to_do in undriven.items():
            console.print(f"{domain}: {what_to_do}", style="yellow", markup=False, highlight=False, soft_wrap=True)
        for fault in wrong:
            console.print(fault, style="red", markup=False, highlight=False, soft_wrap=True)
    if wrong:
        raise typer.Exit(1)


def _plan(*, as_json: bool) -> None:
    from common.upkeep.apply import planned

    plan = planned()
    if as_json:
        print_json({name: value for name, value in vars(plan).items() if value or name == "changes"})
    else:
        for name, statements in plan.changes.items():
            console.print(f"-- {name}", style="dim", highlight=False)
            for statement in statements:
                console.print(f"{statement};", markup=False, highlight=False, soft_wrap=True)
        if not plan.changes:
            console.print("No table of a warehouse would change.")
        for why in plan.kept.values():
            console.print(why, style="yellow", markup=False, highlight=False, soft_wrap=True)
        for fault in plan.faults:
            console.print(fault, style="red", markup=False, highlight=False, soft_wrap=True)
    if plan.faults:
        raise typer.Exit(1)


def status(
    consumer: Annotated[str, typer.Argument(help="Beginning of a consumer's name; all without it.")] = "",
    check: Annotated[
        bool, typer.Option("--check", help="For a monitor: exit code 1 at an open incident, 3 where nobody watches.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show each consumer: what it has taken, what waits and why, what is parked."""
    if check:
        from common.cli.incidents import check_up

        check_up(consumer, as_json)
        return
    from common.cli.known import require_consumer
    from common.ledger.database import transaction
    from common.ledger.queries import consumers, incidents
    from common.pipelines.waits import waits

    with transaction() as connection:
        require_consumer(connection, consumer)
        found, open_ones = consumers(connection, consumer), incidents(connection, consumer)
        waiting = [asdict(one) for one in waits(connection, found, consumer)]
    raw = {
        domain: _in_raw(domain) for domain in domains() if domain.startswith(consumer) or consumer.startswith(domain)
    }
    if as_json:
        print_json({"consumers": found, "raw": raw, "waits": waiting, "incidents": open_ones})
        return
    show(
        counted(found),
        ["consumer", "hops", "in", "new", ALSO, "refused", "waiting", "parked", "last"],
        as_json=False,
        empty="No consumer is known. Run `watershed apply`.",
        narrow=["consumer", "refused", "waiting", "parked", "last"],
    )
    for domain, files in raw.items():
        console.print(f"raw/{domain}: {'the store does not answer' if files is None else f'{files:,} files'}")
    if waiting:
        show(waiting, ["consumer", "partition", "batches", "word", "since", "why"], as_json=False, empty="")
    if open_ones:
        show(open_ones, ["id", "kind", "consumer", "batch", "opened", "told", "detail"], as_json=False, empty="")


def _in_raw(domain: str) -> int | None:
    """Count the files of a domain that nobody has taken out of raw; None where the store does not say."""
    from common.core.errors import WatershedError
    from common.pipelines.look import in_raw

    try:
        return len(in_raw(domain))
    except WatershedError:
        return None


def batches(
    asset: Annotated[str, typer.Argument(help="Beginning of an asset's name, as in ecommerce.users.")] = "",
    partition: Annotated[str, typer.Option(help="Only those of a partition.")] = "",
    file: Annotated[str, typer.Option(help="Only those whose file ends so, as in users/late.csv.")] = "",
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """List batches, the newest first."""
    from common.cli.known import require_asset
    from common.ledger.database import transaction
    from common.ledger.queries import BatchFilter
    from common.ledger.queries import batches as found

    with transaction() as connection:
        require_asset(connection, asset)
        rows = found(connection, BatchFilter(asset, partition, file), limit)
    columns = ["id", "asset", "partition", "records", "bytes", "origin", "created"]
    show(rows, columns, as_json=as_json, empty="There is no such batch.")


def hops(
    consumer: Annotated[str, typer.Argument(help="Beginning of a consumer's name; all without it.")] = "",
    state: Annotated[str, typer.Option(help="open or published; both without it.")] = "",
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """List hops, the newest first: what each took and gave, by which attempt, or who is at work on it."""
    from common.cli.known import HOP_STATES, require_consumer, require_known
    from common.ledger.database import transaction
    from common.ledger.queries import hops as found

    require_known("state", state, HOP_STATES)
    with transaction() as connection:
        require_consumer(connection, consumer)
        rows = found(connection, consumer, state, limit)
    numbers = ["in", "new", ALSO, "refused", "tied", "unknown"]
    show(
        rows if as_json else counted(rows),
        ["consumer", "n", "state", *numbers, "batches", "owner", "opened", "published"],
        as_json=as_json,
        empty="There is no such hop.",
        narrow=["consumer", "n", "state", "refused", "published"],
    )


@ledger.command()
def verify(
    consumer: Annotated[str, typer.Argument(help="Beginning of a consumer's name; all without it.")] = "",
    as_json: Json = False,
) -> None:
    """Compare the ledger with heads, manifests, Delta logs, load tokens and objects; exit code 1 where they differ."""
    from common.cli.known import require_consumer
    from common.ledger.database import transaction
    from common.upkeep.verify import verify as differences

    with transaction() as connection:
        require_consumer(connection, consumer)
    rows = [{"consumer": name, "difference": difference} for name, difference in differences(consumer)]
    show(rows, ["consumer", "difference"], as_json=as_json, empty="The ledger agrees with everything it speaks of.")
    if rows:
        raise typer.Exit(1)


@ledger.command()
def rebuild(
    from_nothing: Annotated[bool, typer.Option("--from-nothing", help="Drop every table of the ledger first.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Bring a lost ledger, or one from a backup, to what targets, manifests and the journal say."""
    from common.upkeep.rebuild import rebuild as again

    if from_nothing and not yes:
        typer.confirm("Drop every table of the ledger and rebuild it from the targets?", abort=True)
    done = again(who(), from_nothing=from_nothing)
    if as_json:
        print_json(asdict(done))
    else:
        found = sum(done.hops.values())
        console.print(f"Found {found} hops of {len(done.hops)} consumers and {done.decisions} decisions of people.")
        for message in done.ahead:
            console.print(message, style="red", markup=False)
    if done.ahead:
        raise typer.Exit(1)


@audit.command("ls")
def list_audit(limit: Limit = 50, as_json: Json = False) -> None:
    """List what people decided, the newest last."""
    from common.ledger.database import transaction
    from common.ledger.journal import entries

    with transaction() as connection:
        rows = [asdict(entry) for entry in entries(connection, limit)]
    shown = [row | {"about": _about(row["detail"]), "why": row["detail"].get("why", "")} for row in rows]
    columns = ["n", "at", "who", "what", "about", "why"]
    show(shown if not as_json else rows, columns, as_json=as_json, empty="Nobody decided yet.")


def _about(detail: Mapping[str, Any]) -> str:
    """Name what a decision is about, where it names a dataset or consumers."""
    named = [consumer for _, consumer, _ in detail.get("incidents", [])]
    return ", ".join(dict.fromkeys([*named, *(detail[name] for name in ("consumer", "dataset") if name in detail)]))


@audit.command("export")
def export_audit(
    to: Annotated[Path, typer.Argument(help="File to write: one JSON object a line, the seal last.")],
    key: Annotated[Path, typer.Option("--sign-with", help="File of the private Ed25519 key, PEM, without a password.")],
    why: Why,
) -> None:
    """Write the whole audit log to a file and seal its end, in the file and in the object store.

    Whoever has the file and the public key can verify it without this system: `watershed audit verify FILE --key`.
    """
    from common.repair.decide import export_audit_log

    console.print(f"Wrote {to}, {export_audit_log(to, key, because(why))} entries, and sealed it.")


@audit.command("verify")
def verify_audit(
    file: Annotated[
        Path | None, typer.Argument(help="An export to verify by itself, in place of the ledger's log.")
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", help="File of the public key that seals are checked by.")] = None,
    as_json: Json = False,
) -> None:
    """Check the chain of the audit log, its copy in the object store and its seals; exit code 1 where one is broken.

    An export needs the public key and nothing else: no ledger, no object store, no settings.
    """
    from common.ledger import seals
    from common.ledger.database import transaction
    from common.ledger.journal import tampered

    public = seals.public_key(key) if key else None
    if file is None:
        with transaction() as connection:
            faults = [*tampered(connection), *seals.faults_of_seals(connection, public)]
    elif public is None:
        raise ConfigError("An export is verified by the public key of who sealed it: add --key FILE.")
    else:
        faults = seals.faults_of_export(file, public)
    show([{"fault": fault} for fault in faults], ["fault"], as_json=as_json, empty="The audit log is whole.")
    if faults:
        raise typer.Exit(1)
