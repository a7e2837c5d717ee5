"""Dates and times from texts and from typed files: as written, in UTC, and never by a guess."""

from collections.abc import Callable
from datetime import date
from functools import partial

import polars as pl

from common.contracts.contract import Clock, Column
from common.contracts.times import Pattern, pattern_of

FIRST, LAST = date(1, 1, 1), date(9999, 12, 31)
DAY, MINUTE = 86_400_000_000, 60_000_000  # microseconds
UNIX = date(1970, 1, 1).toordinal()
LEAST, MOST = (FIRST.toordinal() - UNIX) * DAY, (LAST.toordinal() + 1 - UNIX) * DAY - 1
FOUR_DIGITS = (date(1000, 1, 1).toordinal() - UNIX) * DAY  # a year before it may have been written with fewer
CALENDAR = 90_000_000  # days from 1970 for which the engine has a calendar; it panics beyond
PER_MICROSECOND = {"ms": (1000, 1), "us": (1, 1), "ns": (1, 1000)}
ISO_DATES = (pattern_of("%Y-%m-%d", clock=False), pattern_of("%Y%m%d", clock=False))
ISO_TIMES = tuple(  # without a fraction the engine reads them seven times as fast
    pattern_of(text, clock=True) for text in ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S")
)
CLOCK = r"([0-2][0-9]):?([0-5][0-9])(?::?([0-5][0-9])(?:[.,]([0-9]+))?)?"
ZONE = r" ?([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?"
LAYOUTS = (
    ("%Y-%m-%d", rf"^([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})(?:[Tt ]{CLOCK.replace(':?', ':')}{ZONE})?$"),
    ("%Y%m%d", rf"^([0-9]{{8}})(?:[Tt]{CLOCK.replace(':?', '')}{ZONE})?$"),
)
MIDNIGHT = r"^([0-9-]+)[Tt ]00:?00(?::?00(?:[.,]0+)?)? ?(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?$"
FAR = "beyond the calendar:"  # what stands for a time of a typed file that has no text
BEYOND = r"^[+-][0-9]{4,6}-[0-9]{2}-[0-9]{2}"

Parse = Callable[[pl.Series, Pattern], pl.Series]


