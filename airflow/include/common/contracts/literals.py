"""Values that a contract names, in the own type of the column they are for: `'5'` is no integer, NO is no text."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from common.contracts.contract import Kind

TRUE, FALSE = ("true", "t", "yes", "y", "1", "on"), ("false", "f", "no", "n", "0", "off")
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
ISO_TIME = re.compile(
    ISO_DATE.pattern + r"(?:[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})?)?"
)
EXPECTED = {
    Kind.STRING: "a text",
    Kind.INTEGER: "a whole number",
    Kind.DECIMAL: "a number",
    Kind.DOUBLE: "a number",
    Kind.BOOLEAN: "true or false",
    Kind.DATE: "a date as 2024-12-31",
    Kind.TIMESTAMP: "a time as 2024-12-31T23:59:59+00:00",
}


class WrongLiteral(ValueError):
    """A value that a contract names is none of the column's type; the message says what was found and expected."""


def literal(kind: Kind, value: Any, written: str, *, quoted: bool = True, zone: str = "UTC") -> Any:
    """Return a value of YAML, written so, in a column's own type; times without an offset are of the zone.

    Without `quoted` a text in quotes is no number. Raises WrongLiteral.
    """
    text = written if isinstance(value, bool | int | float) else value
    if not isinstance(text, str) or (isinstance(value, str) and not quoted and kind in _NUMBERS):
        raise WrongLiteral(f"found {value!r}; expected {EXPECTED[kind]}")
    if isinstance(value, bool) and kind is not Kind.BOOLEAN:
        raise WrongLiteral(
            f"found {written}, which YAML reads as {str(value).lower()}; expected {EXPECTED[kind]}: "
            f"write '{written}' in quotes where it is a text"
        )
    try:
        return _parsed(kind, text.strip() if kind is not Kind.STRING else text, zone)
    except (ValueError, InvalidOperation, OverflowError) as error:
        raise WrongLiteral(f"found {written or value!r}; expected {EXPECTED[kind]}") from error


_NUMBERS = (Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE)


def _parsed(kind: Kind, text: str, zone: str) -> Any:
    match kind:
        case Kind.STRING:
            return text
        case Kind.BOOLEAN:
            return _truth(text.lower())
        case Kind.DATE:
            return date.fromisoformat(_matching(ISO_DATE, text))
        case Kind.TIMESTAMP:
            return _moment(_matching(ISO_TIME, text), zone)
        case Kind.INTEGER:
            return _whole(Decimal(_matching(NUMBER, text)))
        case Kind.DECIMAL:
            return Decimal(_matching(NUMBER, text))
        case Kind.DOUBLE:
            return _finite(float(_matching(NUMBER, text)))


def _matching(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(text)
    return text


def _truth(text: str) -> bool:
    if text not in TRUE + FALSE:
        raise ValueError(text)
    return text in TRUE


def _moment(text: str, zone: str) -> datetime:
    found = datetime.fromisoformat(text.upper())
    return (found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


def _whole(number: Decimal) -> int:
    if number != number.to_integral_value() or not -(2**63) <= number < 2**63:
        raise ValueError(number)
    return int(number)


def _finite(number: float) -> float:
    if number in (float("inf"), float("-inf")):
        raise ValueError(number)
    return number


def is_zone(name: str) -> bool:
    """Return whether a time zone is known."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
