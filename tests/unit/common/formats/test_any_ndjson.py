"""Any lines of JSON, good or spoiled and cut anywhere, keep the text of their values."""

import json
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.core.shape import Shape
from tests.unit.common.formats.dropped import Dropped

NUMBERS = [
    "1",
    "-7",
    "12345678901234567890",
    "1" * 50,
    "1.10",
    "2.0",
    "1e5",
    "1E400",
    "0.1000000000000000055",
    "-0.0",
    "-0",
    "20.00",
    "0e0",
    "-1e-400",
]
WORDS = ["true", "false", "null", '"x"', '"1.10"', '"a\\"b"', '"\\u00e9"', '"€"', '"\\ud83d\\ude00"', '""']
NESTED = {
    "{}": "{}",
    "[ ]": "[]",
    '{"a":1.10,"b" : [2.50,-0]}': '{"a": 1.10, "b": [2.50, -0]}',
    r'["C:\\new","t\tx","\u00e9\/","{\"a\":1}"]': r'["C:\\new", "t\tx", "é/", "{\"a\":1}"]',
    r'{"k\\\"":[{"c":[[[1E400,null,true]]]}]}': r'{"k\\\"": [{"c": [[[1E400, null, true]]]}]}',
}
STRINGS = ['"x"', '"1.10"', '"{\\"a\\": 1.10}"', '"20"', '"[1]"', "null"]
BROKEN = [
    b"nope",
    b'{"a":1',
    b"[1]",
    b"null",
    b'{"a":"\xff"}',
    b'{"a":1}{"a":2}',
    b'{"a":NaN}',
    b'{"a":"\\ud800"}',
    b'{"a":1,"a":1}',
    b'{"b":[{"c":1,"c":2}]}',
]
BROKEN += [
    b'{"a":%b}' % bad
    for bad in (
        b"01",
        b"1.",
        b".5",
        b"+1",
        b"-",
        b"1e",
        b"1.e5",
        b"tru",
        b"'x'",
        b'"\\x"',
        b'"\t"',
        b"[" * 101 + b"]" * 101,
    )
]
BROKEN += [b'{"a":1,}', b'{,"a":1}', b'{"a":1 "b":2}', b'{"a":1,,"b":2}', b'{"a"}', b"{a:1}", b'{"a":[1,]}', b'{"a":1]']
KEYS = ("a", "b", "c")


def text_of(value: str) -> str | None:
    if value in NESTED:
        return NESTED[value]
    decoded = json.loads(value)
    if decoded is None or isinstance(decoded, str):
        return decoded
    return value


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, list[tuple[str | None, ...]], list[tuple[int, bytes]]]:
    kinds = {
        key: draw(
            st.sampled_from(
                [
                    NUMBERS,
                    WORDS,
                    NUMBERS + WORDS,
                    ["1", "2"],
                    ["true"],
                    [*NESTED],
                    STRINGS,
                    STRINGS + NUMBERS,
                    [*NESTED, *WORDS],
                ]
            )
        )
        for key in KEYS
    }
    line_end = draw(st.sampled_from([b"\n", b"\r\n"]))
    order = draw(st.sampled_from([KEYS, KEYS, KEYS[::-1]]))
    lines: list[bytes] = []
    rows: list[tuple[str | None, ...]] = []
    broken: list[tuple[int, bytes]] = []
    for _ in range(draw(st.integers(1, 20))):
        kind = draw(st.integers(0, 9))
        if kind == 0:
            lines.append(draw(st.sampled_from([b"", b"  "])))
        elif kind == 1:
            lines.append(draw(st.sampled_from(BROKEN)))
            broken.append((len(lines), lines[-1]))
        else:
            found = {key: draw(st.sampled_from(kinds[key])) for key in order if draw(st.booleans())}
            pairs = (f'"{key}"{draw(st.sampled_from([":", ": "]))}{value}' for key, value in found.items())
            lines.append(("{" + ", ".join(pairs) + "}").encode())
            rows.append(tuple(text_of(found[key]) if key in found else None for key in KEYS))
    return line_end.join(lines) + draw(st.sampled_from([b"", line_end])), rows, broken


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=files(), chunk_bytes=st.sampled_from([1, 20, 100, 1 << 20]), strings=st.sampled_from([(), ("a",), KEYS]))
def test_values_keep_their_text_and_broken_lines_are_refused(
    tmp_path: Path,
    file: tuple[bytes, list[tuple[str | None, ...]], list[tuple[int, bytes]]],
    chunk_bytes: int,
    strings: tuple[str, ...],
) -> None:
    data, rows, broken = file
    shape = Shape("ndjson", "none", "utf-8", None, None, header=False, columns=KEYS, strings=strings)
    dropped = Dropped(tmp_path, data, shape=shape, chunk_bytes=chunk_bytes)
    assert dropped.rows == rows
    assert [(line, text) for _, line, _, text, _ in dropped.malformed] == broken
    dropped.check_places()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=files(), depth=st.sampled_from([1, 50]))
def test_lines_and_an_array_of_the_same_objects_give_the_same_values(
    tmp_path: Path, file: tuple[bytes, list[tuple[str | None, ...]], list[tuple[int, bytes]]], depth: int
) -> None:
    data, rows, broken = file
    bad = {text for _, text in broken}
    good = [line.strip() for line in data.splitlines() if line.strip() and line.strip() not in bad]
    shape = Shape("json", "none", "utf-8", None, None, header=False, columns=KEYS)
    assert Dropped(tmp_path, b"[" + b",\r\n".join(good) + b"]", shape=shape, chunk_bytes=depth).rows == rows
    if good:
        assert Dropped(tmp_path, b"".join(good), shape=shape, chunk_bytes=depth).rows == rows
