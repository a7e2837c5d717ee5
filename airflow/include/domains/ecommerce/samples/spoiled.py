"""What is spoiled on purpose: whole files, and lines put between good ones; no real purchase is touched."""

import gzip
from collections.abc import Callable, Sequence

from domains.ecommerce.samples.drops import Drop, Row, delimited, parquet

RUBBISH = bytes(range(256)) * 40


def files(rows: Sequence[Row]) -> list[Drop]:
    """Return the files that must be refused whole; their rows are copies of ones that also arrive whole."""
    some = rows[:1_000]
    return [
        Drop("transactions/spoiled/truncated.csv.gz", gzip.compress(delimited(some), mtime=0)[:-400]),
        Drop("transactions/spoiled/empty.csv", b""),
        Drop("transactions/spoiled/rubbish.csv", RUBBISH),
        Drop("transactions/spoiled/wrong-schema.csv", b"sku,warehouse,quantity\r\nA-1,north,12\r\nA-2,south,7\r\n"),
        Drop("transactions/spoiled/broken-footer.parquet", parquet(some)[:-64] + b"\0" * 60 + b"PAR1"),
        Drop("refunds/1998/refunds.csv", b"customer_id,dollar_value\r\n00001,11.77\r\n"),
    ]


def between(content: bytes, lines: Sequence[bytes]) -> bytes:
    """Put spoiled lines between the lines of a file, evenly, the header left alone."""
    good = content.splitlines(keepends=True)
    ending = b"\r\n" if good[0].endswith(b"\r\n") else b"\n"
    step = len(good) // (len(lines) + 1)
    for number, line in enumerate(lines, start=1):
        good.insert(number * step + number - 1, line + ending)
    return b"".join(good)


def delimited_purchases(content: bytes) -> bytes:
    """Spoil a CSV of purchases: short rows, a stray quote, bad UTF-8, bad dates, negative amounts, missing ids."""
    lines = (
        b"00001,19970101",
        b"00002",
        b'0000"3,19970104,2,20.76',
        b"0000\xff,19970105,1,9.99",
        b"00004,19971341,2,29.33",
        b"00005,yesterday,1,10.00",
        b"00006,19970107,1,-14.96",
        b",19970108,3,33.00",
        b"00007,19970109,many,12.00",
    )
    return between(content, lines)


def tabbed_purchases(content: bytes) -> bytes:
    """Spoil a TSV of purchases: a row that is too long, a missing amount, an amount with too many digits."""
    return between(content, (b"00008\t19970310\t1\t9.99\textra", b"00009\t19970311\t1\t", b"00010\t19970312\t1\t9.999"))


def json_purchases(content: bytes) -> bytes:
    """Spoil NDJSON of purchases: lines cut off, a line that is no object, a missing field."""
    lines = (
        b'{"customer_id": "00011", "date": "19970601", "number_of_c',
        b'["00012", "19970602", 1, 12.0]',
        b'{"customer_id": "00013", "date": "19970603", "number_of_cds": 1}',
    )
    return between(content, lines)


ROW_SPOILERS: dict[str, Callable[[bytes], bytes]] = {
    "csv": delimited_purchases,
    "tsv": tabbed_purchases,
    "ndjson": json_purchases,
}


def users(content: bytes) -> bytes:
    """Spoil a CSV of users at its end, where no quoted line break can be torn: unknown country, bad UTF-8, open quote."""
    lines = (
        b"00001,No Where,nowhere@example.com,Atlantis,1996-02-30,1997-01-01T00:00:00Z",
        b"00002,Bad Date,bad@example.com,US,1996-02-30,1997-01-01T00:00:00Z",
        b"00003,B\xc3\x28d Bytes,bytes@example.com,US,1996-03-01,1997-01-01T00:00:00Z",
        b"00004,No Address,not-an-address,US,1996-03-01,1997-01-01T00:00:00Z",
        b'00005,"Open Quote,open@example.com,US,1996-03-01,1997-01-01T00:00:00Z',
    )
    return content + b"".join(line + b"\r\n" for line in lines)


def events(content: bytes) -> bytes:
    """Spoil NDJSON of events: broken lines, an unknown kind, a missing customer."""
    lines = (
        b'{"event_id": "x1", "customer_id": "00001", "kind": "page_vi',
        b"not json at all",
        b'{"event_id": "x2", "customer_id": "00001", "kind": "sneeze", "occurred_at": "1998-04-01T00:00:00Z"}',
        b'{"event_id": "x3", "customer_id": null, "kind": "page_view", "occurred_at": "1998-04-02T00:00:00Z"}',
        b'{"event_id": "x4", "customer_id": "00002", "kind": "page_view", "occurred_at": "sometime"}',
    )
    return between(content, lines)
