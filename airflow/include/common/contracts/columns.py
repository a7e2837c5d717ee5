"""Make the columns of a contract from the properties of an ODCS schema; what cannot be kept is a fault."""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from common.contracts.contract import Clock, Column, Kind, Numbers
from common.contracts.document import Document, Fault
from common.contracts.literals import WrongLiteral, is_zone, literal
from common.contracts.odcs import unknown_words
from common.contracts.words import ColumnWords, custom_words

DECIMAL = re.compile(r"(?:decimal|numeric|number|dec)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)", re.IGNORECASE)
EXACT = re.compile(r"(?:decimal|numeric|number|dec)\b.*", re.IGNORECASE | re.DOTALL)
LOGICAL = {
    "string": Kind.STRING,
    "integer": Kind.INTEGER,
    "number": Kind.DOUBLE,
    "boolean": Kind.BOOLEAN,
    "date": Kind.DATE,
    "timestamp": Kind.TIMESTAMP,
}
LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
OPTIONS: dict[Kind, tuple[str, ...]] = {
    Kind.STRING: ("minLength", "maxLength", "pattern", "format"),
    Kind.INTEGER: (*LIMITS, "multipleOf", "format"),
    Kind.DECIMAL: (*LIMITS, "multipleOf"),
    Kind.DOUBLE: (*LIMITS, "format"),
    Kind.BOOLEAN: (),
    Kind.DATE: (*LIMITS, "format"),
    Kind.TIMESTAMP: (*LIMITS, "format", "timezone", "defaultTimezone"),
}
FIELDS = {"exclusiveMinimum": "above", "exclusiveMaximum": "below"}
BITS = {
    **{f"i{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"u{bits}": (0, 2**bits - 1) for bits in (8, 16, 32)},
}
UNKEPT = {  # words of the standard that say something of the data which is not kept here
    "unique": "only the primary key is kept unique; make the column part of it.",
    "partitioned": "state it for the contract, under customProperties/partition.",
    "properties": "columns within columns are not kept; a nested value is read as JSON text.",
    "items": "columns within columns are not kept; a nested value is read as JSON text.",
    "map": "columns within columns are not kept; a nested value is read as JSON text.",
}

Report = Callable[[str, str], None]


class ColumnReader:
    """Reads the properties of a schema into columns, and reports what is wrong with each."""

    def __init__(self, document: Document, numbers: Numbers, region: str | None) -> None:
        self.document, self.numbers, self.region = document, numbers, region
        self.faults: list[Fault] = []

    def read(self, prop: dict[str, Any]) -> Column:
        """Return the column that a property describes, as far as it can be understood."""
        name = prop.get("name") if isinstance(prop.get("name"), str) else ""
        where = f"/schema/0/properties/{name}"
        kind, precision, scale = self._kind(prop, where)
        options, words = self._options(prop, kind, where), self._words(prop, where)
        rules = self._quality(prop, where)
        clock = self._clock(options, words, kind, where)
        limits = self._limits(options, kind, where, clock)
        for word, reason in UNKEPT.items():
            if prop.get(word) and not (word == "unique" and prop.get("primaryKey")):
                self._add(f"{where}/{word}", reason)
        return Column(
            name=name or "",
            kind=kind,
            source=_text(prop.get("physicalName")) or name or "",
            description=_text(prop.get("description")) or "",
            precision=precision,
            scale=scale,
            required=bool(prop.get("required") or prop.get("primaryKey") or "required" in rules),
            formats=self._formats(words, options, kind, where),
            nulls=("", *self._texts(words.nulls, f"{where}/nulls")),
            case=words.case,
            normalise=(words.normalise,) if isinstance(words.normalise, str) else tuple(words.normalise),
            region=words.region or self.region,
            spellings=_pairs(words.spellings),
            mail_domains=_pairs(words.mailDomains),
            numbers=words.numbers.spelling(self.numbers) if words.numbers else self.numbers,
            clock=clock,
            true_values=tuple(text.lower() for text in self._texts(words.trueValues, f"{where}/trueValues")),
            false_values=tuple(text.lower() for text in self._texts(words.falseValues, f"{where}/falseValues")),
            accepted=self._accepted(prop, rules, kind, clock.zone),
            min_length=options.get("minLength"),
            max_length=options.get("maxLength"),
            pattern=options.get("pattern") or rules.get("pattern"),
            form=options.get("format") if kind is Kind.STRING else None,
            personal=_personal(prop),
            **limits,
        )

    def _add(self, where: str, message: str) -> None:
        self.faults.append(Fault(where, message))

    def _kind(self, prop: dict[str, Any], where: str) -> tuple[Kind, int, int]:
        logical = prop.get("logicalType")
        kind = LOGICAL.get(logical or "string")
        if kind is None:
            self._add(f"{where}/logicalType", f"'{logical}' is not supported. Known: {', '.join(LOGICAL)}.")
            kind = Kind.STRING
        physical = str(prop.get("physicalType") or "").strip()
        if not EXACT.fullmatch(physical):
            return kind, 18, 2
        found = DECIMAL.fullmatch(physical)
        if found is None:
            self._add(f"{where}/physicalType", f"'{physical}' says no digits; expected decimal(PRECISION,SCALE).")
            return Kind.DECIMAL, 18, 2
        precision, scale = int(found[1]), int(found[2] or 0)
        if kind is not Kind.DOUBLE and not (kind is Kind.INTEGER and scale == 0):
            self._add(
                f"{where}/physicalType", f"'{physical}' is no {logical or 'string'}; it needs logicalType number."
            )
        return Kind.DECIMAL, precision, scale

    def _options(self, prop: dict[str, Any], kind: Kind, where: str) -> dict[str, Any]:
        options = prop.get("logicalTypeOptions")
        if not isinstance(options, dict):
            return {}
        place = f"{where}/logicalTypeOptions"
        for fault in unknown_words(options, list(OPTIONS[kind]), place):
            self._add(fault.where, fault.message.replace(" here.", f" for a column of type {kind}.", 1))
        known = {name: value for name, value in options.items() if name in OPTIONS[kind]}
        return {name: value for name, value in known.items() if self._right(name, value, place)}

    def _right(self, name: str, value: Any, where: str) -> bool:
        expected: tuple[type, str] = _OPTION_TYPES.get(name, (object, ""))
        right = isinstance(value, expected[0]) and (
            expected[0] is bool or name in LIMITS or not isinstance(value, bool)
        )
        if right and expected[0] is int and value < 0:
            right = False
        if not right:
            self._add(f"{where}/{name}", f"found {value!r}; expected {expected[1]}.")
        return right

    def _words(self, prop: dict[str, Any], where: str) -> ColumnWords:
        words, faults = custom_words(self.document, prop.get("customProperties"), ColumnWords, where)
        self.faults += faults
        return words

    def _clock(self, options: dict[str, Any], words: ColumnWords, kind: Kind, where: str) -> Clock:
        if kind is not Kind.TIMESTAMP and (words.overlap or words.finer):
            self._add(f"{where}/{'overlap' if words.overlap else 'finer'}", f"is for timestamps; this is a {kind}.")
        return Clock(
            options.get("defaultTimezone", "UTC"), options.get("timezone"), words.overlap, words.finer == "cut"
        )

    def _formats(self, words: ColumnWords, options: dict[str, Any], kind: Kind, where: str) -> tuple[str, ...]:
        if words.formats is None:
            return (options["format"],) if kind in (Kind.DATE, Kind.TIMESTAMP) and "format" in options else ()
        if kind not in (Kind.DATE, Kind.TIMESTAMP):
            self._add(f"{where}/formats", f"is for dates and timestamps; this is a {kind}.")
        return self._texts(words.formats, f"{where}/formats")

    def _texts(self, values: list[Any], where: str) -> tuple[str, ...]:
        """Return texts; a number stands for itself as it is written, a truth value is none."""
        found = []
        for position, value in enumerate(values):
            place = f"{where}/{position}"
            written = self.document.written(place)
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                meaning = f"{written or repr(value)}, which YAML reads as {str(value).lower()}"
                self._add(place, f"found {meaning}; expected a text: write '{written}' in quotes.")
            else:
                found.append(value if isinstance(value, str) else written)
        return tuple(found)

    def _literal(self, where: str, value: Any, kind: Kind, *, quoted: bool, zone: str) -> Any:
        try:
            return literal(kind, value, self.document.written(where), quoted=quoted, zone=zone)
        except WrongLiteral as error:
            self._add(where, f"{error}.")
            return None

    def _accepted(self, prop: dict[str, Any], rules: dict[str, Any], kind: Kind, zone: str) -> tuple[Any, ...]:
        where = f"/schema/0/properties/{prop.get('name')}"
        stated = [
            *_enumerated(prop, f"{where}/enum"),
            *((f"{where}/{rules['where']}/{at}", value) for at, value in enumerate(rules.get("accepted", []))),
        ]
        values = [self._literal(place, value, kind, quoted=True, zone=zone) for place, value in stated]
        return tuple(dict.fromkeys(value for value in values if value is not None))

    def _limits(self, options: dict[str, Any], kind: Kind, where: str, clock: Clock) -> dict[str, Any]:
        place = f"{where}/logicalTypeOptions"
        found = {
            FIELDS.get(name, name): self._literal(
                f"{place}/{name}", options[name], kind, quoted=kind in (Kind.DATE, Kind.TIMESTAMP), zone=_zone(clock)
            )
            for name in LIMITS
            if name in options
        }
        if "multipleOf" in options:
            found["multiple_of"] = Decimal(self.document.written(f"{place}/multipleOf"))
        size = options.get("format")
        if kind is Kind.INTEGER and size is not None:
            if size not in BITS:
                self._add(f"{place}/format", f"no '{size}'. Known: {', '.join(BITS)}; others are decimal(38,0).")
            else:
                least, most = BITS[size]
                found["minimum"] = max(least, least if found.get("minimum") is None else found["minimum"])
                found["maximum"] = min(most, most if found.get("maximum") is None else found["maximum"])
        if kind is Kind.DOUBLE and size not in (None, "f64"):
            self._add(f"{place}/format", f"no '{size}'. Known: f64.")
        return found

    def _quality(self, prop: dict[str, Any], where: str) -> dict[str, Any]:
        """Read the quality rules of a column; one that cannot be kept is a fault, or it would be skipped in silence."""
        found: dict[str, Any] = {}
        for position, rule in enumerate(prop.get("quality") or []):
            values = rule.get("arguments") or {} if isinstance(rule, dict) else None
            if not isinstance(rule, dict) or not isinstance(values, dict):
                continue
            metric, exact = rule.get("metric"), rule.get("mustBe") == 0 and not isinstance(rule.get("mustBe"), bool)
            if metric == "nullValues" and exact and not values:
                found["required"] = True
            elif metric == "invalidValues" and exact and values.keys() <= {"validValues", "pattern"}:
                found |= {"accepted": values.get("validValues", []), "pattern": values.get("pattern")}
                found["where"] = f"quality/{position}/arguments/validValues"
            else:
                self._add(
                    f"{where}/quality/{position}",
                    f"cannot keep {metric or rule.get('rule') or rule.get('type')}. Known: metric nullValues with "
                    "mustBe 0, metric invalidValues with arguments validValues or pattern and mustBe 0.",
                )
        return found


_OPTION_TYPES: dict[str, tuple[Any, str]] = {
    "minLength": (int, "a whole number from 0 on"),
    "maxLength": (int, "a whole number from 0 on"),
    "pattern": (str, "a regular expression"),
    "format": (str, "a text"),
    "multipleOf": (int | float, "a number above 0"),
    "timezone": (bool, "true or false"),
    "defaultTimezone": (str, "the name of a time zone"),
}


def _pairs(words: dict[str, list[str]]) -> tuple[tuple[str, str], ...]:
    """Return each spelling with the text that it means."""
    return tuple((spelling, meant) for meant, spellings in words.items() for spelling in spellings)


def _zone(clock: Clock) -> str:
    return clock.zone if is_zone(clock.zone) else "UTC"


def _enumerated(prop: dict[str, Any], where: str) -> Iterator[tuple[str, Any]]:
    for position, item in enumerate(prop.get("enum") or []):
        if isinstance(item, dict) and "value" in item:
            yield f"{where}/{position}/value", item["value"]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _personal(prop: dict[str, Any]) -> bool:
    tags = {tag.lower() for tag in prop.get("tags") or [] if isinstance(tag, str)}
    return str(prop.get("classification") or "").lower() in {"pii", "personal", "sensitive"} or "pii" in tags
