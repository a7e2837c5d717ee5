"""Small changes of a large table of the lake, by our merge or by delta-rs's, on the stack of the environment."""

import random
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import polars as pl
from measure import finish
from orders import CONTRACT, DATASET, DOMAIN

from common.contracts.catalogue import contract_of
from common.core.assets import Zone
from common.core.nouns import Dataset
from common.core.settings import domains_dir, settings
from common.lake.entry import files
from common.lake.merge import merge
from common.lake.parts import PART_ROWS, stage_parts
from common.lake.publish import append_parts
from common.lake.schema import silver_layout, silver_schema
from common.lake.table import LakeTable, changes, read_at
from common.lake.upkeep import compact
from common.refine.latest import winners
from common.zones.store import client

KEY = ("order_id",)
NEW = 5  # one changed row of so many has a key that the table lacks
HOURLY = 60  # hops between two looks of the upkeep that joins small files
AS_ONE = pl.struct(pl.all()).hash(seed=0)


def table(name: str) -> LakeTable:
    """Return a table of that name."""
    return LakeTable(Zone.SILVER, Dataset(DOMAIN, name), "bench", KEY)


def orders(first: int, rows: int, newer: int = 0) -> pl.DataFrame:
    """Make orders of successive keys; with `newer` they are of so many more pieces, and later."""
    n = pl.int_range(first, first + rows, dtype=pl.Int64)
    return of(pl.select(n).to_series(), newer)


def of(keys: pl.Series, newer: int = 0) -> pl.DataFrame:
    """Make an order of each key."""
    contract, n = contract_of(Dataset(DOMAIN, DATASET)), keys.alias("order_id")
    moment = pl.lit(datetime(2026, 1, 1, tzinfo=UTC), pl.Datetime("us", "UTC"))
    rows = pl.DataFrame(n).with_columns(
        (pl.lit("user") + (pl.col("order_id") * 31 % 200_000).cast(pl.String) + "@example.com").alias("email"),
        pl.lit("DE").alias("country"),
        (pl.col("order_id") % 900 + newer).alias("quantity"),
        (pl.col("order_id") % 100_000).alias("amount"),
        (moment + pl.duration(seconds=pl.col("order_id"))).alias("ordered_at"),
        (moment + pl.duration(days=newer)).alias("updated_at"),
        (pl.lit("note of ") + (pl.col("order_id") * 7919 % 1_000_003).cast(pl.String)).alias("note"),
        pl.lit(f"orders/{newer}.csv").alias("_file"),
        pl.col("order_id").alias("_record"),
        (moment + pl.duration(days=newer)).alias("_arrival"),
    )
    return rows.select(pl.col(name).cast(kind) for name, kind in silver_schema(contract).items())


