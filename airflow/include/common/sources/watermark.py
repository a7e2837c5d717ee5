"""A table that is read by its watermark: a column that grows with each change of a row.

A range ends at the greatest mark that its look has seen. The next one begins before that end, by the overlap, because
rows are committed late: one with a mark below the end may become visible after it was read. Whether there is anything
new in the overlap is seen by a digest of keys and marks, so that a table at rest is not fetched again and again.
"""

import hashlib
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, and_, func, select, true

from common.contracts.contract import Contract
from common.contracts.sources import SourceSpec, duration
from common.core.errors import ConfigError
from common.core.places import SourceRange
from common.sources.databases import reading
from common.sources.source import Found, Known
from common.sources.tables import CHUNK, fetched, table_named

Mark = datetime | date | int
DAY = timedelta(days=1)


class WatermarkTable:
    """One table, read from where the last range ended."""

    def __init__(self, spec: SourceSpec, contract: Contract) -> None:
        self.spec, self.contract = spec, contract
        self.needed = frozenset(contract.sources)
        self.keys = [column.source for column in contract.columns if column.name in contract.key]

    def suffix(self, pinned: SourceRange) -> str:
        """Return the ending of Parquet."""
        del pinned
        return ".parquet"

    def look(self, known: Known) -> Found:
        """Find the greatest mark, and whether anything is new up to it."""
        with reading(self.spec.conn, f"Look at table {self.spec.table}") as connection:
            table, mark = self._table(connection)
            newest = connection.scalar(select(func.max(mark)))
            if connection.execute(select(mark).where(mark.is_(None)).limit(1)).first():
                raise ConfigError(
                    f"Table {self.spec.table} has rows without {self.spec.watermark}: they would never be read. Fill "
                    "it, or name another `watermark`."
                )
            last = known.last
            if newest is None:
                return Found((), f"table {self.spec.table} is empty")
            end = max(self._mark(newest), read_mark(last.upto)) if last and last.upto else self._mark(newest)
            seen = self._digest(connection, table, mark, end)
        if last and (last.upto, last.seen) == (str_mark(end), seen):
            return Found((), f"table {self.spec.table} has nothing new after {self.spec.watermark} = {last.upto}")
        after = str_mark(self._before(read_mark(last.upto))) if last and last.upto else None
        pinned = SourceRange("watermark", self.spec.table, name_of(end), after, str_mark(end), seen)
        return Found((pinned,))

    def fetch(self, pinned: SourceRange, to: Path) -> int:
        """Read the rows between the two marks, as they are now."""
        with reading(self.spec.conn, f"Read table {pinned.source}") as connection:
            table, mark = self._table(connection)
            upto = mark <= read_mark(str(pinned.upto))
            rows = and_(mark > read_mark(pinned.after) if pinned.after else true(), upto)
            return fetched(connection, table, self.needed, rows, to)

    def _table(self, connection: Connection) -> tuple[Table, Column[Any]]:
        table = table_named(connection, self.spec.table)
        if table is None:
            raise ConfigError(
                f"There is no table {self.spec.table} in the database of Airflow Connection '{self.spec.conn}', or its "
                "user may not see it. Nothing was read."
            )
        if self.spec.watermark not in table.columns:
            known = ", ".join(column.name for column in table.columns)
            raise ConfigError(f"Table {self.spec.table} has no column '{self.spec.watermark}'. It has: {known}.")
        return table, table.columns[self.spec.watermark]

    def _mark(self, value: Any) -> Mark:
        """Return a mark as a time or a whole number, whatever the driver gave; raises ConfigError."""
        if isinstance(value, Decimal) and value == value.to_integral_value():
            value = int(value)
        timed = duration(self.spec.overlap) is not None
        if isinstance(value, bool) or not isinstance(value, date if timed else int):
            raise ConfigError(
                f"`watermark` {self.spec.watermark} of {self.spec.table} is {type(value).__name__}, and `overlap` is "
                f"'{self.spec.overlap}': a time needs a duration as 15m, a whole number a whole number."
            )
        return value

    def _before(self, end: Mark) -> Mark:
        """Return the mark before another by the overlap; of dates, by whole days."""
        back = duration(self.spec.overlap)
        if isinstance(end, int):
            return end - int(self.spec.overlap)
        if not isinstance(end, datetime):
            return end + (-(back or DAY) // DAY) * DAY
        return end - (back or DAY)

    def _digest(self, connection: Connection, table: Table, mark: Column[Any], end: Mark) -> str:
        """Return what tells the rows of the overlap before an end from others: a sum, so their order is free."""
        known: list[ColumnElement[Any]] = [table.columns[name] for name in self.keys if name in table.columns]
        window = select(*known, mark).where(mark > self._before(end), mark <= end)
        total = 0
        for rows in connection.execution_options(stream_results=True).execute(window).partitions(CHUNK):
            for row in rows:
                digest = hashlib.blake2b(repr(tuple(map(str, row))).encode("utf-8", "surrogatepass"), digest_size=8)
                total += int.from_bytes(digest.digest())
        return f"{total % 2**64:016x}"


def str_mark(mark: Mark) -> str:
    """Write a mark as the ledger keeps it."""
    return str(mark) if isinstance(mark, int) else mark.isoformat()


def read_mark(text: str) -> Mark:
    """Read a mark that the ledger keeps."""
    if text.lstrip("-").isdigit():
        return int(text)
    return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)


def name_of(mark: Mark) -> str:
    """Write a mark so that names sort as marks do."""
    if isinstance(mark, int):
        return f"{mark:020d}"
    return f"{mark:%Y-%m-%dT%H%M%S.%f}" if isinstance(mark, datetime) else f"{mark:%Y-%m-%d}"
