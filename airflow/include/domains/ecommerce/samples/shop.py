"""What the shop delivers: each month's purchases in another format, its customers, its web events."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import cycle
from pathlib import Path

from domains.ecommerce.samples import spoiled
from domains.ecommerce.samples.drops import FORMATS, Drop, Row, delimited, ndjson, zipped

PURCHASES = Path(__file__).parent / "CDNOW_master.txt"
COUNTRIES = ("US", "us", "CA", "GB", "DE", "FR", "SE")
FIRST = ("Ada", "Alan", "Barbara", "Edgar", "Grace", "Hedy", "Jim", "Karen", "Margaret", "Niklaus")
LAST = ("Åkesson", "Codd", "Gray", "Hamilton", "Hopper", "Liskov", "Lovelace", "Turing", 'van "Tex" Dam', "Wirth")
KINDS = ("page_view", "page_view", "page_view", "add_to_cart", "remove_from_cart")
RESENT = "1997-03"
USERS_A_FILE = 9_000


def drops(purchases: Path = PURCHASES, seed: int = 1997) -> list[Drop]:
    """Return every file of the demo, in the order in which it lands; the same for the same purchases and seed."""
    rows, chance = read_purchases(purchases), random.Random(seed)
    customers = sorted({row["customer_id"] for row in rows})
    return [
        *_months(rows),
        *_users(customers, chance),
        *_events(customers, chance),
        *spoiled.files(rows),
    ]


def read_purchases(path: Path) -> list[Row]:
    """Read the purchases, each as its file writes it."""
    header, *lines = path.read_text(encoding="ascii").splitlines()
    names = header.split()
    return [dict(zip(names, line.split(), strict=True)) for line in lines if line.strip()]


def _months(rows: list[Row]) -> Iterator[Drop]:
    """One file a month; formats take turns, base names are equal, one file is sent again under another name."""
    by_month: dict[str, list[Row]] = {}
    for row in rows:
        by_month.setdefault(f"{row['date'][:4]}-{row['date'][4:6]}", []).append(row)
    for (month, purchases), (ending, write) in zip(sorted(by_month.items()), cycle(FORMATS.items())):
        content = write(purchases)
        if ending in spoiled.ROW_SPOILERS:
            content = spoiled.ROW_SPOILERS[ending](content)
        yield Drop(f"transactions/{month.replace('-', '/')}/purchases.{ending}", content)
        if month == RESENT:
            yield Drop(f"transactions/resent/purchases-{month}.{ending}", content)


def _users(customers: list[str], chance: random.Random) -> Iterator[Drop]:
    rows = [_user(customer, chance) for customer in customers]
    for number, start in enumerate(range(0, len(rows), USERS_A_FILE)):
        content = delimited(rows[start : start + USERS_A_FILE])
        yield Drop(f"users/export-{number}.csv", spoiled.users(content) if number == 0 else content)
    moved = [row | {"country": "DE", "updated_at": "1998-07-01T12:00:00Z"} for row in chance.sample(rows, 500)]
    yield Drop("users/changes.ndjson", ndjson(moved))


def _user(customer: str, chance: random.Random) -> Row:
    name = f"{chance.choice(FIRST)} {chance.choice(LAST)}"
    signed_up = date(1996, 1, 1) + timedelta(days=chance.randrange(366))
    return {
        "customer_id": customer,
        "name": name.replace(" ", "\n") if chance.random() < 0.01 else name,  # some forms keep the line break
        "email": f" User{customer}@Example.COM" if chance.random() < 0.9 else "n/a",
        "country": chance.choice(COUNTRIES),
        "signed_up_on": signed_up.strftime("%d/%m/%Y" if chance.random() < 0.2 else "%Y-%m-%d"),
        "updated_at": f"{signed_up.isoformat()}T08:00:00Z",
    }


def _events(customers: list[str], chance: random.Random) -> Iterator[Drop]:
    start = datetime(1998, 4, 1, tzinfo=UTC)
    for month, ending in ((4, "ndjson"), (5, "ndjson.gz"), (6, "ndjson")):
        rows = []
        for number in range(12_000):
            at = start.replace(month=month) + timedelta(seconds=chance.randrange(30 * 86_400))
            rows.append(
                {
                    "event_id": f"e{month}-{number:06d}",
                    "customer_id": chance.choice(customers),
                    "kind": chance.choice(KINDS),
                    "page": f"/cd/{chance.randrange(5_000)}",
                    "occurred_at": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                }
            )
        content = (zipped(ndjson) if ending.endswith("gz") else ndjson)(rows)
        yield Drop(f"events/1998-{month:02d}/web.{ending}", spoiled.events(content) if month == 4 else content)
