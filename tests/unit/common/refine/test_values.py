"""Which value is which: numbers, dates, times, words of truth, telephone numbers and texts."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.refine.texts import phone
from tests.unit.common.contract_text import said
from tests.unit.common.refine.judged import answers, in_order, judge

DATE = {"name": "d", "logicalType": "date"}
TIME = {"name": "t", "logicalType": "timestamp"}
WHOLE = {"name": "n", "logicalType": "integer"}
NUMBER = {"name": "n", "logicalType": "number"}
EXACT = {"name": "n", "logicalType": "number", "physicalType": "decimal(10,2)"}
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


def formats(column: dict[str, Any], *patterns: str) -> dict[str, Any]:
    return {**column, **said(column["name"], formats=list(patterns))}


def options(column: dict[str, Any], **words: Any) -> dict[str, Any]:
    return {**column, "logicalTypeOptions": words}


def test_four_digits_are_a_year_and_the_next_format_is_tried() -> None:
    column = formats(DATE, "%d/%m/%Y", "%d/%m/%y")
    day = date(2024, 4, 3)
    assert answers(column, "03/04/24", "03/04/2024", "3/4/24", "3/4/2024") == [day] * 4
    assert answers(column, "03/04/024", "31/02/24", "03/04/20244") == [["type"]] * 3
    assert answers(formats(DATE, "%d.%m.%Y"), "3.4.24", "03.04.+024", "03.04.  24") == [["type"]] * 3
    assert answers(formats(DATE, "%Y%m%d"), "2024111", "240111", "20240111") == [["type"], ["type"], date(2024, 1, 11)]
    assert answers(formats(DATE, "%d/%m/%y"), "01/01/70", "01/01/69") == [date(1970, 1, 1), date(2069, 1, 1)]


def test_a_date_without_a_format_is_iso_8601() -> None:
    day = date(2024, 1, 2)
    good = (
        "2024-01-02",
        "20240102",
        "2024-01-02T00:00:00",
        "2024-01-02 00:00",
        "2024-01-02T00:00:00+02:00",
        "2024-01-02T00:00:00.000Z",
    )
    assert answers(DATE, *good) == [day] * len(good)
    bad = (
        "24-01-02",
        "1-2-3",
        "2024-01-02T10:00:00",
        "2024-W01-2",
        "2024-002",
        "2024-13-01",
        "2024-02-30",
        "02.01.2024",
    )
    assert answers(DATE, *bad) == [["type"]] * len(bad)


def test_eight_digits_are_no_iso_date_where_a_format_has_eight() -> None:
    assert answers(formats(DATE, "%d%m%Y"), "31122024", "20241231") == [date(2024, 12, 31), ["type"]]


def test_a_time_is_read_by_the_profile_of_rfc_3339() -> None:
    good = (
        "2024-01-01T12:00:00Z", "2024-01-01 12:00:00+00:00", "2024-01-01 12:00:00Z", "2024-01-01 12:00:00+00", "2024-01-01 12:00:00 +0000",
        "2024-01-01T12:00Z", "20240101T120000Z", "2024-01-01t12:00:00z", "2024-01-01T12:00:00.000000000Z", "2024-01-01T17:30:00+05:30",
        "2024-01-01T12:00:00", "2024-01-01 12:00", "2024-01-01T12:00:00,0Z", "2024-01-01T12:00:00-00:00",
    )  # fmt: skip
    assert answers(TIME, *good) == [NOON] * len(good)
    assert answers(TIME, "2024-01-01", "20240101") == [datetime(2024, 1, 1, tzinfo=UTC)] * 2
    bad = (
        "24-01-01T12:00:00Z", "2024-W01-1T12:00:00Z", "2024-001T12:00:00Z", "2016-12-31T23:59:60Z", "2024-01-01T24:00:00Z",
        "2024-01-01T12Z", "2024-01-01T12:00:00+25:00", "2024-01-01T12:00:00CET", "12:00:00", "now", "infinity", "2024-01-01T12:60:00Z",
    )  # fmt: skip
    assert answers(TIME, *bad) == [["type"]] * len(bad)


def test_no_digit_of_a_time_is_dropped_without_a_word() -> None:
    fine = ("2024-01-01T12:00:00.123456789Z", "2024-01-01T12:00:00.1234567", "2024-01-01T12:00:00.123456000Z")
    kept = NOON.replace(microsecond=123456)
    assert answers(TIME, *fine) == [["type"], ["type"], kept]
    assert answers({**TIME, **said("t", finer="cut")}, *fine) == [kept] * 3
    nano = pl.Series([NOON.replace(tzinfo=None)] * 2).cast(pl.Datetime("ns")) + pl.Series([0, 1]).cast(
        pl.Duration("ns")
    )
    assert in_order("t", judge(TIME, nano, "parquet")) == [NOON, ["type"]]
    assert in_order("t", judge({**TIME, **said("t", finer="cut")}, nano, "parquet")) == [NOON, NOON]
    declared = formats(TIME, "%d.%m.%Y %H:%M:%S.%f")
    assert answers(declared, "01.01.2024 12:00:00.123456", "01.01.2024 12:00:00.1234567") == [kept, ["type"]]


def test_wall_clocks_are_of_a_zone_with_its_gaps_and_overlaps() -> None:
    berlin = options(TIME, defaultTimezone="Europe/Berlin")
    assert answers(berlin, "2024-07-01 12:00:00", "2024-07-01", "2024-07-01T12:00:00Z") == [
        datetime(2024, 7, 1, 10, tzinfo=UTC), datetime(2024, 6, 30, 22, tzinfo=UTC), datetime(2024, 7, 1, 12, tzinfo=UTC),
    ]  # fmt: skip
    assert answers(berlin, "2024-03-31 02:30:00", "2024-10-27 02:30:00") == [["type"], ["type"]]
    twice = "2024-10-27 02:30:00"
    assert answers({**berlin, **said("t", overlap="earlier")}, twice) == [datetime(2024, 10, 27, 0, 30, tzinfo=UTC)]
    assert answers({**berlin, **said("t", overlap="later")}, twice) == [datetime(2024, 10, 27, 1, 30, tzinfo=UTC)]
    naive = pl.Series([datetime(2024, 7, 1, 12), datetime(2024, 3, 31, 2, 30)])  # noqa: DTZ001 - a Parquet file without a zone
    assert in_order("t", judge(berlin, naive, "parquet")) == [datetime(2024, 7, 1, 10, tzinfo=UTC), ["type"]]
    assert in_order("t", judge(berlin, pl.Series([date(2024, 7, 1)]), "parquet")) == [
        datetime(2024, 6, 30, 22, tzinfo=UTC)
    ]


def test_an_offset_is_demanded_or_forbidden() -> None:
    both = ("2024-01-01T12:00:00", "2024-01-01T12:00:00Z", "2024-01-01 12:00", "2024-01-01 12:00+00")
    assert answers(options(TIME, timezone=True), *both) == [["type"], NOON, ["type"], NOON]
    assert answers(options(TIME, timezone=False), *both) == [NOON, ["type"], NOON, ["type"]]


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("dd/MM/yyyy HH:mm", "01/01/2024 12:00"), ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2024-01-01T12:00:00.000Z"),
        ("d.M.yyyy HH:mm", "1.1.2024 12:00"), ("%d-%b-%Y %I:%M %p", "1-Jan-2024 12:00 PM"), ("%Y-%m-%d %H:%M:%S%z", "2024-01-01 14:00:00+02"),
        ("%d %B %Y %H:%M", "1 January 2024 12:00"), ("%Y%m%d%H%M%S", "20240101120000"), ("%F %T", "2024-01-01 12:00:00"),
    ],
)  # fmt: skip
def test_patterns_of_strftime_and_of_the_jdk_mean_the_same(pattern: str, text: str) -> None:
    assert answers(formats(TIME, pattern), text) == [NOON]
    if "%" not in pattern:
        assert answers(options(TIME, format=pattern), text) == [NOON]


def test_years_beyond_what_engines_hold_are_refused_with_the_zone_that_makes_them_so() -> None:
    sentinel = "9999-12-31T23:59:59-05:00"
    split = judge(TIME, pl.Series([sentinel]))
    assert split.refused.select("rule", "value").rows() == [("range", sentinel)]
    assert (
        answers(TIME, "0001-01-01T00:00:00+05:00", "0000-01-01", "+10000-01-01T00:00:00Z", "-0044-03-15T00:00:00Z")
        == [["range"]] * 4
    )
    assert answers(DATE, "0000-01-01", "-0044-03-15", "+10000-01-01") == [["range"]] * 3
    assert answers(DATE, "0001-01-01", "9999-12-31") == [date(1, 1, 1), date(9999, 12, 31)]
    aware = pl.Series([datetime(9999, 12, 31, 23, 59, 59)]).dt.replace_time_zone("America/New_York")  # noqa: DTZ001
    refused = judge(TIME, aware, "parquet").refused
    assert refused.select("rule", "value").rows() == [("range", "9999-12-31T23:59:59.000000-05:00")]
    days = pl.Series([2**31 - 1, -(2**31), 0], dtype=pl.Int32).cast(pl.Date)
    assert in_order("d", judge(DATE, days, "parquet")) == [["range"], ["range"], date(1970, 1, 1)]
    assert in_order("s", judge({"name": "s"}, days, "parquet")) == [["type"], ["type"], "1970-01-01"]


def test_a_declared_sentinel_is_no_value_in_whatever_zone_it_is_written() -> None:
    column = {**TIME, **said("t", nulls=["9999-12-31T23:59:59-05:00"])}
    assert answers(column, "9999-12-31T23:59:59-05:00", "9999-12-31 23:59:59-05") == [None, None]
    aware = pl.Series([datetime(9999, 12, 31, 23, 59, 59)]).dt.replace_time_zone("America/New_York")  # noqa: DTZ001
    assert in_order("t", judge(column, aware, "parquet")) == [None]
    dated = {**formats(DATE, "%d/%m/%Y")}
    dated["customProperties"] = [*dated["customProperties"], {"property": "nulls", "value": ["9999-12-31"]}]
    assert answers(dated, "31/12/9999", "9999-12-31", "31/12/9998") == [None, None, date(9998, 12, 31)]
    assert answers({**dated, "required": True}, "31/12/9999") == [["required"]]


def test_whole_numbers_of_typed_files_are_integers_up_to_what_a_float_holds() -> None:
    floats = pl.Series([1.0, 2.0, None, 2.5, float("nan"), 2.0**53, 2.0**53 + 2, 1e300])
    assert in_order("n", judge(WHOLE, floats, "parquet")) == [1, 2, None, ["type"], ["type"], 2**53, ["type"], ["type"]]
    assert answers(WHOLE, "1.0", "1e2", "1.5", "1E+2", "9007199254740993.0", form="ndjson") == [
        1,
        100,
        ["type"],
        100,
        ["type"],
    ]
    assert answers(WHOLE, "1.0", "1e2") == [["type"], ["type"]]
    large = pl.Series([2**63, 5], dtype=pl.UInt64)
    assert in_order("n", judge(WHOLE, large, "parquet")) == [["type"], 5]


def test_a_decimal_that_cannot_hold_a_value_refuses_it_in_every_format() -> None:
    for form in ("csv", "json", "ndjson"):
        assert answers(EXACT, "38.444022", "38.44", "38.4400", "123456789.00", form=form) == [
            ["type"], Decimal("38.44"), Decimal("38.44"), ["type"],
        ]  # fmt: skip
    floats = pl.Series([38.444022, 29.33, 1e5, 0.1 + 0.2, 1e-7])
    assert in_order("n", judge(EXACT, floats, "parquet")) == [
        ["type"],
        Decimal("29.33"),
        Decimal("100000.00"),
        ["type"],
        ["type"],
    ]
    assert in_order("n", judge(EXACT, pl.Series([0.1], dtype=pl.Float32), "parquet")) == [Decimal("0.10")]
    assert answers(EXACT, "1e2", "15e-1", form="json") == [Decimal("100.00"), Decimal("1.50")]
    wider = pl.Series([Decimal("1.500"), Decimal("1.505")], dtype=pl.Decimal(12, 3))
    assert in_order("n", judge(EXACT, wider, "parquet")) == [Decimal("1.50"), ["type"]]


def test_a_double_is_what_was_written_or_is_refused() -> None:
    assert (
        answers(NUMBER, "nan", "inf", "-Infinity", "1e400", "1e-400", "9007199254740993", "1_0", "0x10")
        == [["type"]] * 8
    )
    assert answers(NUMBER, "9007199254740994", "123456789012345670000", "0.1", "-0e-999", "1E5", ".5", "5.") == [
        9007199254740994.0, 1.2345678901234567e20, 0.1, 0.0, 1e5, 0.5, 5.0,
    ]  # fmt: skip
    assert in_order("n", judge(NUMBER, pl.Series([2**53 + 1, 5]), "parquet")) == [["type"], 5.0]


def test_values_are_compared_in_the_columns_own_type() -> None:
    def enum(column: dict[str, Any], *values: Any) -> dict[str, Any]:
        return {**column, "enum": [{"value": value} for value in values]}

    assert answers(enum({"name": "b", "logicalType": "boolean"}, True), "yes", "no") == [True, ["accepted"]]
    assert answers(enum(NUMBER, 1.5, 2), "1.50", "2", "3") == [1.5, 2.0, ["accepted"]]
    assert answers(enum(EXACT, 1.5), "1.50", "2") == [Decimal("1.50"), ["accepted"]]
    assert answers(enum(WHOLE, 5), "05", "6") == [5, ["accepted"]]
    assert answers(enum(TIME, "2024-01-01T13:00:00+01:00"), "2024-01-01T12:00Z", "2024-01-02") == [NOON, ["accepted"]]
    assert answers(enum(formats(DATE, "%d/%m/%Y"), "2024-01-02"), "02/01/2024", "03/01/2024") == [
        date(2024, 1, 2),
        ["accepted"],
    ]
    assert answers({**WHOLE, **said("n", nulls=["-1"])}, "-1", "-01", "1") == [None, None, 1]
    assert in_order("n", judge({**WHOLE, **said("n", nulls=["-1"])}, pl.Series([-1.0, 1.0]), "parquet")) == [None, 1]
    assert answers({"name": "b", "logicalType": "boolean", **said("b", nulls=["0"])}, "0", "false") == [None, False]


def test_limits_are_kept_exactly() -> None:
    assert answers(options(EXACT, minimum=0.005), "0.00", "0.01") == [["minimum"], Decimal("0.01")]
    assert answers(options(EXACT, maximum=0.005), "0.00", "0.01") == [Decimal("0.00"), ["maximum"]]
    assert answers(options(EXACT, exclusiveMinimum=1, exclusiveMaximum=2), "1.00", "1.01", "2.00") == [
        ["minimum"],
        Decimal("1.01"),
        ["maximum"],
    ]
    assert answers(options(EXACT, exclusiveMinimum=0.005, exclusiveMaximum=1.005), "0.01", "1.00") == [
        Decimal("0.01"),
        Decimal("1.00"),
    ]
    assert answers(options(WHOLE, exclusiveMinimum=1), "1", "2") == [["minimum"], 2]
    assert answers(options(WHOLE, multipleOf=3), "9", "10", "-3", "0") == [9, ["multiple_of"], -3, 0]
    assert answers(options(EXACT, multipleOf=0.05), "0.10", "0.12") == [Decimal("0.10"), ["multiple_of"]]
    assert answers(options(WHOLE, format="i8"), "127", "128", "-129") == [127, ["maximum"], ["minimum"]]
    assert answers(options(DATE, exclusiveMaximum="2024-01-02"), "2024-01-01", "2024-01-02") == [
        date(2024, 1, 1),
        ["maximum"],
    ]
    berlin = options(TIME, defaultTimezone="Europe/Berlin", minimum="2024-01-01")
    assert answers(berlin, "2023-12-31 23:59:59", "2024-01-01 00:00:00") == [
        ["minimum"],
        datetime(2023, 12, 31, 23, tzinfo=UTC),
    ]


def test_numbers_are_read_with_the_signs_that_the_contract_declares() -> None:
    numbers = {"decimal": ",", "group": ".", "symbols": ["$", "EUR"], "negative": ["trailing", "parentheses"]}
    column = {**EXACT, **said("n", numbers=numbers)}
    good = {
        "2,5": "2.50", "1.234,50": "1234.50", "$5": "5.00", "5-": "-5.00", "(3,20)": "-3.20", "-$1.000,5": "-1000.50", "5 EUR": "5.00",
        "1.234": "1234.00", "($5)": "-5.00", "$5-": "-5.00", "7": "7.00",
    }  # fmt: skip
    assert answers(column, *good) == [Decimal(value) for value in good.values()]
    bad = ("2.5", "12.34,5", "1.2345", "$", "", "5 5", "1,2,3", "--5", "-(5)", "5 USD")
    assert answers(column, *bad) == [["type"], ["type"], ["type"], ["type"], None, *[["type"]] * 5]
    assert answers({**EXACT, **said("n", numbers={"decimal": ",", "group": ""})}, "2,5", "2.5") == [
        Decimal("2.50"),
        ["type"],
    ]


def test_words_of_truth() -> None:
    assert answers({"name": "b", "logicalType": "boolean"}, "on", "OFF", "Yes", "f", "1", "2") == [
        True,
        False,
        True,
        False,
        True,
        ["type"],
    ]
    column = {"name": "b", "logicalType": "boolean", **said("b", trueValues=["ja"], falseValues=["nein"])}
    assert answers(column, "Ja", "NEIN", "vielleicht") == [True, False, ["type"]]


def test_telephone_numbers_keep_country_and_extension_and_are_never_empty() -> None:
    column = {"name": "p", "required": True, **said("p", normalise="phone", region="US")}
    assert answers(column, "(555) 010-0199 ext. 12", "+49 (0) 30 1234", "n/a", "", "+1 212 555 0100") == [
        "+15550100199;ext=12", "+49301234", ["phone"], ["required"], "+12125550100",
    ]  # fmt: skip
    refused = judge(column, pl.Series(["call me"])).refused
    assert refused["value"].to_list() == ["call me"]


@given(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)))
@settings(max_examples=60, deadline=None)
def test_every_regions_example_is_itself_however_it_is_written(region: str) -> None:
    number = phonenumbers.example_number(region)
    assert number is not None
    exact = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    for form in (
        phonenumbers.PhoneNumberFormat.NATIONAL,
        phonenumbers.PhoneNumberFormat.INTERNATIONAL,
        phonenumbers.PhoneNumberFormat.RFC3966,
    ):
        assert phone(phonenumbers.format_number(number, form), region) == exact


def test_texts_that_mean_the_same_become_the_same() -> None:
    column = {"name": "s", "required": True, **said("s", normalise=["unicode", "spaces"])}
    assert answers(column, "Cafe\u0301", "A\u200b1", "\u200b", "a\u00a0 b", "\ufeffx", "👩\u200d💻") == [
        "Café", "A1", ["required"], "a b", "x", "👩\u200d💻",
    ]  # fmt: skip


def test_digits_of_a_pattern_are_of_ascii() -> None:
    assert answers(options({"name": "s"}, pattern=r"\d{2}"), "12", "١٢") == ["12", ["pattern"]]
    assert answers(options({"name": "s"}, pattern=r"[\w.]+"), "a.b_1", "é") == ["a.b_1", ["pattern"]]
    assert answers(options({"name": "s"}, format="uuid"), "123E4567-e89b-12d3-a456-426614174000", "123") == [
        "123E4567-e89b-12d3-a456-426614174000",
        ["format"],
    ]
    assert answers(options({"name": "s"}, format="ipv4"), "1.2.3.4", "1.2.3.400") == ["1.2.3.4", ["format"]]


OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.lists(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=OFFSETS), min_size=1, max_size=30))  # noqa: DTZ001
@settings(max_examples=60, deadline=None)
def test_pythons_own_texts_of_times_are_read_back(moments: list[datetime]) -> None:
    for sep in ("T", " "):
        assert answers(TIME, *(moment.isoformat(sep) for moment in moments)) == moments


@given(st.lists(st.dates(), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_pythons_own_texts_of_dates_are_read_back(days: list[date]) -> None:
    for pattern in ("%d/%m/%Y", "%d.%m.%Y", "%Y/%m/%d", "%d-%b-%Y", "%d%m%Y"):
        texts = [day.strftime(pattern.replace("%Y", "{year}")).format(year=f"{day.year:04}") for day in days]
        assert answers(formats(DATE, pattern), *texts) == days
    assert answers(DATE, *(day.isoformat() for day in days)) == days


@given(
    st.lists(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), min_size=1, max_size=30),  # noqa: DTZ001
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]),
)
@settings(max_examples=60, deadline=None)
def test_a_zones_clock_means_what_the_zone_database_of_python_says(moments: list[datetime], zone: str) -> None:
    column = options(TIME, defaultTimezone=zone)
    for wall, found in zip(moments, answers(column, *(wall.isoformat() for wall in moments)), strict=True):
        first, second = (wall.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1))
        assert found == (first if first == second else ["type"])


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-01 12:00:00+00",
        "2024-01-01 17:30:00+05:30",
        "2024-01-01 12:00:00",
        "2024-01-01 04:00:00-08",
        "2024-01-01T12:00:00+00:00",
    ],
)
def test_postgresqls_own_texts_of_a_time_are_read(text: str) -> None:
    assert answers(TIME, text) == [NOON]


def test_a_declared_spelling_means_its_text_and_no_other_changes() -> None:
    gender = {"name": "g", **said("g", case="lower", spellings={"female": ["f", "w"], "male": ["m", "man"]})}
    assert answers(gender, "F", "w", "Man", "MALE", "x", "fm") == ["female", "female", "male", "male", "x", "fm"]
    mail = {"name": "m", **said("m", normalise="email", mailDomains={"gmail.com": ["gmial.com", "gmail"]})}
    texts = "A@Gmial.COM", "b@gmail", '"@gmail"@gmial.com', "c@gmail.com.x", "gmial.com", "@gmial.com"
    expected = ["a@gmail.com", "b@gmail.com", '"@gmail"@gmail.com', "c@gmail.com.x", "gmial.com", "@gmail.com"]
    assert answers(mail, *texts) == expected
