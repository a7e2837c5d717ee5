"""Rows of a hop on their way: in memory up to a bound, beyond it on local disk."""

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

HELD = 64 << 20  # bytes
TOGETHER = 250_000  # rows that are looked at, and written, at once
DENSE = pl.CompatLevel.oldest()  # texts one after the other, where views would keep the whole of what they point into


class Rows:
    """Rows of one schema in the order in which they came, to be read several times."""

    def __init__(self, folder: Path, name: str, schema: Mapping[str, pl.DataType]) -> None:
        self._folder, self._name, self._schema = folder, name, dict(schema)
        self._paths: list[Path] = []
        self._held: list[pl.DataFrame] = []
        self._bytes = 0
        self.count = 0

    def add(self, rows: pl.DataFrame) -> None:
        """Keep rows; they must not be a small part of a frame that would be kept with them."""
        if rows.height:
            self.count += rows.height
            self._held.append(rows.select(pl.col(name).cast(kind) for name, kind in self._schema.items()))
            self._bytes += int(rows.estimated_size())
            if self._bytes >= HELD:
                self.spill()

    def frames(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """Read the rows again, some at a time."""
        for path in self._paths:
            yield pl.read_ipc(path, columns=list(columns) if columns else None)
        for rows in self._held:
            yield rows.select(columns) if columns else rows

    def scan(self) -> pl.LazyFrame:
        """Return all rows as one."""
        kept = [pl.scan_ipc(path) for path in self._paths] + [rows.lazy() for rows in self._held]
        return pl.concat([pl.LazyFrame(schema=self._schema), *kept])

    def spill(self) -> None:
        """Put what is held on disk."""
        for rows in pl.concat([pl.DataFrame(schema=self._schema), *self._held]).iter_slices(TOGETHER):
            path = self._folder / f"{self._name}-{len(self._paths):06d}.arrow"
            rows.write_ipc(
                path, compression="uncompressed", compat_level=DENSE
            )  # a packed one takes four times as long
            self._paths.append(path)
        self._held, self._bytes = [], 0


def compact(rows: pl.DataFrame) -> pl.DataFrame:
    """Return a copy of rows that does not keep the frames that they were picked out of."""
    buffer = io.BytesIO()
    rows.write_ipc(buffer, compat_level=DENSE)
    return pl.read_ipc(buffer.getvalue())
