"""Who there is: agents as their team's sheet has them, customers as the billing system exports them."""

import csv
import io
import random
from collections.abc import Sequence
from datetime import date, timedelta

Row = dict[str, str]

AGENTS = ("iD", "NamE", "experience", "state")
CUSTOMERS = ("customer_id", "name", "Gender", "DATE of biRTH", "signup_date", "email", "address")
FIRST = ("Ada", "Alan", "Barbara", "Edgar", "Grace", "Hedy", "Jim", "Karen", "Margaret", "Niklaus")
LAST = ("Åkesson", "Codd", "Gray", "Hamilton", "Hopper", "Liskov", "Lovelace", "Turing", 'van "Tex" Dam', "Wirth")
STATES = ("Alaska", "Iowa", "Kentucky", "Maine", "Ohio", "Texas", "Utah")
GENDERS = ("F", "f", "female", "Woman", "M", "m", "Male", "man", "", "n/a")
MAIL = ("gmail.com", "gmial.com", "GMAIL.COM", "hotmail.com", "hotmial.com", "yahoo.com", "yaho.com", "example.org")
STREETS = ("Bell Street", "Carterfone Avenue", "Strowger Lane", "Erlang Road", "Marconi Square")


def agents(number: int, chance: random.Random) -> list[list[object]]:
    """Return the rows of the agents' sheet, the header first; numbers are numbers."""
    rows: list[list[object]] = [list(AGENTS)]
    for agent in range(number):
        name = f"{chance.choice(FIRST)} {chance.choice(LAST)}"
        rows.append([1001 + agent, name, chance.randrange(1, 15), chance.choice(STATES)])
    return rows


def moved(sheet: Sequence[Sequence[object]], chance: random.Random) -> list[list[object]]:
    """Return a later revision of the sheet: some agents work in another state."""
    header, *rows = [list(row) for row in sheet]
    for row in chance.sample(rows, max(1, len(rows) // 10)):
        row[3] = chance.choice([state for state in STATES if state != row[3]])
    return [header, *rows]


def customers(number: int, chance: random.Random, born: date) -> list[Row]:
    """Return customers as they are exported, each value as the file has it."""
    return [_customer(f"C{customer:06d}", chance, born) for customer in range(1, number + 1)]


def _customer(customer: str, chance: random.Random, born: date) -> Row:
    street = f"{chance.randrange(1, 999)} {chance.choice(STREETS)}"
    town = f"{chance.choice(STATES)} {chance.randrange(10_000, 99_999)}"
    day = born + timedelta(days=chance.randrange(18_000))
    joined = day + timedelta(days=6_600 + chance.randrange(400))
    return {
        "customer_id": customer,
        "name": f"{chance.choice(FIRST)} {chance.choice(LAST)}",
        "Gender": chance.choice(GENDERS),
        "DATE of biRTH": day.strftime("%d/%m/%Y" if chance.random() < 0.3 else "%Y-%m-%d"),
        "signup_date": joined.isoformat(),
        "email": f"User.{customer.lower()}@{chance.choice(MAIL)}",
        "address": f"{street}\n{town}" if chance.random() < 0.7 else f"{street}, {town}",
    }


def relocated(known: Sequence[Row], chance: random.Random) -> list[Row]:
    """Return some customers as a later export has them: with another address."""
    return [
        row | {"address": f"{chance.randrange(1, 999)} {chance.choice(STREETS)}\n{chance.choice(STATES)} 00001"}
        for row in chance.sample(known, max(1, len(known) // 20))
    ]


def spoiled_customers() -> list[Row]:
    """Return customers that cannot be kept: born on no day, of no gender that is known, without a number."""
    good = _customer("C900000", random.Random(0), date(1950, 1, 1))
    return [
        good | {"customer_id": "C900001", "DATE of biRTH": "31/02/1980"},
        good | {"customer_id": "C900002", "Gender": "robot"},
        good | {"customer_id": ""},
    ]


def as_csv(rows: Sequence[Row], names: Sequence[str]) -> bytes:
    """Write rows as CSV, an address over its lines in quotes."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
