"""The cleaning spec of a contract as expressions of Spark: texts that prove themselves become typed values.

They are sound and not complete, as the fast lane of one machine is: a value of which they are sure is the one that
`clean` makes, and passes the checks. Each says only what every engine says alike: ASCII digits by a regular expression,
whole numbers, comparisons, and the calendar by arithmetic. Dates and times are numbers of days and microseconds.
"""

import re
from collections.abc import Iterator

from pyspark.sql import Column as Expr
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from common.contracts.contract import Column, Contract, Kind
from common.contracts.literals import FALSE, TRUE
from common.refine.clean import null_values
from common.refine.moments import DAY, LEAST, MOST
from common.refine.spark.columns import FIXED, given, physical, plain_format, sure, value
from common.refine.spark.rules import literal, passed

BLANKS = (  # what Unicode calls white space, which is stripped from texts
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f"
    "\u205f\u3000"
)
CLOCK = r"([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])(?:\.([0-9]{1,6}))?(Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?"
ISO_DATE = (r"^([0-9]{4})-([0-9]{2})-([0-9]{2})\z", "Ymd")
ISO_TIME = (rf"^([0-9]{{4}})-([0-9]{{2}})-([0-9]{{2}})(?:[T ]{CLOCK})?\z", "YmdHMSfz")


def typed(rows: DataFrame, contract: Contract, routed: frozenset[str]) -> DataFrame:
    """Add to the rows of a reader the values of all columns, and `sure`: whether each value of a row is good."""
    own = [(number, column) for number, column in enumerate(contract.columns) if column.name not in routed]
    for layer in (_parts, _days, _values, _sure):
        added = {name: made for number, column in own for name, made in layer(number, column)}
        rows = rows.withColumns(added) if added else rows
    good = [F.col(sure(number)) for number in range(len(contract.columns))]
    if contract.history:  # a row without a version would be one of its own, for ever
        names = [column.name for column in contract.columns]
        good += [F.col(value(names.index(name))).isNotNull() for name in contract.versions]
    every = good[0]
    for one in good[1:]:
        every = every & one
    return rows.withColumn("sure", F.coalesce(every, F.lit(False)))  # noqa: FBT003


def _part(number: int, letter: str) -> str:
    return f"p{number}_{letter}" + ("_" if letter.isupper() else "")  # names are alike whatever their case


def _parts(number: int, column: Column) -> Iterator[tuple[str, Expr]]:
    """Take dates and times apart: year, month, day, and what there is of the rest, as numbers; zones as minutes."""
    if column.kind not in (Kind.DATE, Kind.TIMESTAMP):
        return
    regex, letters = _layout(column)
    for at, letter in enumerate(letters, start=1):
        found = F.regexp_extract(F.col(given(number)), regex, at)
        if letter == "f":
            yield _part(number, letter), F.rpad(found, 6, "0").try_cast("bigint")
        elif letter == "z":
            minutes = F.substring(found, 2, 2).try_cast("bigint") * 60 + F.substring(found, 5, 2).try_cast("bigint")
            behind = F.when(found.startswith("-"), -minutes).otherwise(minutes)
            yield _part(number, letter), F.when((found == "") | (found == "Z"), F.lit(0)).otherwise(behind)
            yield _part(number, "zoned"), found != ""
        else:
            yield _part(number, letter), found.try_cast("bigint")


def _layout(column: Column) -> tuple[str, str]:
    """Return the expression of how a column's dates are usually written, and what its groups are."""
    written = plain_format(column)
    if written is None:
        return ISO_DATE if column.kind is Kind.DATE else ISO_TIME
    regex, letters = "", ""
    for part in re.findall("%.|[^%]", written, re.DOTALL):
        if part[1:] in FIXED:
            regex += "([0-5][0-9])" if part[1:] in "MS" else f"([0-9]{{{FIXED[part[1:]]}}})"
            letters += part[1:]
        else:
            regex += re.escape(part[-1])
    return rf"^{regex}\z", letters


