"""Columns of contracts and values of files, made up: most fit nothing."""

from typing import Any

import polars as pl
from hypothesis import strategies as st

ODD = [
    "", " ", "0", "-1", "+5", "007", "1.0", "1e2", "1e400", "-1e-400", "NaN", "inf", "9" * 40, "0." + "0" * 50 + "1", ".5", "5.", "-", ".",
    "1,5", "1.234,50", "$5", "(5)", "5-", "true", "ja", "n/a", "2024-01-02", "24-01-02", "20240102", "2024-02-30", "0000-01-01", "-0044-03-15",
    "+10000-01-01", "+262143-12-31", "+999999-12-31", "2024-01-02T03:04:05Z", "2024-01-02 03:04:05.123456789+05:30", "9999-12-31T23:59:59-05:00",
    "0001-01-01T00:00:00+14:00", "2016-12-31T23:59:60Z", "2024-03-31 02:30:00", "2024-10-27 02:30:00", "2024-01-01T12:00+99:99", "03/04/24",
    "1-Jan-2024", "a\0b", "e\u0301", "\u200b", "İ", "😀", "A" * 500, "(555) 010-0199 ext. 12", "((", "٣", "1_000", "0x10", "None", "-0", "%", "{",
    "12345678901234567890.12", "9007199254740993", "9223372036854775808", "2024-01-01T00:00:00,5Z", "20240101T12Z", "a b", "\\", '"',
]  # fmt: skip
FORMATS = [
    "%Y-%m-%d", "%d/%m/%Y", "%d/%m/%y", "%Y%m%d", "%d.%m.%Y %H:%M", "dd/MM/yyyy", "%Y-%m-%d %H:%M:%S%.f", "%d-%b-%Y", "%Y-%m-%dT%H:%M:%S%z",
    "%I:%M %p %d.%m.%Y", "%j/%Y", "%Y-%m", "%H%M%S%d%m%Y", "%A, %d %B %Y", "%%%Y-%m-%d", "%F %T", "%Q", "%Y-%m-%d %H", "%Y年%m月%d日",
]  # fmt: skip
PATTERNS = [
    r"\d{5}",
    "[A-Z]+",
    "(?=a)b",
    r"\p{L}+",
    "a{1000}",
    "(?i)x+",
    r"[\w.]+",
    r"\Z",
    "a{100}{100}{100}",
    "[[:alpha:]]",
    "[a&&b]",
    "(",
    r"[\D]",
]
NUMBERS = st.sampled_from([0, 1, -1, 5, 0.005, 1.5, 1e3, -7, 10**6, 0.1])
DAYS = st.sampled_from(["2024-01-01", "1970-01-01", "0001-01-01", "9999-12-31"])
LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
TEXTS = st.one_of(
    st.sampled_from(ODD),
    st.text("0123456789-:/T Z+.,eE", max_size=24),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)


@st.composite
def columns(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["string", "integer", "number", "decimal", "boolean", "date", "timestamp"]))
    column: dict[str, Any] = {
        "name": "x",
        "logicalType": "number" if kind == "decimal" else kind,
        "required": draw(st.booleans()),
    }
    options: dict[str, Any] = {}
    words: dict[str, Any] = {}
    if kind == "decimal":
        precision = draw(st.integers(1, 38))
        column["physicalType"] = f"decimal({precision},{draw(st.integers(0, precision))})"
    if kind in ("integer", "number", "decimal"):
        options |= draw(st.dictionaries(st.sampled_from(LIMITS), NUMBERS, max_size=2))
        if kind != "number" and draw(st.booleans()):
            options["multipleOf"] = draw(st.sampled_from([1, 5, 0.5, 0.01, 3, 0.001]))
        if draw(st.booleans()):
            words["numbers"] = {
                "decimal": draw(st.sampled_from(",.")),
                "group": draw(st.sampled_from(["", ".", " ", "'"])),
                "symbols": ["$", "EUR"],
                "negative": ["trailing", "parentheses"],
            }
    if kind in ("date", "timestamp"):
        options |= draw(st.dictionaries(st.sampled_from(LIMITS), DAYS, max_size=2))
        words["formats"] = draw(st.lists(st.sampled_from(FORMATS), max_size=2))
    if kind == "timestamp":
        options["defaultTimezone"] = draw(
            st.sampled_from(
                ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "UTC", "Etc/GMT+12", "Pacific/Apia"]
            )
        )
        words |= draw(st.sampled_from([{}, {"overlap": "earlier"}, {"overlap": "later"}, {"finer": "cut"}]))
    if kind == "string":
        options |= draw(
            st.sampled_from([{}, {"format": "uuid"}, {"format": "email"}, {"minLength": 2, "maxLength": 9}])
        )
        options |= draw(st.one_of(st.just({}), st.sampled_from(PATTERNS).map(lambda pattern: {"pattern": pattern})))
        words |= {
            "region": "DE",
            "normalise": draw(st.lists(st.sampled_from(["email", "phone", "unicode", "spaces"]), max_size=2)),
        }
        words |= draw(st.sampled_from([{}, {"case": "title"}, {"case": "upper"}]))
    words["nulls"] = draw(st.lists(st.sampled_from(ODD), max_size=2))
    column |= draw(
        st.one_of(
            st.just({}),
            st.lists(st.sampled_from([1, 2.5, "a", "2024-01-02", True, "5"]), min_size=1, max_size=2).map(
                lambda values: {"enum": [{"value": value} for value in values]}
            ),
        )
    )
    return column | {
        "logicalTypeOptions": options,
        "customProperties": [{"property": word, "value": value} for word, value in words.items()],
    }


def times(kind: pl.DataType) -> st.SearchStrategy[pl.Series]:
    numbers = st.one_of(st.sampled_from([2**63 - 1, -(2**63), 0, 253402318799 * 10**6]), st.integers(-(10**18), 10**18))
    return st.lists(st.one_of(st.none(), numbers), min_size=1, max_size=8).map(
        lambda values: pl.Series(values, dtype=pl.Int64).cast(kind)
    )


def plain(values: st.SearchStrategy[Any], kind: pl.DataType) -> st.SearchStrategy[pl.Series]:
    return st.lists(st.one_of(st.none(), values), min_size=1, max_size=8).map(
        lambda chosen: pl.Series(chosen, dtype=kind)
    )


SERIES = st.one_of(
    plain(TEXTS, pl.String()), plain(TEXTS, pl.String()), plain(TEXTS, pl.String()),
    plain(st.integers(-(2**63), 2**63 - 1), pl.Int64()), plain(st.integers(0, 2**64 - 1), pl.UInt64()), plain(st.integers(-128, 127), pl.Int8()),
    plain(st.floats(), pl.Float64()), plain(st.floats(width=32), pl.Float32()), plain(st.booleans(), pl.Boolean()),
    plain(st.decimals(-(10**15), 10**15, places=3), pl.Decimal(38, 3)),
    plain(st.integers(-(2**31), 2**31 - 1), pl.Int32()).map(lambda days: days.cast(pl.Date)),
    *(times(pl.Datetime(unit, zone)) for unit in ("ms", "us", "ns") for zone in (None, "UTC", "America/New_York")),  # type: ignore[arg-type]
    st.integers(1, 5).map(lambda rows: pl.Series([None] * rows, dtype=pl.Null)),
)  # fmt: skip
