"""The domains that a campaign runs on: how a pair of worlds is made, what arrives in both, and which points are struck."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from common.core.clock import now
from domains.telecoms.samples.days import DayTable, Drop, Size, deliveries
from tests import call_centre
from tests.faults.plan import points_of_telecoms, points_of_the_shop
from tests.faults.traffic import files
from tests.origins import Database, postgres
from tests.standins import redshift, redshift_of_its_own, snowflake
from tests.world import World, new_world, shop_without, with_mart

FILES_A_LANDING, DROPS_A_LANDING, TABLES_A_LANDING = 3, 2, 2
DAYS, MANY_DAYS, SMALL = 4, 90, Size(customers=30, agents=8, calls=12, posts=8, forms=6)
PATIENCE = "3"  # seconds that the stand-in of Snowflake gives a transaction whose client may be dead
A_SECOND = 1.05  # the store dates files by whole seconds, and of two rows of a key the one of the later file counts


class Subject(Protocol):
    """A domain in a campaign."""

    domain: str
    points: Sequence[str]

    def pair(self, stack: Mapping[str, str], impatient: Mapping[str, str], folder: Path) -> Any:
        """Give a calm world and one that is struck, for the length of a block."""
        ...

    def begin(self, worlds: Sequence[World], number: int) -> None:
        """Change what is the same for a whole round: what no world need have seen before the round ends."""
        ...

    def land(self, worlds: Sequence[World], name: str) -> None:
        """Let more arrive in each of the worlds."""
        ...


@dataclass
class Shop:
    """The e-commerce domain with a mart: files, Delta tables, PostgreSQL, DuckDB and Redshift."""

    seed: int
    domain = "ecommerce"
    points: Sequence[str] = field(default_factory=points_of_the_shop)

    @contextmanager
    def pair(
        self, stack: Mapping[str, str], impatient: Mapping[str, str], folder: Path
    ) -> Iterator[tuple[World, World]]:
        """Give a calm world and one that is struck."""
        with redshift(stack) as data_api, ExitStack() as open_ones:
            calm, struck = (
                open_ones.enter_context(
                    new_world(
                        {**env, **redshift_of_its_own(stack, data_api)},
                        folder / name,
                        self.domain,
                        with_mart(shop_without(hosted=True)),
                    )
                )
                for name, env in (("calm", stack), ("struck", impatient))
            )
            yield calm, struck

    def begin(self, worlds: Sequence[World], number: int) -> None:
        """Nothing is the same for a round."""

    def land(self, worlds: Sequence[World], name: str) -> None:
        """Land random files."""
        for key, content in files(self.seed, name, FILES_A_LANDING):
            put(worlds, key, content)


@dataclass
class Telecoms:
    """The call centre: a sheet, tables of days and files into intervals and marts in Snowflake."""

    seed: int
    domain = call_centre.DOMAIN
    points: Sequence[str] = field(default_factory=points_of_telecoms)
    drops: list[Drop] = field(default_factory=list)
    tables: list[DayTable] = field(default_factory=list)
    sheets: list[Any] = field(default_factory=list)
    made: int = 0
    chance: random.Random = field(default_factory=random.Random)
    share: Callable[[Any], None] = print
    web: Database = field(init=False)

    @contextmanager
    def pair(
        self, stack: Mapping[str, str], impatient: Mapping[str, str], folder: Path
    ) -> Iterator[tuple[World, World]]:
        """Give a calm world and one that is struck, which fetch from the same systems."""
        self.web, self.share = postgres(stack), lambda sheet: call_centre.share(stack, sheet)
        self.drops, self.sheets, self.chance = [], [], random.Random(self.seed)
        with ExitStack() as open_ones:
            served = folder / "snowflake"
            served.mkdir()
            place = open_ones.enter_context(snowflake({**stack, "SNOWFLAKE_STANDIN_PATIENCE": PATIENCE}, served))
            those = (("calm", stack), ("struck", impatient))
            calm, struck = (
                open_ones.enter_context(call_centre.call_centre(env, folder / name, self.web, place))
                for name, env in those
            )
            yield calm, struck

    def begin(self, worlds: Sequence[World], number: int) -> None:
        """Share another revision of the sheet: what it held before is nowhere any more."""
        if number == 0:
            yesterday = now().date() - timedelta(days=1)
            self.tables = list(deliveries(MANY_DAYS, self.seed, yesterday, SMALL).tables)
        if not self.sheets:
            self._more()
        self.share(self.sheets.pop(0))

    def land(self, worlds: Sequence[World], name: str) -> None:
        """Make the tables of other days, and land the next files under names that no other has."""
        for _ in range(min(TABLES_A_LANDING, len(self.tables))):
            call_centre.make_tables(self.web, [self.tables.pop(self.chance.randrange(len(self.tables)))])
        if not self.drops:
            self._more()
        for drop in [self.drops.pop(0) for _ in self.drops[:DROPS_A_LANDING]]:
            stem, dot, ending = drop.key.rpartition(".")
            put(worlds, f"{stem}_{name}{dot}{ending}", drop.content)
            time.sleep(A_SECOND)

    def _more(self) -> None:
        """Make further files and revisions of the sheet."""
        self.made += 1
        found = deliveries(DAYS, self.seed + self.made, now().date() - timedelta(days=1), SMALL)
        self.drops += found.drops
        self.sheets += found.sheets


SUBJECTS: dict[str, Callable[[int], Subject]] = {"ecommerce": Shop, "telecoms": Telecoms}


def put(worlds: Sequence[World], key: str, content: bytes) -> None:
    """Put a file into each world's raw prefix, whichever world this process is in."""
    from common.zones.store import client

    for world in worlds:
        client().put_object(Bucket=world.env["WATERSHED_BUCKET"], Key=f"raw/{world.domain}/{key}", Body=content)
