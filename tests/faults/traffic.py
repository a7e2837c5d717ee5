"""Random files of the e-commerce domain, the same for the same seed: good, equal, spoiled, updates of users."""

import gzip
import random
from collections.abc import Iterator

PURCHASES = b"customer_id,date,number_of_cds,dollar_value\n"
USERS = b"customer_id,name,email,country,signed_up_on,updated_at\n"
COUNTRIES = ("us", "CA", "gb", "DE", "fr", "SE")
SPOILED_LINES = (b"short\n", b"00001,19979999,1,1.00\n", b"00002,19970101,1,-3.00\n", b'0"3,19970104,2,20.76\n')


def purchases(chance: random.Random, lines: int) -> bytes:
    """A file of purchases, a few of its lines spoiled."""
    made = [
        b"%05d,1997%02d%02d,%d,%d.%02d\n"
        % (
            chance.randrange(200),
            chance.randrange(1, 5),
            chance.randrange(1, 29),
            chance.randrange(1, 9),
            *divmod(chance.randrange(9000), 100),
        )
        for _ in range(lines)
    ]
    for _ in range(chance.randrange(3)):
        made.insert(chance.randrange(lines), chance.choice(SPOILED_LINES))
    return PURCHASES + b"".join(made)


def users(chance: random.Random, lines: int) -> bytes:
    """A file of users, known and new; a row later in time stays, whatever the order of arrival."""
    made = [
        b"%05d,N%d,u%d@x.com,%s,1996-01-01,1997-%02d-%02dT%02d:%02d:%02dZ\n"
        % (
            chance.randrange(120),
            chance.randrange(1000),
            chance.randrange(1000),
            chance.choice(COUNTRIES).encode(),
            chance.randrange(1, 13),
            chance.randrange(1, 29),
            chance.randrange(24),
            chance.randrange(60),
            chance.randrange(60),
        )
        for _ in range(lines)
    ]
    return USERS + b"".join(made)


def events(chance: random.Random, number: str, lines: int) -> bytes:
    """A file of events, some of an unknown kind."""
    made = [
        b'{"event_id": "%s-%d", "customer_id": "%05d", "kind": "%s", "occurred_at": "1997-%02d-%02dT00:00:00Z"}\n'
        % (
            number.encode(),
            line,
            chance.randrange(200),
            chance.choice((b"page_view", b"add_to_cart", b"remove_from_cart", b"sneeze")),
            chance.randrange(1, 5),
            chance.randrange(1, 29),
        )
        for line in range(lines)
    ]
    return b"".join(made)


def files(seed: int, name: str, count: int = 12) -> Iterator[tuple[str, bytes]]:
    """Give `count` files and their keys; `name` keeps the keys of one call apart from another's."""
    chance = random.Random(f"{seed}/{name}")
    last = b""
    for number in range(count):
        kind, key = chance.random(), f"{name}-{number}"
        if kind < 0.45:
            last = purchases(chance, chance.randrange(5, 40))
            yield f"transactions/{key}.csv", last
        elif kind < 0.55 and last:
            yield f"transactions/again/{key}.csv", last
        elif kind < 0.65:
            whole = gzip.compress(purchases(chance, 60), mtime=0)
            yield f"transactions/{key}.csv.gz", whole[: chance.choice((len(whole), -100))]
        elif kind < 0.70:
            yield (
                f"transactions/{key}.csv",
                chance.choice((b"", b"\x00\xff" * 50 + key.encode(), b"a,b\n1,2\n" + key.encode())),
            )
        elif kind < 0.85:
            yield f"users/{key}.csv", users(chance, chance.randrange(3, 25))
        elif kind < 0.95:
            yield f"events/{key}.ndjson", events(chance, key, chance.randrange(3, 30))
        else:
            yield f"nowhere/{key}.csv", b"a,b\n1,2\n" + key.encode()
