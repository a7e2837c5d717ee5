"""Keys that a person has chosen, as texts, and as the columns of a table have them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl
from pydantic import TypeAdapter

from common.core.errors import ConfigError


def key_of(text: str, key: Mapping[str, pl.DataType]) -> dict[str, str]:
    """Read `column=value,column=value`; raises ConfigError where that is not the key, or no value of its type.

    Where the key is one column all that follows `=` is its value.
    """
    parts = text.split(",") if len(key) > 1 else [text]
    named = {name.strip(): value for name, _, value in (part.partition("=") for part in parts)}
    if list(named) != [name for name in key if name in named] or len(named) != len(key):
        raise ConfigError(f"'{text}' is no key of this table. Write {','.join(f'{name}=VALUE' for name in key)}.")
    chosen_keys([named], key)
    return named


def chosen_keys(keys: Sequence[Mapping[str, str]], key: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Return the keys as rows, each once; raises ConfigError naming what is no value of its column's type."""
    return pl.DataFrame({name: _values([one[name] for one in keys], name, kind) for name, kind in key.items()}).unique()


def _values(texts: list[str], name: str, kind: pl.DataType) -> pl.Series:
    try:
        values = [_value(text, kind) for text in texts]
        if (series := pl.Series(name, values, kind)).to_list() == values:  # digits beyond the scale would be rounded
            return series
    except (ValueError, TypeError, OverflowError, pl.exceptions.PolarsError):
        pass
    raise ConfigError(f"{name} is {kind}, which {', '.join(map(repr, texts))} is not. Dates are written 2026-11-30.")


def _value(text: str, kind: pl.DataType) -> Any:
    value = TypeAdapter(kind.to_python()).validate_strings(text)
    if isinstance(value, datetime) and isinstance(kind, pl.Datetime) and kind.time_zone and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value
