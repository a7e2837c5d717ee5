"""What a world ends with, as evidence: every table row by row, refusals, sums, and the promises the ledger keeps."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb
from deltalake import DeltaTable
from sqlglot import exp

from common.core.assets import Zone
from common.core.settings import HOSTED
from common.ledger.manifests import read_manifest
from common.pipelines.kinds import consumers, step_of
from common.warehouses import sql
from common.zones.store import storage_options
from tests.world import World

# A bronze key holds its day, its arrival and the raw key; of equal files either may be the one that is kept.
ORIGIN = re.compile(r"\w+/(\w+)/\d{4}-\d\d-\d\d/\d+-([0-9a-f]{12})-[0-9a-f]{12}-[^,'\")]*")
MERGED = re.compile(r"(?:^|/)(\d+/\d+)/[0-9a-f]{8}/\d+\.parquet$")  # hop and attempt
MAINTAINED = re.compile(r"(?:^|/)(?:joined|widened)-[0-9a-f-]{36}/\d+\.parquet$")  # by no hop: rows as they were
SHOWN = 3


@dataclass(frozen=True)
class Evidence:
    """Rows of every table, refusals by cause and origin, and the sums of landing and refining."""

    tables: dict[str, Counter[str]]
    refusals: Counter[str]
    sums: dict[str, tuple[int, ...]]

    @classmethod
    def told(cls, told: Mapping[str, Any]) -> "Evidence":
        """Read what another process has gathered."""
        tables = {name: Counter(rows) for name, rows in told["tables"].items()}
        return cls(tables, Counter(told["refusals"]), {name: tuple(sums) for name, sums in told["sums"].items()})

    @property
    def rows(self) -> int:
        """How many rows all tables hold."""
        return sum(counter.total() for counter in self.tables.values())


@dataclass
class Verdict:
    """What differs from an undisturbed world, and what promise is broken."""

    lost: int = 0
    doubled: int = 0
    said: list[str] = field(default_factory=list)

    def compare(self, name: str, expected: Counter[str], found: Counter[str]) -> None:
        """Count what is missing and what is too much."""
        missing, more = expected - found, found - expected
        self.lost += missing.total()
        self.doubled += more.total()
        if missing or more:
            self.said.append(
                f"{name}: {missing.total()} lost {list(missing)[:SHOWN]}, {more.total()} too many {list(more)[:SHOWN]}"
            )


def gather(world: World) -> Evidence:
    """Read everything that a world has ended with."""
    return Evidence(_tables(world), _refusals(world), _sums(world))


def judge(expected: Evidence, found: Evidence, broken: Iterable[str] = ()) -> Verdict:
    """Compare a disturbed world with an undisturbed one."""
    verdict = Verdict(said=list(broken))
    for name in sorted(expected.tables | found.tables):
        verdict.compare(name, expected.tables.get(name, Counter()), found.tables.get(name, Counter()))
    verdict.compare("refusals", expected.refusals, found.refusals)
    for name in sorted(expected.sums | found.sums):
        if expected.sums.get(name) != found.sums.get(name):
            verdict.said.append(f"{name}: counts {found.sums.get(name)}, expected {expected.sums.get(name)}")
    return verdict


def _tables(world: World) -> dict[str, Counter[str]]:
    tables: dict[str, Counter[str]] = {}
    for stage, zone in (("silver", Zone.SILVER), ("gold", Zone.GOLD)):
        for consumer in consumers(world.domain, stage):
            found = world.lake(zone, consumer.dataset.name).drop("_arrival", strict=False)
            tables[consumer.name] = _counted(map(str, found.rows()))
    for consumer in (*consumers(world.domain, "load"), *consumers(world.domain, "transform")):
        step: Any = step_of(consumer)
        names = [name for name in step.schema if name not in _of_arrival(step)]
        if consumer.to in HOSTED:
            read = step.warehouse.query(exp.select(*map(sql.column, names)).from_(sql.table(step.target)))
            tables[consumer.name] = _counted(map(str, read))
            continue
        columns = ", ".join(f'"{name}"' for name in names)
        asked = f"SELECT row({columns})::VARCHAR FROM {consumer.output.rpartition('@')[0]}"
        rows = world.rows(asked) if consumer.to == "warehouse" else _duckdb(world, asked)
        tables[consumer.name] = _counted(row[0] for row in rows)
    return tables


def _of_arrival(step: Any) -> tuple[str, ...]:
    """Name the columns that say when something was delivered, which differs from world to world."""
    made = getattr(step, "intervals", None)
    return ("_arrival", *(made.names[:2] if made and made.order == ("_arrival",) else ()))


def _counted(rows: Iterable[str]) -> Counter[str]:
    return Counter(ORIGIN.sub(r"\1 \2", row) for row in rows)


def _duckdb(world: World, query: str) -> list[Any]:
    path = json.loads(world.env["AIRFLOW_CONN_WAREHOUSE_DUCKDB"])["host"]
    with duckdb.connect(path) as connection:
        return connection.execute("SET TimeZone = 'UTC'").execute(query).fetchall()


def _refusals(world: World) -> Counter[str]:
    rows = world.rows(
        "SELECT r.consumer, r.reason, r.rule, r.column, coalesce(b.place->>'raw', b.place->>'key'), sum(r.count)::int "
        "FROM refusal r JOIN batch b ON b.id = r.batch WHERE r.reason <> 'superseded' GROUP BY 1, 2, 3, 4, 5",
        "ledger",
    )
    return Counter({str(row[:-1]): row[-1] for row in rows})


def _sums(world: World) -> dict[str, tuple[int, ...]]:
    """Sum the counts that do not depend on how batches were grouped."""
    rows = world.rows(
        "SELECT consumer, sum(taken)::int, sum(good)::int, sum(merged)::int, sum(refused)::int FROM hop "
        "JOIN consumer ON name = consumer WHERE kind IN ('landing', 'silver') GROUP BY 1",
        "ledger",
    )
    return {row[0]: tuple(row[1:]) for row in rows}


def broken_promises(world: World) -> list[str]:
    """Name every promise of the ledger, of manifests and of targets that does not hold at rest."""
    queries = {
        "open hops": "SELECT consumer, n FROM hop WHERE state = 'open'",
        "hops that nobody was told of": "SELECT consumer, n FROM hop WHERE NOT rung",
        "gaps between hops": "SELECT consumer FROM hop GROUP BY consumer HAVING max(n) <> count(*) OR min(n) <> 1",
        "batches not taken": "SELECT c.name, b.id FROM consumer c JOIN batch b ON c.inputs ? b.asset "
        "WHERE NOT EXISTS (SELECT FROM receipt r WHERE r.consumer = c.name AND r.batch = b.id)",
        "receipts that differ from their hop": "SELECT h.consumer, h.n FROM hop h WHERE jsonb_array_length(h.batches) "
        "<> (SELECT count(*) FROM receipt r WHERE r.consumer = h.consumer AND r.hop = h.n)",
        "counts that do not add up": "SELECT consumer, n FROM hop WHERE taken <> good + merged + refused",
        "files that are nowhere": "SELECT h.consumer, h.n FROM hop h JOIN consumer ON name = h.consumer "
        "WHERE kind = 'landing' AND taken <> jsonb_array_length(batches)",
        "refused records without refusals": "SELECT h.consumer, h.n FROM hop h WHERE refused <> "
        "(SELECT coalesce(sum(count), 0) FROM refusal r WHERE r.consumer = h.consumer AND r.hop = h.n)",
        "open incidents": "SELECT kind, consumer, batch, detail FROM incident WHERE closed_at IS NULL "
        "AND kind <> 'superseded'",
    }
    said = [f"{what}: {rows[:SHOWN]}" for what, asked in queries.items() if (rows := world.rows(asked, "ledger"))]
    if left := world.keys(f"raw/{world.domain}/"):
        said.append(f"files left in raw: {left[:SHOWN]}")
    return said + _orphans(world) + _heads(world) + _heights(world)


def _orphans(world: World) -> list[str]:
    """Name the files of a table that no winning hop has made: staged parts by manifest, merged ones by their folder."""
    said = []
    for consumer in consumers(world.domain, "silver"):
        step: Any = step_of(consumer)
        staged: set[str] = set()
        won: set[str] = set()
        for n, attempt in world.rows(f"SELECT n, attempt FROM hop WHERE consumer = '{consumer.name}'", "ledger"):
            staged |= set(read_manifest(consumer.name, n, attempt).parts)
            won.add(f"{n}/{attempt}")
        table = DeltaTable(step.table.uri, storage_options=storage_options())
        paths = [uri.removeprefix(f"{step.table.uri}/") for uri in table.file_uris()]
        merged = {path for path in paths if (made := MERGED.search(path)) and made[1] in won}
        maintained = {path for path in paths if MAINTAINED.search(path)}
        if strange := sorted({*paths} - staged - merged - maintained):
            said.append(f"{consumer.name}: published, but by no winning hop: {strange[:SHOWN]}")
    return said


def _heads(world: World) -> list[str]:
    """Compare what each target says of itself with the ledger."""
    said = []
    known = {row[0]: row[1:] for row in world.rows("SELECT DISTINCT ON (consumer) consumer, n, attempt FROM hop ORDER BY consumer, n DESC", "ledger")}  # fmt: skip
    for consumer in consumers(world.domain):
        head = step_of(consumer).head()
        if (head.hop, head.attempt) != known.get(consumer.name, (0, 0)):
            said.append(f"{consumer.name}: target says {head}, ledger {known.get(consumer.name)}")
    return said


def _heights(world: World) -> list[str]:
    """Every good record gave silver a new key, so that the sums are the height of the table."""
    said = []
    for consumer in consumers(world.domain, "silver"):
        ((good,),) = world.rows(
            f"SELECT coalesce(sum(good), 0)::int FROM hop WHERE consumer = '{consumer.name}'", "ledger"
        )
        if (height := world.lake(Zone.SILVER, consumer.dataset.name).height) != good:
            said.append(f"{consumer.name}: {height} rows, but {good} were counted as good")
    return said
