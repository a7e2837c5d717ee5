"""Recount the days of the call centre with plain Python: nothing of Watershed is imported here."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

CATEGORIES = {"Network Failure", "Payments", "Technician Support", "Router Delivery", "Customer Service Failure"}
STATUSES = {"resolved": "resolved", "backlog": "backlog", "blocked": "blocked", "in-progress": "in-progress"}
STATUSES["in progress"] = "in-progress"
GENDERS = {"f": "female", "female": "female", "woman": "female", "m": "male", "male": "male", "man": "male"}
MISTYPED = {"gmial.com": "gmail.com", "hotmial.com": "hotmail.com", "yaho.com": "yahoo.com"}
NUMBER = re.compile(r"C[0-9]{6}")
Complaint = tuple[str, str, str, int, str, str, datetime, datetime | None]


def complaints(files: Iterable[tuple[str, bytes]], tables: Iterable[Sequence[Mapping[str, str]]]) -> list[Complaint]:
    """Return the last of each complaint, (channel, id, customer, agent, category, status, said, resolved)."""
    found: dict[str, Complaint] = {}
    for key, content in files:
        if key.startswith("call logs/"):
            rows = ("call", "call ID", "call_start_time", "call_end_time"), _csv(content)
        elif key.startswith("social_media/"):
            rows = ("social", "complaint_id", "request_date", "resolution_date"), json.loads(content)
        else:
            continue
        found |= {complaint[1]: complaint for complaint in _kept(*rows)}
    for table in tables:
        names = "web", "request_id", "request_date", "resolution_date"
        found |= {complaint[1]: complaint for complaint in _kept(names, table)}
    return sorted(found.values(), key=str)


def _csv(content: bytes) -> Iterator[Mapping[str, str]]:
    header, *lines = csv.reader(io.StringIO(content.decode()))
    return (dict(zip(header, line, strict=True)) for line in lines if len(line) == len(header))


def _kept(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[Complaint]:
    channel, number, said, done = names
    for row in rows:
        customer, category = row["customeR iD"] or "", row["COMPLAINT_catego ry"]
        status = STATUSES.get(row["resolutionstatus"].lower())
        if NUMBER.fullmatch(customer) and category in CATEGORIES and status:
            resolved = datetime.fromisoformat(row[done]) if row[done] else None
            moment = datetime.fromisoformat(row[said])
            yield channel, row[number], customer, int(row["agent ID"]), category, status, moment, resolved


def customers(files: Iterable[tuple[str, bytes]]) -> list[tuple[Any, ...]]:
    """Return every version of each customer that differs from the one before, and whether it is the last."""
    versions: dict[str, list[tuple[Any, ...]]] = {}
    for _, content in (file for file in files if file[0].startswith("customers/")):
        for row in _csv(content):
            kept = _customer(row)
            known = versions.setdefault(row["customer_id"], []) if kept else []
            if kept and (not known or known[-1] != kept):
                known.append(kept)
    return [(*row, row is rows[-1]) for rows in versions.values() for row in rows]


def _customer(row: Mapping[str, str]) -> tuple[Any, ...] | None:
    gender = row["Gender"].lower()
    if not NUMBER.fullmatch(row["customer_id"]) or (gender not in ("", "n/a") and gender not in GENDERS):
        return None
    born = row["DATE of biRTH"]
    try:
        day = date(*map(int, reversed(born.split("/")))) if "/" in born else date.fromisoformat(born)
    except ValueError:
        return None
    name, _, host = row["email"].lower().partition("@")
    email, address = f"{name}@{MISTYPED.get(host, host)}", " ".join(row["address"].split())
    return row["customer_id"], row["name"], GENDERS.get(gender), day, email, address


def agents(sheets: Iterable[Sequence[Sequence[object]]]) -> list[tuple[Any, ...]]:
    """Return every version of each agent that differs from the one before, and whether it is the last."""
    versions: dict[object, list[tuple[Any, ...]]] = {}
    for _, *rows in sheets:
        for row in rows:
            known = versions.setdefault(row[0], [])
            if not known or known[-1] != tuple(row):
                known.append(tuple(row))
    return [(*row, row is rows[-1]) for rows in versions.values() for row in rows]


def by_state(known: Sequence[Complaint], staff: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return complaints, resolved ones and mean minutes by the agents' state and channel."""
    states = {row[0]: row[3] for row in staff if row[-1]}
    groups: dict[tuple[str, str], list[Complaint]] = {}
    for complaint in known:
        groups.setdefault((states[complaint[3]], complaint[0]), []).append(complaint)
    return [
        (*group, len(rows), sum(row[5] == "resolved" for row in rows), _mean(rows)) for group, rows in groups.items()
    ]


def resolution_times(known: Sequence[Complaint]) -> list[tuple[Any, ...]]:
    """Return complaints, resolved ones and mean minutes of these by month, channel and category."""
    groups: dict[tuple[str, str, str], list[Complaint]] = {}
    for complaint in known:
        groups.setdefault((f"{complaint[6]:%Y-%m}", complaint[0], complaint[4]), []).append(complaint)
    return [(*group, *_resolved(rows)) for group, rows in groups.items()]


def performance(known: Sequence[Complaint], staff: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return complaints, resolved ones and mean minutes of these by agent, of whom some have had none."""
    return [(row[0], *_resolved([one for one in known if one[3] == row[0]])) for row in staff if row[-1]]


def _resolved(rows: Sequence[Complaint]) -> tuple[Any, ...]:
    resolved = [row for row in rows if row[5] == "resolved"]
    return len(rows), len(resolved), _mean(resolved)


def _mean(rows: Sequence[Complaint]) -> Decimal | None:
    minutes = [_minutes(said, done) for *_, said, done in rows if done]
    return (Decimal(sum(minutes)) / len(minutes)).quantize(Decimal("0.01"), ROUND_HALF_UP) if minutes else None


def _minutes(said: datetime, done: datetime) -> int:
    """Count the minutes that begin between two moments, as the model does."""
    begin, end = (moment.replace(second=0) for moment in (said, done))
    return int((end - begin).total_seconds() // 60)


def waiting(known: Sequence[Complaint]) -> dict[str, int]:
    """Count what is not resolved by customer."""
    return dict(Counter(row[2] for row in known if row[5] != "resolved"))
