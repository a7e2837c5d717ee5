"""Which columns Spark types by itself, and which are left to the reader, with the reason."""

from typing import Any

import pytest

from common.contracts.catalogue import contract_of
from common.core.nouns import Dataset
from common.core.shape import Format, Shape
from common.refine.spark.columns import routed
from tests.spark.cases import DATE, DECIMAL, INTEGER, NUMBER, TIME, options, said
from tests.spark.pairs import made


def shape(form: Format, *strings: str) -> Shape:
    return Shape(form, "none", "utf-8", ",", '"', header=True, columns=("x",), strings=strings)


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_spark_types_purchases_by_itself_where_they_are_texts(form: Format) -> None:
    contract = contract_of(Dataset("ecommerce", "transactions"))
    assert routed(contract, [shape(form, *contract.sources)]) == ()


@pytest.mark.parametrize(
    ("column", "why"),
    [
        (said(normalise="email"), "Unicode forms"),
        (said(case="lower"), "letters' case"),
        (options(pattern=r"\S+"), "regular expressions"),
        (options(pattern=r"\p{L}+"), "regular expressions"),
        (options(format="email"), "regular expressions"),
        (NUMBER, "doubles"),
        ({**INTEGER, **said(numbers={"decimal": ",", "group": "."})}, "signs of their own"),
        ({**NUMBER, "physicalType": "decimal(3,3)"}, "no digits before"),
        ({**DECIMAL, **options(multipleOf=0.5)}, "remainders"),
        ({**TIME, **options(defaultTimezone="Europe/Berlin")}, "time zones"),
        ({**DATE, **options(format="%d %b %Y")}, "words"),
        ({**DATE, **said(formats=["%d/%m/%Y", "%m/%d/%Y"])}, "several"),
        ({**DATE, **options(format="%Y-%m")}, "no day"),
        ({"logicalType": "boolean", **said(trueValues=["да"])}, "letters' case"),
    ],
)
def test_what_engines_would_do_otherwise_is_the_readers(column: dict[str, Any], why: str) -> None:
    contract = made([{"name": "x", "logicalType": "string", **column}])
    assert contract is not None
    (found,) = routed(contract, [shape("csv")])
    assert why in found.why


def test_numbers_of_a_file_with_types_are_the_readers() -> None:
    contract = made([{"name": "x", **INTEGER}])
    assert contract is not None
    assert [
        bool(routed(contract, [one])) for one in (shape("csv"), shape("ndjson", "x"), shape("ndjson"), shape("parquet"))
    ] == [False, False, True, True]
    assert routed(contract, [shape("csv"), shape("parquet")])
