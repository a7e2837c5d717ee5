"""Generate files of which is known, line by line, what is good and what was spoiled."""

import gzip
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

SHARE = 50  # of so many lines one is spoiled
MARK = "spoiled-"  # begins the name of every spoiled line, so that it is known wherever it turns up
Spoil = Callable[[list[str]], bytes]


def row(number: int) -> list[str]:
    """Return a good row: a number, a text with a delimiter and quotes in it now and then, an amount."""
    text = f'Ann, "{number % 7}"' if number % 10 == 0 else f"name {number}"
    return [str(number), text, f"{number % 1000}.50"]


def quoted(fields: list[str]) -> str:
    """Write fields as RFC 4180 has them."""
    return ",".join('"' + f.replace('"', '""') + '"' if "," in f or '"' in f else f for f in fields)


def _joined(fields: list[str]) -> bytes:
    return ",".join(fields).encode()


CSV: dict[str, Spoil] = {
    "a field is missing": lambda f: _joined(f[:2]),
    "a field too many": lambda f: _joined([*f, "x"]),
    "a delimiter inside a text": lambda f: _joined([f[0], f[1] + ", Jr", f[2]]),
    "a quote inside a text": lambda f: _joined([f[0], f[1] + '5" x', f[2]]),
    "text after a quoted field": lambda f: _joined([f[0], f'"{f[1]}"x', f[2]]),
    "a quote that is never closed": lambda f: _joined([f[0], f'"{f[1]}', f[2]]),
    "bytes of no encoding": lambda f: _joined([f[0], f[1], ""]) + b"\xff\xfe",
    "a line cut in two": lambda f: _joined([f[0], f[1]]) + b"\n" + f[2].encode(),
}


def _object(fields: list[str]) -> str:
    return json.dumps(dict(zip(("id", "name", "amount"), fields, strict=True)))


NDJSON: dict[str, Spoil] = {
    "cut short": lambda f: _object(f)[:-5].encode(),
    "no closing brace": lambda f: _object(f)[:-1].encode(),
    "a comma at the end": lambda f: _object(f).encode() + b",",
    "two objects on a line": lambda f: _object(f).encode() * 2,
    "a key twice": lambda f: _object(f)[:-1].encode() + b', "amount": "0"}',
    "NaN": lambda f: _object(f).replace('"id": "' + f[0] + '"', '"id": NaN').encode(),
    "an array": lambda f: b"[" + _object(f).encode() + b"]",
    "bytes of no encoding": lambda f: _object(f).encode().replace(b"spoiled", b"spoiled\xff", 1),
}


def lines(count: int, good: Callable[[list[str]], str], spoil: Spoil) -> tuple[bytes, list[int]]:
    """Return a text and the numbers of its spoiled lines."""
    chance, spoiled, text = random.Random(20261125), list[int](), io.BytesIO()
    for number in range(1, count + 1):
        fields = row(number)
        if number > 1 and chance.randrange(SHARE) == 0:
            spoiled.append(number)
            text.write(spoil([fields[0], f"{MARK}{number}.", fields[2]]) + b"\n")
        else:
            text.write(good(fields).encode() + b"\n")
    return text.getvalue(), spoiled


def whole(folder: Path) -> dict[str, str]:
    """Write files that must be refused whole; return what is wrong with each."""
    table = b"id,name,amount\n" + b"".join(quoted(row(n)).encode() + b"\n" for n in range(1, 2001))
    packed, parquet = gzip.compress(table, mtime=0), io.BytesIO()
    values = dict(zip(("id", "name", "amount"), zip(*map(row, range(1, 2001)), strict=True), strict=True))
    pq.write_table(pa.table(values), parquet, write_page_checksum=True, compression="none", use_dictionary=False)
    columns = parquet.getvalue()
    flipped = columns.replace(b"name 555", b"name 455", 1)
    files = {
        "cut.csv.gz": ("a gzip that ends early", packed[: len(packed) // 2]),
        "checksum.csv.gz": ("a gzip with another checksum", packed[:-8] + bytes(4) + packed[-4:]),
        "shifted.csv": ("a header that is one name short", table.replace(b"id,name,amount", b"id,name", 1)),
        "header.csv": ("a header with a stray quote", table.replace(b"id,name", b'id,"na"me', 1)),
        "page.csv": ("HTML", b"<!doctype html>\n<p>a, b</p>\n" * 20),
        "error.csv": ("an XML error of a store", b"<Error><Code>NoSuchKey</Code></Error>\n"),
        "cut.parquet": ("a Parquet file without its footer", columns[:-200]),
        "flipped.parquet": ("a Parquet page that its checksum gives away", flipped),
        "cut.json": ("a JSON array that ends early", b"[" + b",".join(_object(row(n)).encode() for n in range(200))),
        "code_page.csv": ("undeclared Cyrillic of a code page", table + "2001,Иванов,1\n".encode("cp1251") * 200),
    }  # fmt: skip
    for name, (_, data) in files.items():
        (folder / name).write_bytes(data)
    return {name: what for name, (what, _) in files.items()}


def write(count: int, folder: Path) -> dict[str, Any]:
    """Write all files; return what is known of them: by name, the fault and the numbers of the spoiled lines."""
    folder.mkdir(parents=True)
    known: dict[str, Any] = {"whole": whole(folder), "records": {}}
    for suffix, header, good, kinds in (("csv", b"id,name,amount\n", quoted, CSV), ("ndjson", b"", _object, NDJSON)):
        for place, (what, spoil) in enumerate(kinds.items()):
            text, spoiled = lines(count, good, spoil)
            name = f"rows{place}.{suffix}"
            (folder / name).write_bytes(header + text)
            known["records"][name] = (f"{suffix}: {what}", spoiled)
    return known
