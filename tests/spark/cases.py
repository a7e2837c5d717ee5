"""The inputs that refining once got wrong, and their neighbours, as pairs of a contract and a file."""

import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.spark.pairs import Pair, made

Columns = list[dict[str, Any]]


def said(**words: Any) -> dict[str, Any]:
    return {"customProperties": [{"property": name, "value": value} for name, value in words.items()]}


def options(**words: Any) -> dict[str, Any]:
    return {"logicalTypeOptions": words}


def _pair(columns: Columns, name: str, content: bytes | str, **words: Any) -> Pair:
    contract = made([{"logicalType": "string", **column} for column in columns], **words)
    assert contract is not None, f"no contract: {columns} {words}"
    return Pair(contract, name, content if isinstance(content, bytes) else content.encode())


def _csv(column: dict[str, Any], *texts: str, **words: Any) -> Pair:
    """Make a file of one column's texts, each in quotes, beside a column that is always good."""
    lines = "".join('"{}","1"\n'.format(text.replace('"', '""')) for text in texts)
    return _pair([{"name": "x", **column}, {"name": "y"}], "f.csv", f"x,y\n{lines}", **words)


def _ndjson(column: dict[str, Any], *values: Any, **words: Any) -> Pair:
    return _pair([{"name": "x", **column}], "f.ndjson", "".join(json.dumps({"x": v}) + "\n" for v in values), **words)


def _parquet(column: dict[str, Any], values: pa.Array, **how: Any) -> Pair:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"x": values}), buffer, **how)
    return _pair([{"name": "x", **column}], "f.parquet", buffer.getvalue())