def text_of(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Return dates and times of typed files as ISO 8601, in their own zone; those beyond all calendars say so."""
    if isinstance(dtype, pl.Date):
        held = value.to_physical().is_between(-CALENDAR, CALENDAR)
        return _or_beyond(held, value, pl.when(held).then(value).cast(pl.String))
    if not isinstance(dtype, pl.Datetime):
        return value.cast(pl.String)
    held = _microseconds(value, dtype).is_between(-CALENDAR * DAY, CALENDAR * DAY)
    kept = pl.when(held).then(value)
    zone = "%:z" if dtype.time_zone else ""
    text = kept.dt.to_string(f"%Y-%m-%dT%H:%M:%S%.6f{zone}")
    if dtype.time_unit == "ns":
        fine = value.to_physical() % 1000 != 0
        text = pl.when(fine).then(kept.dt.to_string(f"%Y-%m-%dT%H:%M:%S%.9f{zone}")).otherwise(text)
    return _or_beyond(held, value, text)


def _or_beyond(held: pl.Expr, value: pl.Expr, text: pl.Expr) -> pl.Expr:
    far = pl.format(FAR + " {}", value.to_physical())
    return pl.when(held).then(text).when(value.is_not_null()).then(far)


def _microseconds(value: pl.Expr, dtype: pl.Datetime) -> pl.Expr:
    """Return a time in whole microseconds; far ones, which 64 bits do not hold, are the farthest."""
    times, by = PER_MICROSECOND[dtype.time_unit]
    return value.to_physical().clip(-(2**63) // times + 1, (2**63 - 1) // times) * times // by


def dates(text: pl.Expr, value: pl.Expr, dtype: pl.DataType | None, column: Column) -> pl.Expr:
    """Return dates: of a time only at midnight, as written; null where the text is none."""
    if isinstance(dtype, pl.Date):
        return value
    if isinstance(dtype, pl.Datetime):
        wall = _wall(value, dtype)
        return pl.when(wall % DAY == 0).then(wall // DAY).cast(pl.Int32, strict=False).cast(pl.Date)
    return text.map_batches(partial(_dates, patterns=_date_patterns(column)), return_dtype=pl.Date())


def usual_dates(text: pl.Expr, column: Column) -> pl.Expr:
    """Return what `dates` does of texts in a usual pattern; null where only a closer look can tell."""
    read = partial(_by_turns, patterns=_date_patterns(column), parse=_date)
    return text.map_batches(read, return_dtype=pl.Date())


def _date_patterns(column: Column) -> tuple[Pattern, ...]:
    declared = tuple(pattern_of(text, clock=False) for text in column.formats)
    digits = any(pattern.width == 8 for pattern in declared)  # then eight digits are no ISO date
    return (*declared, *(ISO_DATES[:1] if digits else ISO_DATES))


def _wall(value: pl.Expr, dtype: pl.Datetime) -> pl.Expr:
    """Return what a clock of the value's own zone shows, in microseconds; null where a finer digit is shown."""
    local: pl.Expr = pl.when(_microseconds(value, dtype).is_between(LEAST, MOST)).then(value)
    local = local.dt.replace_time_zone(None) if dtype.time_zone else local
    exact = local.to_physical() % PER_MICROSECOND[dtype.time_unit][1] == 0
    beyond = pl.when(value.is_not_null()).then(pl.lit(MOST + 1))
    return pl.when(local.is_null()).then(beyond).when(exact).then(_microseconds(local, dtype))


def _dates(texts: pl.Series, patterns: tuple[Pattern, ...]) -> pl.Series:
    found = _by_turns(texts, patterns, _date)
    left = (found.is_null() & texts.is_not_null()).arg_true()
    if left.is_empty():
        return found
    rest = texts.gather(left)
    midnight = _by_turns(rest.str.extract(MIDNIGHT), ISO_DATES, _date)
    far = cleared(rest, ~rest.str.contains(BEYOND)).str.extract("^([+-][0-9]+-[0-9]{2}-[0-9]{2})$")
    parsed = far.str.to_date("%Y-%m-%d", strict=False)
    days = parsed.to_physical()
    parsed = cleared(parsed, days.is_between(LEAST // DAY, MOST // DAY))
    return found.scatter(left, midnight.zip_with(midnight.is_not_null(), parsed))


def _by_turns(texts: pl.Series, patterns: tuple[Pattern, ...], parse: Parse) -> pl.Series:
    """Parse by the first pattern that fits; each is tried only on what those before it have left."""
    found = parse(texts, patterns[0])
    for pattern in patterns[1:]:
        left = (found.is_null() & texts.is_not_null()).arg_true()
        if left.is_empty():
            break
        found = found.scatter(left, parse(texts.gather(left), pattern))
    return found


def _date(texts: pl.Series, pattern: Pattern) -> pl.Series:
    found = texts.str.to_date(pattern.strptime, strict=False)
    days = found.to_physical()
    return _without_doubt(texts, found, days.is_between(FOUR_DIGITS // DAY, MOST // DAY), pattern)


def _without_doubt(texts: pl.Series, found: pl.Series, sure: pl.Series, pattern: Pattern) -> pl.Series:
    """Leave out what the engine read otherwise than the pattern says; only texts in doubt are looked at twice."""
    doubt = ~sure
    if pattern.wary:
        doubt = found.is_not_null()
    elif "%S" in pattern.strptime:
        minutes = (found % MINUTE == 0).arg_true()  # as a 60th second is read
        sixty = minutes.filter(texts.gather(minutes).str.contains("60", literal=True))
        doubt = doubt.scatter(sixty, values=True) if sixty.len() else doubt
    if pattern.width is not None:
        doubt |= texts.str.len_bytes() != pattern.width
    at = (doubt & found.is_not_null()).arg_true()
    if at.is_empty():
        return found
    wrong = at.filter(~texts.gather(at).str.contains(pattern.strict))
    return cleared(found, pl.int_range(found.len(), eager=True).is_in(wrong.implode())) if wrong.len() else found


def moments(text: pl.Expr, value: pl.Expr, dtype: pl.DataType | None, column: Column) -> pl.Expr:
    """Return points in time in UTC; times without an offset are of the contract's zone. Null where it is none."""
    clock = column.clock
    if isinstance(dtype, pl.Datetime):
        return _typed(value, dtype, clock)
    if isinstance(dtype, pl.Date):
        midnight = value.to_physical().cast(pl.Int64).clip(LEAST // DAY - 1, MOST // DAY + 1) * DAY
        return _typed(midnight.cast(pl.Datetime("us")), pl.Datetime("us"), clock)
    read = partial(_moments, patterns=_moment_patterns(column), clock=clock)
    return text.map_batches(read, return_dtype=pl.Datetime("us", "UTC"))


def usual_moments(text: pl.Expr, column: Column) -> pl.Expr:
    """Return what `moments` does of texts in a usual pattern; null where only a closer look can tell."""
    read = partial(_by_turns, patterns=_moment_patterns(column), parse=partial(_moment, clock=column.clock))
    return text.map_batches(read, return_dtype=pl.Datetime("us", "UTC"))


def _moment_patterns(column: Column) -> tuple[Pattern, ...]:
    return (*(pattern_of(text, clock=True) for text in column.formats), *ISO_TIMES)


def _typed(value: pl.Expr, dtype: pl.Datetime, clock: Clock) -> pl.Expr:
    if clock.offset is not None and clock.offset is not bool(dtype.time_zone):
        return pl.lit(None, pl.Datetime("us", "UTC"))
    micro = _microseconds(value, dtype)
    if dtype.time_unit == "ns" and not clock.cut:
        micro = pl.when(value.to_physical() % 1000 == 0).then(micro)
    if dtype.time_zone or clock.zone == "UTC":
        return micro.cast(pl.Datetime("us", "UTC"))
    return micro.map_batches(partial(_in_zone, clock=clock), return_dtype=pl.Datetime("us", "UTC"))


def _in_zone(micro: pl.Series, clock: Clock) -> pl.Series:
    """Return what a clock shows as a point in time; null for what it never shows, or shows twice."""
    if clock.zone == "UTC":
        return micro.cast(pl.Datetime("us", "UTC"))
    held = micro.is_between(LEAST, MOST)
    which = {"earlier": "earliest", "later": "latest", None: "null"}[clock.overlap]
    wall = cleared(micro, ~held).cast(pl.Datetime("us"))
    utc = wall.dt.replace_time_zone(clock.zone, ambiguous=which, non_existent="null").dt.convert_time_zone("UTC")  # type: ignore[arg-type]
    return utc.zip_with(held.fill_null(value=True), micro.cast(pl.Datetime("us", "UTC")))  # the others are refused


def _moments(texts: pl.Series, patterns: tuple[Pattern, ...], clock: Clock) -> pl.Series:
    found = _by_turns(texts, patterns, partial(_moment, clock=clock))
    for day, layout in LAYOUTS:
        left = (found.is_null() & texts.is_not_null()).arg_true()
        if left.is_empty():
            return found
        found = found.scatter(left, _iso(texts.gather(left), day, layout, clock))
    return _far(texts, found)


def _moment(texts: pl.Series, pattern: Pattern, clock: Clock) -> pl.Series:
    zoned = pattern.zoned or pattern.strptime.endswith("Z")
    if clock.offset is not None and clock.offset is not zoned:
        return pl.Series(texts.name, [None], pl.Datetime("us", "UTC")).new_from_index(0, texts.len())
    found = texts.str.to_datetime(pattern.strptime, strict=False, time_unit="us", cache=False)
    micro = found.to_physical()
    sure = micro.is_between(FOUR_DIGITS, MOST)
    micro = _without_doubt(texts, micro, sure, pattern)
    if "%.f" in pattern.strptime and not clock.cut:
        micro = cleared(micro, texts.str.contains(r"\.[0-9]{6}[0-9]*[1-9]"))
    return micro.cast(pl.Datetime("us", "UTC")) if zoned else _in_zone(micro, clock)


def _iso(texts: pl.Series, written: str, layout: str, clock: Clock) -> pl.Series:
    """Read what RFC 3339 allows of ISO 8601, with the seconds or all of the time left out."""
    parts = texts.str.extract_groups(layout).struct.unnest()
    day, hour, minute, second, fraction, zone = parts.get_columns()
    days = day.str.to_date(written, strict=False).to_physical().cast(pl.Int64)
    hours = hour.cast(pl.Int64).fill_null(0)
    seconds = (hours * 60 + minute.cast(pl.Int64).fill_null(0)) * 60 + second.cast(pl.Int64).fill_null(0)
    micro = days * DAY + seconds * 1_000_000 + fraction.str.slice(0, 6).str.pad_end(6, "0").cast(pl.Int64).fill_null(0)
    micro = cleared(micro, (hours > 23) | (not clock.cut and fraction.str.slice(6).str.contains("[1-9]")))
    offset = _offset(zone)
    if clock.offset is not None:
        micro = cleared(micro, zone.is_null() if clock.offset else zone.is_not_null())
    known = (micro - offset).cast(pl.Datetime("us", "UTC"))
    return known.zip_with(zone.is_not_null(), _in_zone(micro, clock))


def _offset(zone: pl.Series) -> pl.Series:
    """Return offsets in microseconds, null where there is none or where it is more than a day."""
    parts = zone.str.extract_groups(r"^([+-])([01][0-9]|2[0-3]):?([0-5][0-9])?$").struct.unnest().get_columns()
    minutes = parts[1].cast(pl.Int64) * 60 + parts[2].cast(pl.Int64).fill_null(0)
    found = minutes.zip_with((parts[0] != "-").fill_null(value=True), -minutes) * 60_000_000
    return found.set(zone.is_in(["Z", "z"]).fill_null(value=False), 0)


def _far(texts: pl.Series, found: pl.Series) -> pl.Series:
    """Mark times of years that are written with a sign as out of range, which says more than that they are no times."""
    far = found.is_null() & texts.str.contains(BEYOND).fill_null(value=False)
    return found.to_physical().set(far, MOST + 1).cast(pl.Datetime("us", "UTC")) if far.any() else found


def cleared(values: pl.Series, where: pl.Series) -> pl.Series:
    """Return values without those that a mask marks."""
    return pl.select(pl.when(~where.fill_null(value=False)).then(values).alias(values.name)).to_series()