def _days(number: int, column: Column) -> Iterator[tuple[str, Expr]]:
    """Count days from 1970 on by the Gregorian calendar; null where there is no such day.

    By Howard Hinnant's days_from_civil: years begin in March, so that the day which only leap years have is the last.
    """
    if column.kind not in (Kind.DATE, Kind.TIMESTAMP):
        return
    year, month, day = (F.col(_part(number, letter)) for letter in "Ymd")
    early = (month <= 2).cast("bigint")
    years, months = year - early, month + early * 12 - 3
    days = years * 365 + F.floor(years / 4) - F.floor(years / 100) + F.floor(years / 400)
    days = days + F.floor((months * 153 + 2) / 5) + day - 1 - 719468
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    longest = F.when(month.isin(4, 6, 9, 11), F.lit(30)).when(month == 2, leap.cast("int") + 28).otherwise(F.lit(31))
    # years before 1000 may have been written with fewer digits
    held = (year >= 1000) & month.between(1, 12) & (day >= 1) & (day <= longest)
    yield _part(number, "days"), F.when(held, days.cast("bigint"))


def _values(number: int, column: Column) -> Iterator[tuple[str, Expr]]:
    text = F.col(given(number))
    if column.kind is Kind.STRING:
        meant = _meant(column, text)
        yield value(number), F.when(~meant.isin(list(column.nulls)), meant)
        return
    made = _value(number, column, text)
    nothing = text.isNull() | text.isin(list(column.nulls))
    yield value(number), F.when(~nothing, made).cast(physical(column))


def _meant(column: Column, text: Expr) -> Expr:
    if not column.spellings:
        return text
    first, *others = column.spellings
    found = F.when(text == first[0], F.lit(first[1]))
    for spelling, meant in others:
        found = found.when(text == spelling, F.lit(meant))
    return found.otherwise(text)


def _value(number: int, column: Column, text: Expr) -> Expr:
    match column.kind:
        case Kind.BOOLEAN:
            lower = F.lower(text)
            known = F.when(lower.isin([*TRUE, *column.true_values]), F.lit(True))  # noqa: FBT003
            return known.when(lower.isin([*FALSE, *column.false_values]), F.lit(False))  # noqa: FBT003
        case Kind.DATE:
            return F.col(_part(number, "days"))
        case Kind.TIMESTAMP:
            return _moment(number, column)
        case Kind.DECIMAL:
            whole, scale = column.precision - column.scale, column.scale
            fraction = rf"(?:\.[0-9]{{1,{scale}}})?" if scale else ""
            digits = text.rlike(rf"^-?[0-9]{{1,{whole}}}{fraction}\z")
            return F.when(digits, text.try_cast(physical(column)))
        case _:
            return F.when(text.rlike(r"^-?[0-9]{1,18}\z"), text.try_cast("bigint"))


def _moment(number: int, column: Column) -> Expr:
    """Return microseconds since 1970, in UTC."""
    letters = _layout(column)[1]
    seconds = F.lit(0).cast("bigint")
    for letter, unit in (("H", 3600), ("M", 60), ("S", 1)):
        if letter in letters:
            seconds = seconds + F.coalesce(F.col(_part(number, letter)), F.lit(0)) * unit
    if "H" in letters:  # where the clock is optional its hour is null, in a format it may be too great
        seconds = F.when(F.coalesce(F.col(_part(number, "H")), F.lit(0)) < 24, seconds)
    micro = F.col(_part(number, "days")) * DAY + seconds * 1_000_000
    zoned: Expr = F.lit(False)  # noqa: FBT003
    if "z" in letters:
        micro = micro + F.coalesce(F.col(_part(number, "f")), F.lit(0)) - F.col(_part(number, "z")) * 60_000_000
        zoned = F.col(_part(number, "zoned"))
    held = micro.between(LEAST, MOST)
    return F.when(held if column.clock.offset is None else held & (zoned == column.clock.offset), micro)


def _sure(number: int, column: Column) -> Iterator[tuple[str, Expr]]:
    text, made = F.col(given(number)), F.col(value(number))
    good = made.isNotNull()
    for rule in passed(column, made):
        good = good & rule
    if column.kind is Kind.STRING:
        bare = text.isNull() | (text == F.btrim(text, F.lit(BLANKS)))
        yield sure(number), bare & (good if column.required else good | made.isNull())
        return
    if nulls := null_values(column).to_list():
        good = good & ~made.isin([literal(column, null) for null in nulls])
    nothing = text.isNull() | text.isin(list(column.nulls))
    yield sure(number), good if column.required else good | nothing