class Fresh:
    """New rows of a hop, in memory."""

    def __init__(self, rows: pl.DataFrame) -> None:
        self.rows, self.count = rows, rows.height

    def frames(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """Return the rows, or some columns of them."""
        yield self.rows.select(columns or self.rows.columns)


def prepare(rows: int) -> None:
    """Make the table of parts as hops write them."""
    file = domains_dir() / DOMAIN / "contracts" / f"{DATASET}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(CONTRACT)
    client().create_bucket(Bucket=settings().bucket)
    began, made = time.perf_counter(), table("first")
    layout = silver_layout(contract_of(Dataset(DOMAIN, DATASET)))
    made.ensure(layout)
    frames = (orders(first, min(PART_ROWS, rows - first)) for first in range(0, rows, PART_ROWS))
    append_parts(made, list(stage_parts(made, frames, layout, "1/1")), 1, 1)
    finish(began, rows=rows)


def copied(name: str) -> LakeTable:
    """Copy the first table to another name: all that its log says is relative to its folder."""
    old, new = table("first"), table(name)
    for item in list(old.store.list(old.folder + "/")):
        source, to = old.store.place(item.key), new.store.place(item.key)
        key = to.name(item.key.replace(old.folder, new.folder, 1))
        client().copy_object(
            Bucket=to.bucket, Key=key, CopySource={"Bucket": source.bucket, "Key": source.name(item.key)}
        )
    new.load()
    return new


def changed(rows: int, size: int, where: str, turn: int) -> pl.DataFrame:
    """Make changed rows: of neighbouring keys or of keys anywhere, and some that are new."""
    chance, old = random.Random(turn), size - size // NEW
    first = chance.randrange(rows - old)
    known = range(first, first + old) if where == "clustered" else chance.sample(range(rows), old)
    new = range(rows + turn * size, rows + turn * size + size // NEW)
    return of(pl.Series([*known, *new], dtype=pl.Int64), turn)


def merge_by_delta(on: LakeTable, rows: pl.DataFrame, hop: int) -> None:
    """Merge by delta-rs, as it was done before."""
    same = " AND ".join(f"t.{name} IS NOT DISTINCT FROM s.{name}" for name in KEY)
    merger = on.snapshot.merge(rows, same, "s", "t", commit_properties=on.properties(hop, hop))
    merger.when_matched_update_all().when_not_matched_insert_all().execute()


def one(which: str, where: str, rows: int, size: int) -> None:
    """Do one change: look its keys up as a hop does, then merge it."""
    made = copied(f"t{uuid4().hex}")
    fresh, contract = changed(rows, size, where, 1), contract_of(Dataset(DOMAIN, DATASET))
    before = int(made.snapshot.version())
    began, spent = time.perf_counter(), time.process_time()
    found = winners(contract, Fresh(fresh), read_at(made.uri, before))
    merged = pl.concat([*found.new_rows, found.settled])
    looked, paused = time.process_time() - spent, time.perf_counter()
    if which == "ours":
        merge(made, merged, KEY, 2, 2)
    else:
        merge_by_delta(made, merged, 2)
    costs = {
        "lookup": looked,
        "merge": time.process_time() - spent - looked,
        "merge_wall": time.perf_counter() - paused,
    }
    finish(began, **costs, ends=ends(made, before, contract))


def ends(made: LakeTable, before: int, contract: Any) -> dict[str, Any]:
    """Tell what the table holds and what its readers are told of the change, by sums over all columns of all rows."""
    upto = int(made.load().version())
    said = changes(made.uri, before, upto, list(silver_schema(contract))).drop("_commit_version").sort(pl.all())
    held = made.rows().select(pl.len().alias("rows"), AS_ONE.alias("sum").sum()).collect(engine="streaming")
    kinds = dict(said["_change_type"].value_counts().sort("_change_type").iter_rows())
    return {
        "versions": upto - before,
        "feed": kinds,
        "feed_sum": str(said.select(AS_ONE.sum()).item()),
        **{name: str(value) for name, value in held.row(0, named=True).items()},
    }


def hops(where: str, rows: int, size: int, many: int) -> None:
    """Do many changes in a row, small files joined now and then as upkeep does; give the cost of each."""
    made, contract = copied(f"hops_{where}"), contract_of(Dataset(DOMAIN, DATASET))
    began, costs, counts = time.perf_counter(), [], []
    for hop in range(2, many + 2):
        spent = time.process_time()
        made.head()
        fresh = changed(rows, size, where, hop)
        found = winners(contract, Fresh(fresh), read_at(made.uri, int(made.snapshot.version())))
        merge(made, pl.concat([*found.new_rows, found.settled]), KEY, hop, hop)
        if hop % HOURLY == 0:
            compact(table(f"hops_{where}"))
        costs.append(time.process_time() - spent)
        counts.append(files(made.snapshot).height)
    held = made.load() and made.rows().select(pl.len()).collect().item()
    if held != rows + many * (size // NEW):
        raise SystemExit(f"{held} rows, expected {rows + many * (size // NEW)}")
    finish(began, costs=costs, files=counts)


if __name__ == "__main__":
    program, *asked = sys.argv[1:]
    if program == "prepare":
        prepare(int(asked[0]))
    elif program == "one":
        one(asked[0], asked[1], int(asked[2]), int(asked[3]))
    else:
        hops(asked[0], *map(int, asked[1:]))
