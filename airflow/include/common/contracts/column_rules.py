"""What can be wrong with one column of a contract: words that do not fit its type, rules that contradict each other."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from common.contracts.contract import Column, Kind, Numbers
from common.contracts.document import Fault
from common.contracts.files import SIGNS
from common.contracts.literals import FALSE, TRUE, is_zone
from common.contracts.patterns import problem
from common.contracts.times import UnknownFormat, pattern_of

NORMALISERS = ("email", "phone", "unicode", "spaces")
FORMS = ("uuid", "email", "ipv4")
NUMERIC = (Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE)
LARGEST = 38  # digits of a decimal


def column_faults(column: Column, where: str) -> Iterator[Fault]:
    """List what is wrong with a column, each with what was found and what is allowed."""
    for part in (_texts, _patterns, _types, _limits, _lengths, _times):
        yield from part(column, where)


def _texts(column: Column, where: str) -> Iterator[Fault]:
    for word in column.normalise:
        if word not in NORMALISERS:
            yield Fault(f"{where}/normalise", f"no '{word}'. Known: {', '.join(NORMALISERS)}.")
    if column.kind is not Kind.STRING and (column.normalise or column.case):
        word = "normalise" if column.normalise else "case"
        yield Fault(f"{where}/{word}", f"is for texts; this is a {column.kind}.")
    yield from _meanings(column, where)
    if "phone" in column.normalise and column.region is None:
        yield Fault(
            f"{where}/normalise",
            "phone needs a region, the country whose numbers are written without a code: "
            "{property: region, value: DE} here or for the contract.",
        )
    if column.region is not None and not re.fullmatch("[A-Z]{2}", column.region):
        yield Fault(f"{where}/region", f"no '{column.region}'. Known are the countries of ISO 3166, as DE, US, GB.")


def _meanings(column: Column, where: str) -> Iterator[Fault]:
    changed = {"lower": str.lower, "upper": str.upper, "title": str.title}.get(column.case or "", str)
    lowered = str.lower if "email" in column.normalise else str
    for word, pairs, written in (
        ("spellings", column.spellings, changed),
        ("mailDomains", column.mail_domains, lambda text: lowered(changed(text))),
    ):
        known: dict[str, str] = {}
        if pairs and column.kind is not Kind.STRING:
            yield Fault(f"{where}/{word}", f"is for texts; this is a {column.kind}.")
        for spelling, meant in pairs:
            if known.setdefault(spelling, meant) != meant:
                yield Fault(f"{where}/{word}", f"'{spelling}' would mean both '{known[spelling]}' and '{meant}'.")
            if written(spelling) != spelling:
                why = f"the column's texts are changed first, to '{written(spelling)}'. Write that."
                yield Fault(f"{where}/{word}", f"'{spelling}' is never met: {why}")


def _patterns(column: Column, where: str) -> Iterator[Fault]:
    place = f"{where}/logicalTypeOptions"
    if column.pattern is not None and (wrong := problem(column.pattern)):
        yield Fault(f"{place}/pattern", f"'{column.pattern}' {wrong}.")
    if column.form is not None and column.form not in FORMS:
        yield Fault(f"{place}/format", f"no '{column.form}' for texts. Known: {', '.join(FORMS)}.")
    if column.pattern is not None and column.kind is not Kind.STRING:
        yield Fault(f"{place}/pattern", f"is for texts; this is a {column.kind}.")


def _types(column: Column, where: str) -> Iterator[Fault]:
    if not 1 <= column.precision <= LARGEST or not 0 <= column.scale <= column.precision:
        found = f"decimal({column.precision},{column.scale})"
        yield Fault(f"{where}/physicalType", f"{found}: precision is 1 to {LARGEST}, scale at most precision.")
    if column.kind is not Kind.BOOLEAN and (column.true_values or column.false_values):
        yield Fault(f"{where}/trueValues", f"and falseValues are for truth values; this is a {column.kind}.")
    texts = [*column.true_values, *column.false_values]
    double = {text for text in texts if texts.count(text) > 1}
    double |= set(column.true_values) & set(FALSE) | set(column.false_values) & set(TRUE)
    for text in sorted(double):
        yield Fault(f"{where}/trueValues", f"'{text}' would be both true and false, or stands twice.")
    yield from _spelling(column.numbers, where, numeric=column.kind in NUMERIC)


def _spelling(numbers: Numbers, where: str, *, numeric: bool) -> Iterator[Fault]:
    place = f"{where}/numbers"
    if not numeric and (numbers.symbols or numbers.negative):
        yield Fault(place, "is for numbers.")
    if numbers.decimal not in SIGNS or (numbers.group and numbers.group not in SIGNS):
        signs = " ".join(repr(sign) for sign in SIGNS)
        yield Fault(place, f"decimal {numbers.decimal!r} and group {numbers.group!r}: each is one of {signs}.")
    if numbers.decimal == numbers.group:
        yield Fault(place, f"decimal and group are both {numbers.decimal!r}.")
    for symbol in numbers.symbols:
        if not symbol.strip() or re.search("[0-9]", symbol) or symbol.strip() in ("+", "-", "(", ")", "e", "E", *SIGNS):
            yield Fault(place, f"the symbol {symbol!r} could be part of a number.")


def _limits(column: Column, where: str) -> Iterator[Fault]:
    place = f"{where}/logicalTypeOptions"
    least, most = _edge(column.minimum, column.above, max), _edge(column.maximum, column.below, min)
    if least is not None and most is not None:
        meet = least == most and (column.above == least or column.below == most)
        if least > most or meet:
            yield Fault(place, f"from {least} to {most} there is nothing: no value could pass.")
    if column.kind is Kind.DECIMAL:
        most_held = Decimal(10) ** (column.precision - column.scale)
        for name in ("minimum", "maximum", "above", "below"):
            limit = getattr(column, name)
            if limit is not None and abs(limit) >= most_held * 10:
                yield Fault(place, f"{limit} is beyond what {column.type} holds.")
    yield from _multiple(column, place)
    for value in column.accepted:
        if not _within(value, column):
            yield Fault(f"{where}/enum", f"{value!s} can never pass: type or other rules of the column forbid it.")


def _edge(one: Any, other: Any, choose: Any) -> Any:
    limits = [limit for limit in (one, other) if limit is not None]
    return choose(limits) if limits else None


def _within(value: Any, column: Column) -> bool:
    if column.kind is Kind.STRING:
        return _text_within(value, column)
    if column.kind is Kind.DECIMAL and not _representable(value, column):
        return False
    return not (
        (column.minimum is not None and value < column.minimum)
        or (column.maximum is not None and value > column.maximum)
        or (column.above is not None and value <= column.above)
        or (column.below is not None and value >= column.below)
    )


def _representable(value: Decimal, column: Column) -> bool:
    exponent = value.normalize().as_tuple().exponent
    digits = -exponent if isinstance(exponent, int) else 0
    return digits <= column.scale and (not value or value.adjusted() < column.precision - column.scale)


def _text_within(value: str, column: Column) -> bool:
    changed = {"lower": value.lower(), "upper": value.upper()}.get(column.case or "", value)
    lengths = (column.min_length or 0) <= len(value) <= (column.max_length or len(value))
    return changed == value == value.strip() and value not in column.nulls and lengths


def _multiple(column: Column, place: str) -> Iterator[Fault]:
    factor = column.multiple_of
    if factor is None:
        return
    if factor <= 0:
        yield Fault(f"{place}/multipleOf", f"found {factor}; expected a number above 0.")
        return
    exponent = factor.normalize().as_tuple().exponent
    digits = max(-exponent if isinstance(exponent, int) else 0, column.scale if column.kind is Kind.DECIMAL else 0)
    whole = column.precision - column.scale if column.kind is Kind.DECIMAL else 19
    if digits + whole > LARGEST or abs(factor.adjusted()) > LARGEST - digits - 1:
        yield Fault(f"{place}/multipleOf", f"{factor} and the column's type together have more than {LARGEST} digits.")


def _lengths(column: Column, where: str) -> Iterator[Fault]:
    if column.min_length is not None and column.max_length is not None and column.min_length > column.max_length:
        yield Fault(
            f"{where}/logicalTypeOptions",
            f"minLength {column.min_length} is above maxLength {column.max_length}: no value could pass.",
        )
    if column.required and column.max_length == 0:
        yield Fault(f"{where}/logicalTypeOptions/maxLength", "is 0, but a value is required: none could pass.")


def _times(column: Column, where: str) -> Iterator[Fault]:
    if not is_zone(column.clock.zone):
        yield Fault(
            f"{where}/logicalTypeOptions/defaultTimezone",
            f"no '{column.clock.zone}'. Known are the names of the IANA database, as Europe/Berlin, UTC.",
        )
    if column.kind not in (Kind.DATE, Kind.TIMESTAMP):
        return
    for text in column.formats:
        try:
            found = pattern_of(text, clock=column.kind is Kind.TIMESTAMP)
        except UnknownFormat as error:
            yield Fault(f"{where}/formats", f"'{text}' {error}.")
            continue
        if column.clock.offset is True and not found.zoned:
            yield Fault(f"{where}/formats", f"'{text}' has no offset (%z), but `timezone: true` says so.")
        if column.clock.offset is False and found.zoned:
            yield Fault(f"{where}/formats", f"'{text}' has an offset, but `timezone: false` says no.")
