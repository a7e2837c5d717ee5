"""What customers complain of on one day, by channel, each value as the channel's system writes it."""

import csv
import io
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

Row = dict[str, str]

CUSTOMER, CATEGORY, AGENT, STATUS = "customeR iD", "COMPLAINT_catego ry", "agent ID", "resolutionstatus"
CALLS = ("", "call ID", CUSTOMER, CATEGORY, AGENT, "call_start_time", "call_end_time", STATUS, "callLogsGenerationDate")
CATEGORIES = ("Network Failure", "Payments", "Technician Support", "Router Delivery", "Customer Service Failure")
STATUSES = ("Resolved", "resolved", "Backlog", "Blocked", "In-Progress", "in progress")
MEDIA = ("Facebook", "Instagram", "LinkedIn", "Twitter", "Google Reviews")


@dataclass(frozen=True)
class People:
    """Who may complain, and who answers."""

    customers: Sequence[str]
    agents: Sequence[int]

    def some(self, chance: random.Random) -> Row:
        """Return what every channel writes of a complaint."""
        return {
            CUSTOMER: chance.choice(self.customers),
            CATEGORY: chance.choice(CATEGORIES),
            AGENT: str(chance.choice(self.agents)),
            STATUS: chance.choice(STATUSES),
        }


def calls(day: date, number: int, people: People, chance: random.Random) -> list[Row]:
    """Return a day's call logs, with the index that pandas has left in their first column."""
    rows = []
    for index in range(number):
        start = datetime.combine(day, time(8)) + timedelta(seconds=chance.randrange(36_000))
        end = start + timedelta(seconds=chance.randrange(60, 3_000))
        times = {"call_start_time": f"{start}", "call_end_time": f"{end}", "callLogsGenerationDate": f"{day}"}
        rows.append({"": str(index), "call ID": f"K{day:%y%m%d}{index:05d}", **people.some(chance), **times})
    return rows


def posts(day: date, number: int, people: People, chance: random.Random) -> list[Row]:
    """Return a day's complaints in social media."""
    return [
        {
            "complaint_id": f"M{day:%y%m%d}{index:05d}",
            "media_channel": chance.choice(MEDIA),
            **_answered(day, people.some(chance), chance),
            "MediaComplaintGenerationDate": f"{day}",
        }
        for index in range(number)
    ]


def forms(day: date, number: int, people: People, chance: random.Random) -> list[Row]:
    """Return a day's requests from the web form."""
    return [
        {
            "request_id": f"W{day:%y%m%d}{index:05d}",
            **_answered(day, people.some(chance), chance),
            "webFormGenerationDate": f"{day}",
        }
        for index in range(number)
    ]


def _answered(day: date, row: Row, chance: random.Random) -> Row:
    """Add when it was said, and when it was resolved, if it was."""
    said = datetime.combine(day, time()) + timedelta(seconds=chance.randrange(86_400))
    done = said + timedelta(minutes=chance.randrange(10, 10_000))
    resolved = row[STATUS].lower() == "resolved"
    return row | {"request_date": f"{said}", "resolution_date": f"{done}" if resolved else ""}


def calls_csv(rows: Sequence[Row]) -> bytes:
    """Write call logs as CSV."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, CALLS)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def posts_json(rows: Sequence[Row]) -> bytes:
    """Write complaints as one JSON array; what is not known is null, agents are numbers."""
    told = [{name: _typed(name, value) for name, value in row.items()} for row in rows]
    return json.dumps(told, indent=1).encode()


def _typed(name: str, value: str) -> object:
    return int(value) if name == AGENT else value or None
