"""What the values of a sample can be: the narrowest type that all of them fit, and what stays in doubt."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import polars as pl

from common.contracts.contract import Column, Contract, Kind, Numbers
from common.core.nouns import Dataset
from common.core.shape import Shape
from common.quality.checks import contract_checks, raw
from common.quality.split import apply
from common.refine.clean import clean

UNKNOWN = ("NA", "N/A", "n/a", "na", "#N/A", "NULL", "null", "None", "none", "nan", "NaN", "-", "--", "?", "\\N", ".")
DATES = ("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%d-%b-%Y", "%d %B %Y")
TIMES = tuple(f"{day} {clock}" for day, clock in product(DATES[1:7], ("%H:%M:%S", "%H:%M", "%I:%M %p")))
TRUTHS = (("ja", "nein"), ("oui", "non"), ("si", "no"), ("sí", "no"), ("wahr", "falsch"), ("on", "off"))
SPELLINGS = (
    Numbers(",", ""),
    Numbers(",", "."),
    Numbers(".", ","),
    Numbers(",", " "),
    Numbers(".", " "),
    Numbers(".", "'"),
)
MOST_DIGITS = 4  # after the point: amounts have that many, measurements more


@dataclass(frozen=True)
class Guess:
    """What a column may be: as a column of a contract, and doubts that a person must decide."""

    column: Column
    doubts: tuple[str, ...] = field(default=())


Sample = Sequence[tuple[pl.DataFrame, Shape]]


def guess(column: Column, sample: Sample) -> Guess:
    """Return what a column may be, given its name in the contract and in the files."""
    texts = _texts(column, sample)
    seen = tuple(word for word in UNKNOWN if word in set(texts))
    known = replace(column, nulls=("", *seen))
    if texts.filter(~texts.is_in(list(seen))).is_empty():
        return Guess(column, ("no value was seen, so the type is not known",))
    for candidate in _candidates(known, texts, sample):
        if all(_fits(candidate, frame, shape) for frame, shape in sample):
            doubts = [*_doubts(candidate, texts, sample)]
            if any("AMBIGUOUS" in doubt for doubt in doubts):
                return Guess(column, tuple(doubts))
            return Guess(candidate, tuple(doubts))
    words = f"{', '.join(seen)} stands for some values: list it under `nulls` if it means that nothing is known"
    return Guess(column, (words,) if seen else ())


def _candidates(known: Column, texts: pl.Series, sample: Sample) -> Iterator[Column]:
    """Yield what a column may be, the narrowest first; digits with a leading zero are names, not numbers."""
    values = texts.filter(~texts.is_in(list(known.nulls)))
    numeric = not values.str.contains(r"^[+-]?0[0-9]").any()
    if numeric:
        yield from _whole(known, values, sample)
    yield from _dates(known)
    if numeric:
        yield replace(known, kind=Kind.DOUBLE)
    yield replace(known, kind=Kind.TIMESTAMP)
    yield from (replace(known, kind=Kind.TIMESTAMP, formats=(pattern,)) for pattern in TIMES)
    if numeric:
        yield from _spelled(known, values)


def _texts(column: Column, sample: Sample) -> pl.Series:
    """Return the different texts of a column, without those that hold nothing."""
    contract = Contract(Dataset("any", "file"), "0", "", (replace(column, kind=Kind.STRING, nulls=("",)),))
    found = [clean(frame, contract, shape)[raw(column)].unique() for frame, shape in sample]
    return pl.concat(found).drop_nulls().unique().sort()


def _fits(column: Column, frame: pl.DataFrame, shape: Shape) -> bool:
    contract = Contract(Dataset("any", "file"), "0", "", (column,))
    return apply(clean(frame, contract, shape), contract_checks(contract)).refused.is_empty()


def _dates(known: Column) -> Iterator[Column]:
    yield replace(known, kind=Kind.DATE)
    yield from (replace(known, kind=Kind.DATE, formats=(pattern,)) for pattern in DATES[1:])


def _whole(known: Column, values: pl.Series, sample: Sample) -> Iterator[Column]:
    """Yield truth values, whole numbers and amounts."""
    if values.str.contains(r"^(?:19|20)[0-9]{6}$").all():
        yield replace(known, kind=Kind.DATE)
    lower = set(values.str.to_lowercase())
    if not lower <= {"0", "1"}:
        yield replace(known, kind=Kind.BOOLEAN)
        for true, false in TRUTHS:
            if lower <= {true, false}:
                yield replace(known, kind=Kind.BOOLEAN, true_values=(true,), false_values=(false,))
    if any(_is_float(known, frame) for frame, _ in sample):
        return
    yield replace(known, kind=Kind.INTEGER)
    digits = values.str.extract(r"^[+-]?[0-9]*\.([0-9]+)$").str.len_chars().unique().drop_nulls()
    if digits.len() == 1 and digits[0] <= MOST_DIGITS and not values.str.contains(r"[eE]").any():
        yield replace(known, kind=Kind.DECIMAL, precision=18, scale=int(digits[0]))


def _is_float(column: Column, frame: pl.DataFrame) -> bool:
    return column.source in frame.columns and frame.schema[column.source].is_float()


def _spelled(known: Column, values: pl.Series) -> Iterator[Column]:
    """Yield numbers that are written with other signs: commas, thousands, currencies, a minus behind."""
    symbols = {
        s
        for text in values
        for s in re.findall(r"^[+-]?([^\d\s+\-.,()']{1,3})\s?[\d-]|\d\s?([^\d\s+\-.,()']{1,3})$", text)
        for s in s
        if s
    }
    if len(symbols) > MOST_DIGITS:
        return
    behind = ("trailing",) if values.str.contains("[0-9] ?-$").any() else ()
    around = ("parentheses",) if values.str.contains(r"^\(.*\)$").any() else ()
    for spelling in (Numbers(), *SPELLINGS):
        numbers = replace(spelling, symbols=tuple(sorted(symbols)), negative=(*behind, *around))
        if numbers != Numbers():
            yield replace(known, kind=Kind.INTEGER, numbers=numbers)
            yield replace(known, kind=Kind.DECIMAL, precision=18, scale=2, numbers=numbers)
            yield replace(known, kind=Kind.DOUBLE, numbers=numbers)


def _doubts(column: Column, texts: pl.Series, sample: Sample) -> Iterator[str]:
    others: list[str] = []
    if column.kind in (Kind.DATE, Kind.TIMESTAMP) and column.formats:
        known = DATES if column.kind is Kind.DATE else TIMES
        for pattern in known:
            other = replace(column, formats=(pattern,))
            if pattern not in column.formats and all(_fits(other, frame, shape) for frame, shape in sample):
                others.append(pattern)
    if others:
        yield (
            f"AMBIGUOUS, day or month first: every value fits {' and '.join((*column.formats, *others))}; say "
            f"logicalType: {column.kind} and which of them under `formats`"
        )
    values = texts.filter(~texts.is_in(list(column.nulls)))
    if column.numbers.group and values.str.contains(r"^[+-]?[0-9]{1,3}[.,][0-9]{3}$").all():
        yield (
            "AMBIGUOUS: a sign before three digits may part thousands or a fraction; say which under `numbers`, "
            "as {decimal: ',', group: '.'}"
        )
    if column.kind is Kind.DECIMAL:
        yield f"{column.scale} digits after the point were seen; one with more is refused, or leave out physicalType"
    if column.kind is Kind.DOUBLE and values.str.contains(r"^-?[0-9]+(?:\.0)?$").all():
        yield "only whole numbers were seen: say logicalType: integer if it counts or names something"


def as_property(found: Column, name: str) -> dict[str, Any]:
    """Return a column as a property of ODCS, with only what is not understood by itself."""
    logical = "number" if found.kind in (Kind.DECIMAL, Kind.DOUBLE) else str(found.kind)
    made: dict[str, Any] = {"name": name, "logicalType": logical}
    if found.source != name:
        made["physicalName"] = found.source
    if found.kind is Kind.DECIMAL:
        made["physicalType"] = f"decimal({found.precision},{found.scale})"
    words: dict[str, Any] = {
        "formats": list(found.formats),
        "nulls": list(found.nulls[1:]),
        "trueValues": list(found.true_values),
        "falseValues": list(found.false_values),
        "numbers": _numbers(found.numbers),
    }
    if stated := [{"property": word, "value": value} for word, value in words.items() if value]:
        made["customProperties"] = stated
    return made


def _numbers(numbers: Numbers) -> dict[str, Any]:
    stated = {
        "decimal": numbers.decimal,
        "group": numbers.group,
        "symbols": list(numbers.symbols),
        "negative": list(numbers.negative),
    }
    return {word: value for word, value in stated.items() if value} if numbers != Numbers() else {}


def hints(contract: Contract, refused: pl.DataFrame) -> list[str]:
    """Propose words of a contract under which refused values would be read, by their columns."""
    found = []
    for column in contract.columns:
        values = refused.filter((pl.col("rule") == "type") & (pl.col("column") == column.name))["value"].drop_nulls()
        if values.is_empty() or column.kind is Kind.STRING:
            continue
        frame = values.alias(column.source).to_frame()
        shape = Shape("csv", "none", "utf-8", None, None, header=True, columns=(column.source,))
        proposed = guess(Column(column.name, Kind.STRING, column.source), [(frame, shape)])
        words = as_property(proposed.column, column.name).get("customProperties", [])
        doubts = [doubt for doubt in proposed.doubts if "AMBIGUOUS" in doubt]
        proposal = "; ".join([*(f"{word['property']}: {word['value']}" for word in words), *doubts])
        if proposal:
            found.append(f"{column.name}: {proposal}")
    return found
