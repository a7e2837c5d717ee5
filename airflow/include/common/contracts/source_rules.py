"""What can be wrong with the source of a contract."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from common.contracts.contract import TIMES, Contract, Kind
from common.contracts.document import Fault
from common.contracts.literals import ISO_DATE, is_zone
from common.contracts.sources import CLOCK, OF_A_DAY, SIGN, WHOLE, SourceKind, SourceSpec, duration
from common.core.crons import is_cron, next_after

EVERY = ("kind", "conn", "schedule", "zone")
WORDS = {  # of a kind: those that it needs, and those that it may have
    SourceKind.SHEET: (("spreadsheet", "range"), ()),
    SourceKind.TABLE: (("table",), ("watermark", "overlap", "since", "due")),
    SourceKind.FOLDER: (("url", "pattern"), ()),
}
BY_WATERMARK, BY_DAY = ("watermark", "overlap"), ("since", "due")
WHERE = "/customProperties/source"
MONDAY, TICK = datetime(2024, 1, 1, tzinfo=UTC), timedelta(seconds=1)


def source_faults(contract: Contract) -> Iterator[Fault]:
    """List what is wrong with the source of a contract, if it has one."""
    spec = contract.source
    if spec is None:
        return
    if spec.kind not in list(SourceKind):
        yield Fault(f"{WHERE}/kind", f"no '{spec.kind}'. Known: {', '.join(SourceKind)}.")
        return
    yield from _schedule(spec)
    yield from _words(spec)
    if spec.kind == SourceKind.SHEET and not contract.key and not contract.replaces:
        yield Fault(
            WHERE,
            "reads the whole sheet again whenever it changes, so its rows would count again and again: say which "
            "column is `primaryKey`, or `delivery: replace`, with which the newest revision is all there is.",
        )
    if spec.daily:
        yield from _days(spec)
    elif spec.kind == SourceKind.TABLE:
        yield from _watermark(contract, spec)


def _schedule(spec: SourceSpec) -> Iterator[Fault]:
    for word in ("conn", "schedule"):
        if not getattr(spec, word).strip():
            yield Fault(f"{WHERE}/{word}", "is empty.")
    if spec.schedule.strip() and not is_cron(spec.schedule):
        yield Fault(f"{WHERE}/schedule", f"'{spec.schedule}' is no cron; expected five fields, as in '15 2 * * *'.")
    if not is_zone(spec.zone):
        yield Fault(f"{WHERE}/zone", f"no time zone '{spec.zone}'; expected one as Europe/Berlin.")


def _words(spec: SourceSpec) -> Iterator[Fault]:
    """List the words that a kind lacks, and those that mean nothing for it."""
    needed, possible = WORDS[SourceKind(spec.kind)]
    what, idle = f"a {spec.kind}", (*needed, *possible)
    if spec.kind == SourceKind.TABLE:
        more, other = (BY_DAY, BY_WATERMARK) if spec.daily else (BY_WATERMARK, BY_DAY)
        needed = (*needed, *more) if not spec.daily else (*needed, "since")
        what = "one table a day (its name has strftime signs)" if spec.daily else "a table without strftime signs"
        idle = tuple(word for word in idle if word not in other)
    for word in needed:
        if not getattr(spec, word):
            yield Fault(WHERE, f"{what} needs '{word}'.")
    for word in vars(spec):
        if word not in (*EVERY, *idle) and getattr(spec, word):
            yield Fault(f"{WHERE}/{word}", f"means nothing for {what}; its words are {', '.join((*EVERY, *idle))}.")


def _days(spec: SourceSpec) -> Iterator[Fault]:
    signs = SIGN.findall(spec.table)
    if set(signs) not in OF_A_DAY or len(signs) > len(set(signs)):
        yield Fault(
            f"{WHERE}/table",
            f"has the signs {', '.join(signs)}; expected %Y, %m and %d once each, or %Y and %j: "
            "the name must tell one day and no other.",
        )
    if spec.since and not _is_date(spec.since):
        yield Fault(f"{WHERE}/since", f"found '{spec.since}'; expected a date as 2024-12-31.")
    if spec.due and not CLOCK.fullmatch(spec.due):
        yield Fault(f"{WHERE}/due", f"found '{spec.due}'; expected a time of the following day as '06:00'.")
    elif spec.due and is_cron(spec.schedule) and not _looked_before(spec):
        yield Fault(
            f"{WHERE}/due",
            f"is '{spec.due}', but '{spec.schedule}' does not run each day between midnight and then, so nobody would "
            "have looked for the table.",
        )


def _looked_before(spec: SourceSpec) -> bool:
    """Return whether each day of a week has a run between midnight and the time at which a table is due."""
    found = CLOCK.fullmatch(spec.due)
    allowed = timedelta(hours=int(found[1]), minutes=int(found[2])) if found else timedelta()
    midnights = (MONDAY + timedelta(days=day) for day in range(7))
    return all(next_after(spec.schedule, at - TICK) <= at + allowed for at in midnights)


def _is_date(text: str) -> bool:
    try:
        return bool(ISO_DATE.fullmatch(text) and date.fromisoformat(text))
    except ValueError:
        return False


def _watermark(contract: Contract, spec: SourceSpec) -> Iterator[Fault]:
    if not contract.key:
        yield Fault(
            f"{WHERE}/watermark",
            "reads the rows of the overlap more than once, so rows need an identity, but no column is `primaryKey`.",
        )
    timed, whole = duration(spec.overlap) is not None, bool(WHOLE.fullmatch(spec.overlap))
    if spec.overlap and not (timed or whole):
        yield Fault(
            f"{WHERE}/overlap",
            f"found '{spec.overlap}'; expected a duration as 30s, 15m, 2h or 1d, or a whole number for a number.",
        )
    column = next((column for column in contract.columns if column.source == spec.watermark), None)
    if column and column.kind not in (*TIMES, Kind.INTEGER):
        yield Fault(f"{WHERE}/watermark", f"'{spec.watermark}' is {column.type}; it must be a time or a whole number.")
    elif column and ((column.kind in TIMES and whole) or (column.kind is Kind.INTEGER and timed)):
        expected = "a duration, as 15m" if whole else "a whole number"
        yield Fault(f"{WHERE}/overlap", f"found '{spec.overlap}', but '{spec.watermark}' is {column.type}: {expected}.")
