"""Texts made equal that mean the same: Unicode forms, invisible characters, blanks, addresses, telephone numbers."""

from collections.abc import Sequence
from functools import partial

import phonenumbers
import polars as pl
from phonenumbers import NumberParseException, PhoneNumberFormat

from common.contracts.contract import Column

# Soft hyphen, zero-width space, word joiner, byte order mark and marks of direction; joiners that letters need stay.
INVISIBLE = "[\u00ad\u200b\u2060\ufeff\u200e\u200f\u202a-\u202e\u2066-\u2069]"


def normalised(column: Column, text: pl.Expr) -> pl.Expr:
    """Return a text as the contract wants it; null where nothing is left, or where it is no telephone number."""
    text = rewritten(column, text)
    return pl.when(text != "").then(text) if column.normalise else text


def rewritten(column: Column, text: pl.Expr) -> pl.Expr:
    """Return a text as the contract wants it, also where nothing is left of it."""
    for word in column.normalise:
        text = _normalised(word, column.region or "", text)
    match column.case:
        case "lower":
            text = text.str.to_lowercase()
        case "upper":
            text = text.str.to_uppercase()
        case "title":
            text = text.str.to_titlecase()
        case _:
            pass
    text = _meant(text, column.spellings)
    if column.mail_domains:
        domain = _meant(text.str.extract("@([^@]*)$"), column.mail_domains)
        text = pl.when(domain.is_not_null()).then(text.str.extract("^(.*@)") + domain).otherwise(text)
    return text


def _meant(text: pl.Expr, pairs: Sequence[tuple[str, str]]) -> pl.Expr:
    """Put the text that is meant in place of each of its spellings; others stay."""
    return text.replace([spelling for spelling, _ in pairs], [meant for _, meant in pairs]) if pairs else text


def _normalised(word: str, region: str, text: pl.Expr) -> pl.Expr:
    match word:
        case "unicode":
            return text.str.normalize("NFC").str.replace_all(INVISIBLE, "").str.strip_chars()
        case "spaces":
            return text.str.replace_all(r"\s+", " ").str.strip_chars()
        case "email":
            return text.str.to_lowercase()
        case _:
            return text.map_batches(partial(_phones, region=region), return_dtype=pl.String())


def _phones(texts: pl.Series, region: str) -> pl.Series:
    """Return telephone numbers as E.164, an extension as `;ext=`; each different text is parsed once."""
    different = texts.drop_nulls().unique()
    found = [phone(text, region) for text in different]
    return texts.replace_strict(different, pl.Series(found, dtype=pl.String), default=None, return_dtype=pl.String)


def phone(text: str, region: str) -> str | None:
    """Return one telephone number as E.164, or None where none of the region or the world can be so."""
    try:
        number = phonenumbers.parse(text, region)
    except NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    extension = f";ext={number.extension}" if number.extension else ""
    return phonenumbers.format_number(number, PhoneNumberFormat.E164) + extension