DATE, TIME, INTEGER, NUMBER = ({"logicalType": kind} for kind in ("date", "timestamp", "integer", "number"))
DECIMAL = {**NUMBER, "physicalType": "decimal(10,2)"}
DAYS = (
    "2024-01-02", "2024-1-2", "2024- 1-02", "+2024-01-02", "24-01-02", "1-2-3", "24-01-01T12:00:00Z", "20240102",
    "2024-01-02T00:00:00", "2024-01-02T00:00:00+05:00", "2024-01-02T01:00:00", "2024-02-29", "2023-02-29", "1900-02-29",
    "2000-02-29", "2024-04-31", "2024-13-01", "2024-00-10", "2024-01-00", "0000-01-01", "0001-01-01", "0999-12-31",
    "1000-01-01", "9999-12-31", "-0044-03-15", "+10000-01-01", "+999999-12-31", "2024-01-02\u00a0", "", "n/a",
    "1600-03-01", "1582-10-10", "1970-01-01", "1969-12-31", "2024-W01-1", "٢٠٢٤-01-02",
)  # fmt: skip
TIMES = (
    "2024-01-01 12:00:00+00:00", "2024-01-01 12:00:00Z", "2024-01-01 12:00:00+00", "2024-01-01T12:00Z", "20240101T120000Z",
    "2024-01-01", "9999-12-31T23:59:59-05:00", "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00+14:00", "0000-01-01T00:00:00Z",
    "2016-12-31T23:59:60Z", "2024-01-01T24:00:00Z", "2024-01-01T12:00:00.123456Z", "2024-01-01T12:00:00.1234567Z",
    "2024-01-01T12:00:00.1234560Z", "2024-01-01T12:00:00,5Z", "2024-01-01T12:00:00.5", "2024-01-01T12:00:00+05:30",
    "2024-01-01T12:00:00-23:59", "2024-01-01T12:00:00+24:00", "2024-01-01T12:00:00+99:99", "2024-1-2T3:4:5Z", "2024-01-01  12:00:00",
    "2024-03-31 02:30:00", "2024-10-27 02:30:00", "1890-01-01 00:00:00", "1000-01-01T00:00:00+00:01", "1969-12-31T23:59:59.9Z", "2024-07-01 12:00:00 CEST",
)  # fmt: skip
NUMBERS = (
    "0", "-0", "+5", "007", "1.0", "1e2", "5.", ".5", "-.5", "1.25", "1.255", "-99999999.99", "99999999.99", "100000000.00", "99999999.995",
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "999999999999999999", "1000000000000000000", "NaN", "inf",
    "1,5", "1.234,50", "$5", "(5)", "5-", "1_000", "0x10", "٣", "9007199254740993", "1e400", "", " 7", "7\n", "--5", "-",
)  # fmt: skip
TEXTS = (
    "a", " a", "a\u00a0", "\u2009a", "\ufeffa", "a\u200b", "A1\u200b", "a\0b", "e\u0301", "é", "", " ", "NO", "İ", "ß", "ẞ", "\u212a", "😀" * 5,
    "x\n", "12345", "12345\n", "１２３４５", "555", "AB", "ab", "10.0.0.255", "10.0.0.256", "a@b.de", "n/a",
)  # fmt: skip
CASES: dict[str, Pair] = {
    "texts that the file's key tells": _pair(
        [{"name": "x"}, {"name": "y"}],
        "shop/a/b/f.csv",
        "x,y\na,b\nc,b\na,c\n,b\n",
        files={"path": "^(?P<x>[^/]+)/(?P<y>[^/]+)/"},
    ),
    "dates": _csv(DATE, *DAYS),
    "dates, required, with a sentinel": _csv({**DATE, "required": True, **said(nulls=["9999-12-31", "n/a"])}, *DAYS),
    "dates by a format": _csv({**DATE, **options(format="%d/%m/%Y")}, "03/04/2024", "3/4/2024", "03/04/24", "31/02/2024", *DAYS),
    "dates by the JDK's format": _csv({**DATE, **options(format="dd/MM/yyyy")}, "03/04/2024", "31/12/9999"),
    "dates by two formats": _csv({**DATE, **said(formats=["%d/%m/%Y", "%d/%m/%y"])}, "03/04/24", "03/04/2024", "30/02/24"),
    "dates by touching digits": _csv({**DATE, **options(format="%Y%m%d")}, "20240102", "2024012", "202401021", "19970230"),
    "dates within limits": _csv({**DATE, **options(minimum="2000-01-01", exclusiveMaximum="2024-01-02")}, *DAYS),
    "times": _csv(TIME, *TIMES),
    "times of a zone": _csv({**TIME, **options(defaultTimezone="Europe/Berlin")}, *TIMES),
    "times with an offset": _csv({**TIME, **options(timezone=True)}, *TIMES),
    "times without an offset": _csv({**TIME, **options(timezone=False)}, *TIMES),
    "times of which digits are cut": _csv({**TIME, **said(finer="cut")}, *TIMES),
    "times by a format": _csv({**TIME, **options(format="%d.%m.%Y %H:%M")}, "03.04.2024 12:30", "03.04.2024 24:00", "03.04.2024  1:30", "03.04.2024 12:60"),
    "times by a format with %Z's offsets": _csv({**TIME, **options(format="%Y-%m-%d %H:%M:%S%z")}, "2024-07-01 12:00:00+0200", "2024-07-01 12:00:00"),
    "integers": _csv(INTEGER, *NUMBERS),
    "integers, with limits": _csv({**INTEGER, **options(minimum=0, exclusiveMaximum=7, multipleOf=5)}, *NUMBERS),
    "integers, some of which mean nothing": _csv({**INTEGER, **said(nulls=["7", "-0"])}, *NUMBERS),
    "decimals": _csv(DECIMAL, *NUMBERS),
    "decimals, with a limit between": _csv({**DECIMAL, **options(minimum=0.005, maximum=1.255)}, *NUMBERS, "0.00", "0.01", "1.26"),
    "decimals of a factor": _csv({**DECIMAL, **options(multipleOf=0.25)}, *NUMBERS),
    "decimals, accepted ones": _csv({**DECIMAL, "enum": [{"value": 5}, {"value": 1.25}]}, "5.", *NUMBERS),
    "decimals of 38 digits": _csv({**NUMBER, "physicalType": "decimal(38,0)"}, *NUMBERS, "9" * 38, "9" * 39),
    "doubles": _csv(NUMBER, *NUMBERS),
    "numbers with signs": _csv(
        {**DECIMAL, **said(numbers={"decimal": ",", "group": ".", "symbols": ["$"], "negative": ["trailing", "parentheses"]})}, *NUMBERS
    ),
    "booleans": _csv({"logicalType": "boolean"}, "true", "TRUE", "No", "oN", "ja", "0", "1", "", " true", "\u212a"),
    "booleans of a language": _csv({"logicalType": "boolean", **said(trueValues=["ja", "oui"], falseValues=["nein"])}, "JA", "nein", "no", "Ouı"),
    "texts": _csv({}, *TEXTS),
    "texts, required": _csv({"required": True, **said(nulls=["n/a", "NO"])}, *TEXTS),
    "texts by length": _csv(options(minLength=2, maxLength=5), *TEXTS),
    "texts, accepted ones": _csv({"enum": [{"value": "NO"}, {"value": "é"}]}, *TEXTS),
    "texts by a plain pattern": _csv(options(pattern=r"\d{5}|[A-Z]+"), *TEXTS),
    "texts by a pattern of letters": _csv(options(pattern=r"(?i)[a-z]+|\p{L}"), *TEXTS),
    "texts by form": _csv(options(format="ipv4"), *TEXTS),
    "addresses": _csv({**options(format="email"), **said(normalise="email")}, "A@B.DE", *TEXTS),
    "telephone numbers": _csv(said(normalise="phone", region="DE"), "(555) 010-0199 ext. 12", "+49 (0) 30 1234", "n/a", "030 123456"),
    "forms of Unicode": _csv({"required": True, **said(normalise=["unicode", "spaces"])}, *TEXTS),
    "cases of letters": _csv(said(case="upper"), *TEXTS),
    "spellings": _csv(said(spellings={"A": ["a", "ab"], "n/a": ["AB"]}, nulls=["n/a"]), *TEXTS),
    "a column without case and form": _pair([{"name": "be", "physicalName": "b\u00e9"}, {"name": "id"}], "f.csv", "ID,be\u0301\n1,x\n"),
    "a column that the file lacks": _pair([{"name": "id"}, {"name": "more", **INTEGER}], "f.csv", "id\n1\n"),
    "malformed lines": _pair([{"name": "id", **INTEGER}, {"name": "n"}], "f.csv", b'id,n\n1,a\nshort\n2,"b\nb"\n\n3,\xff\n4,a"b\n5,c,d\n'),
    "newlines within quotes": _pair([{"name": "id"}, {"name": "n"}], "f.csv", 'id,n\r\n1,"a\r\nb"\r\nx\r\n2,c\r\n'),
    "semicolons": _pair([{"name": "a"}, {"name": "b"}], "f.csv", "a;b\n1,5;2,5\n3;\n"),
    "JSON within a text": _ndjson({}, ["C:\\new", "t\tx", "b\\"], {"p": 1}, "12345678901234567890.12", 2.5),
    "JSON numbers": _ndjson(INTEGER, 1.0, 2, 1e2, "3", "1e2", 1.5, None, True, 2**53 + 1),
    "JSON texts alone": _ndjson(INTEGER, "1", "2", "1.0", ""),
    "JSON numbers for decimals": _ndjson(DECIMAL, 1.25, 1.255, "1.5", 1e2),
    "JSON lines": _pair([{"name": "id", **INTEGER}], "f.ndjson", b'{"id": NaN}\n{"id": 1}\n{"id": 2\n[3]\n{"_record": 4, "id": 5}\n\xc3(\n'),
    "deep JSON": _pair([{"name": "id"}], "f.ndjson", '{"id": 1}\n' + '{"a":' * 300 + "1" + "}" * 300 + '\n{"id": 2}\n'),
    "times before all clocks": _parquet(DATE, pa.array([253402214400, -11676096000], pa.timestamp("s")), use_deprecated_int96_timestamps=True),
    "floats that are integers": _parquet(INTEGER, pa.array([1.0, 2.0, None, 2.5, 2.0**53])),
    "structs": _parquet({}, pa.array([{"p": 1}, None])),
    "bytes": _parquet({}, pa.array([b"a", None], pa.binary())),
    "markers and versions": _pair(
        [{"name": "id", "primaryKey": True}, {"name": "at", **TIME}, {"name": "gone"}, {"name": "n", **INTEGER, "required": True}],
        "f.csv", "id,at,gone,n\n1,2024-01-01,,5\n1,2024-01-02,y,\n2,,y,1\n3,2024-01-01,y,x\n4,2024-01-01,,\n",
        latest=["at"], history=True, deleted={"column": "gone", "values": ["y"]},
    ),
    "partitions by value": _csv({"required": True}, "a/b", "ä_~%", "x", "a b", partition={"column": "x"}),
    "partitions by month": _csv(TIME, *TIMES, partition={"column": "x", "by": "month"}),
}  # fmt: skip
