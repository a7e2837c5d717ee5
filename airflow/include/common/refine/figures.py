"""Numbers from texts and from typed files: exact, or null where the column's type cannot hold them."""

import re
from decimal import Decimal

import polars as pl

from common.contracts.contract import Column, Numbers

WHOLE = 2**53  # up to here every whole number is a double
JSON_NUMBER = r"^-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$"
LONGEST_EXPONENT = 400  # beyond it no type holds the number, and writing it out would take long


def plain(text: pl.Expr, numbers: Numbers) -> pl.Expr:
    """Return numbers in plain digits, whatever signs the contract says they are written with; null where it is none."""
    if numbers == Numbers():
        return text
    if "parentheses" in numbers.negative:
        text = text.str.replace(r"^\(\s*([^()+-]*?)\s*\)$", "-${1}")
    if "trailing" in numbers.negative:
        text = text.str.replace(r"^([^+-].*?)\s*-$", "-${1}")
    if numbers.symbols:
        symbols = "|".join(_escaped(symbol.strip()) for symbol in sorted(numbers.symbols, key=len, reverse=True))
        text = text.str.replace(rf"^([+-]?)\s*(?:{symbols})\s*([+-]?)\s*", "${1}${2}").str.replace(
            rf"\s*(?:{symbols})$", ""
        )
    return _signs(text, numbers)


def _signs(text: pl.Expr, numbers: Numbers) -> pl.Expr:
    sign, group = _escaped(numbers.decimal), _escaped(numbers.group)
    digits = rf"[0-9]{{1,3}}(?:{group}[0-9]{{3}})+|[0-9]*" if numbers.group else "[0-9]*"
    good = text.str.contains(rf"^[+-]?(?:{digits})(?:{sign}[0-9]*)?(?:[eE][+-]?[0-9]+)?$")
    text = pl.when(good).then(text)
    if numbers.group:
        text = text.str.replace_all(numbers.group, "", literal=True)
    return text if numbers.decimal == "." else text.str.replace(numbers.decimal, ".", literal=True)


def _escaped(text: str) -> str:
    return "".join(character if character.isalnum() else f"\\x{{{ord(character):x}}}" for character in text)


def integer(text: pl.Expr, value: pl.Expr, dtype: pl.DataType | None, *, typed: bool) -> pl.Expr:
    """Return whole numbers of 64 bits; of typed files also those written as a fraction or with an exponent."""
    if dtype is not None and dtype.is_integer():
        return value.cast(pl.Int64, strict=False)
    if dtype is not None and dtype.is_float():
        whole = (value.floor() == value) & (value.abs() <= WHOLE)
        return pl.when(whole).then(value).cast(pl.Int64, strict=False)
    if dtype is not None and dtype.is_decimal():
        return text.str.replace(r"\.0*$", "").cast(pl.Int64, strict=False)
    found = text.cast(pl.Int64, strict=False)
    return pl.coalesce(found, text.map_batches(_whole, return_dtype=pl.Int64())) if typed else found


def _whole(texts: pl.Series) -> pl.Series:
    numbers = _written_out(texts)
    whole = numbers.str.replace(r"\.0*$", "").cast(pl.Int64, strict=False)
    return pl.select(pl.when(whole.abs() <= WHOLE).then(whole)).to_series()


def _written_out(texts: pl.Series) -> pl.Series:
    """Return JSON numbers with a fraction or exponent in plain digits, all others as null."""
    wanted = texts.drop_nulls().unique()
    wanted = wanted.filter(wanted.str.contains(r"[.eE]") & wanted.str.contains(JSON_NUMBER))
    if wanted.is_empty():
        return pl.Series(texts.name, [None], pl.String).new_from_index(0, texts.len())
    plain_texts = pl.Series([_in_digits(text) for text in wanted], dtype=pl.String)
    return texts.replace_strict(wanted, plain_texts, default=None, return_dtype=pl.String)


def _in_digits(text: str) -> str | None:
    exponent = re.search("[eE]([+-]?[0-9]+)$", text)
    if exponent and abs(int(exponent[1][:9])) > LONGEST_EXPONENT:
        return "0" if not re.search("[1-9]", text[: exponent.start()]) else None
    return f"{Decimal(text):f}"


def decimal(text: pl.Expr, dtype: pl.DataType | None, column: Column, *, typed: bool) -> pl.Expr:
    """Cast only what the type can hold: more digits than it has would be cut in silence.

    A float stands for the shortest text that it is read back from.
    """
    if (dtype is None and typed) or (dtype is not None and dtype.is_float()):
        text = pl.coalesce(text.map_batches(_written_out, return_dtype=pl.String()), text)
    whole, scale = column.precision - column.scale, column.scale
    fits = text.str.contains(rf"^[+-]?0*[0-9]{{0,{whole}}}(?:\.[0-9]{{0,{scale}}}0*)?$") & text.str.contains("[0-9]")
    digits: pl.Expr = pl.when(fits).then(text.str.strip_prefix("+"))
    if scale == 0:
        digits = digits.str.replace(r"\.0*$", "")
    return digits.cast(pl.Decimal(column.precision, scale), strict=False)


def double(text: pl.Expr, value: pl.Expr, dtype: pl.DataType | None) -> pl.Expr:
    """Return finite doubles; null where one is too small to be told from zero, or a whole number would change."""
    if dtype is not None and dtype.is_float():
        return pl.when(value.is_finite()).then(value.cast(pl.Float64))
    number: pl.Expr = text.cast(pl.Float64, strict=False)
    vanished = (number == 0) & text.str.contains("^[^eE]*[1-9]")
    number = pl.when(number.is_finite() & ~vanished).then(number)
    long = text.str.len_bytes() >= len(str(WHOLE))
    changed = pl.when(long).then(text).map_batches(_changed, return_dtype=pl.Boolean())
    return pl.when(~changed).then(number)


def _changed(texts: pl.Series) -> pl.Series:
    """Return which whole numbers a double would change; null texts do not."""
    wanted = texts.drop_nulls().unique()
    wanted = wanted.filter(wanted.str.contains("^[+-]?[0-9]{1,400}$"))
    lost = [text for text in wanted if Decimal(repr(float(text))) != Decimal(text)]
    if not lost:
        return pl.Series(texts.name, [False]).new_from_index(0, texts.len())
    return texts.is_in(pl.Series(lost).implode()).fill_null(value=False)
