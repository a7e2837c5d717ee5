"""Recount purchases with plain Python: nothing of Watershed is imported here."""

import random
from decimal import Decimal
from pathlib import Path
from typing import Any


def recount(path: Path) -> dict[str, Any]:
    """Answer the demo's questions from the file itself."""
    rows = [line.split() for line in path.read_text().splitlines()[1:] if line.strip()]
    spent: dict[str, Decimal] = {}
    months: dict[str, Decimal] = {}
    for customer, day, _, amount in rows:
        spent[customer] = spent.get(customer, Decimal(0)) + Decimal(amount)
        months[f"{day[:4]}-{day[4:6]}"] = months.get(f"{day[:4]}-{day[4:6]}", Decimal(0)) + Decimal(amount)
    top = sorted(spent.items(), key=lambda item: (-item[1], item[0]))[:3]
    best = max(months.items(), key=lambda item: item[1])
    return {
        "purchases": len(rows),
        "customers": len(spent),
        "revenue": float(sum(spent.values())),
        "cds": sum(int(row[2]) for row in rows),
        "top_customers": [{"customer": customer, "revenue": float(total)} for customer, total in top],
        "best_month": {"month": best[0], "revenue": float(best[1])},
    }


def perturb(path: Path, to: Path, seed: int) -> None:
    """Write a variant: lines left out, doubled, with other amounts, days and counts."""
    chance = random.Random(seed)
    header, *lines = path.read_text().splitlines()
    kept = []
    for line in lines:
        customer, day, cds, amount = line.split()
        luck = chance.random()
        if luck < 0.05:
            continue
        if luck < 0.10:
            amount = f"{chance.randrange(10_000) / 100:.2f}"
        elif luck < 0.15:
            cds, day = str(chance.randrange(1, 20)), f"{day[:6]}{chance.randrange(1, 29):02d}"
        kept += [f" {customer} {day} {cds:>2} {amount:>7}"] * (2 if luck > 0.98 else 1)
    to.write_text("\r\n".join([header, *kept, ""]), newline="")
