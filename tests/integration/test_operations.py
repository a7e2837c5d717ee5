"""The ways of docs/operations.md, done by a shell as they are written there."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from common.core.settings import settings
from common.ledger.database import alembic_config, engine
from common.upkeep.verify import verify
from devstack.folder import REPOSITORY
from devstack.postgres import programs
from tests.stacks import server
from tests.world import World, forget

TEXT = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
HEAD = "customer_id,date,number_of_cds,dollar_value\n"
TOTAL = "SELECT count(*), sum(amount) FROM ecommerce.fact_transactions"


@pytest.fixture
def shop(world: World, tmp_path: Path) -> Iterator[World]:
    """Three files have arrived, one row of each is refused; the shell's folder has nothing else in it."""
    for n in (1, 2, 3):
        world.land(f"transactions/{n}.csv", f"{HEAD}0000{n},1997010{n},1,{n}.00\n0001{n},19970201,1,-4\n".encode())
    world.flow()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        yield world


def as_written(heading: str, world: World, **more: str) -> str:
    """Do the first block of commands below a heading; return what they printed. `watershed` is the ledger's database."""
    _, _, below = TEXT.partition(f"# {heading}\n")
    found = re.search(r"```sh\n(.*?)```", below, re.DOTALL)
    assert found, f"no commands below '{heading}'"
    database = str(make_url(settings().ledger_url).database)
    script = re.sub(r"(DATABASE(?: IF EXISTS)?|-d) watershed\b", rf"\1 {database}", found[1])
    path = os.pathsep.join([str(Path(sys.executable).parent), str(programs()), os.environ["PATH"]])
    forget()  # this process has connections to the ledger
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", script],
        env={**os.environ, **world.env, "PATH": path, **more},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def drop_ledger(world: Mapping[str, str]) -> None:
    forget()
    with psycopg.connect(f"{server(world)}/postgres", autocommit=True) as connection:
        name = str(make_url(settings().ledger_url).database)
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def ledger(world: World) -> list[tuple[object, ...]]:
    return world.rows("SELECT consumer, n, taken, good, merged, refused FROM hop ORDER BY 1, 2", "ledger")


def test_a_lost_ledger_is_created_applied_and_rebuilt(shop: World) -> None:
    before = ledger(shop)
    drop_ledger(shop.env)
    assert "agrees with everything" in as_written("The database is gone", shop)
    assert ledger(shop) == before
    shop.land("transactions/4.csv", f"{HEAD}00004,19970104,1,4.00\n".encode())
    shop.flow()
    assert [int(n) for n in shop.rows(TOTAL)[0]] == [4, 10]


def test_a_ledger_from_a_backup_catches_up(shop: World) -> None:
    database = str(make_url(settings().ledger_url).database)
    dump = [str(programs() / "pg_dump"), "-Fc", "-f", "ledger.dump", database]
    subprocess.run(dump, env={**os.environ, **shop.env}, check=True)
    shop.land("transactions/4.csv", f"{HEAD}00004,19970104,1,4.00\n".encode())
    shop.flow()
    before = ledger(shop)
    assert "agrees with everything" in as_written("There is a backup", shop)
    assert ledger(shop) == before


def test_a_warehouse_from_a_backup_is_loaded_again(shop: World, tmp_path: Path) -> None:
    warehouse = shop.env["WAREHOUSE_URL"]
    subprocess.run([str(programs() / "pg_dump"), "-Fc", "-f", "old.dump", warehouse], check=True)
    shop.land("transactions/4.csv", f"{HEAD}00004,19970104,1,4.00\n".encode())
    shop.flow()
    subprocess.run(
        [str(programs() / "pg_restore"), "--clean", "--single-transaction", "-d", warehouse, "old.dump"], check=True
    )
    assert [int(n) for n in shop.rows(TOTAL)[0]] == [3, 6]
    assert "agrees with everything" in as_written("A warehouse was restored to an older state", shop)
    assert [int(n) for n in shop.rows(TOTAL)[0]] == [4, 10]


def test_rows_are_exported_mended_and_sent_again(shop: World, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/-4/4/g" "$1"\n')
    editor.chmod(0o755)
    ((refusal,),) = shop.rows("SELECT min(id) FROM refusal WHERE reason = 'minimum'", "ledger")
    told = as_written("Rows are mended", shop, ID=str(refusal), EDITOR=str(editor))
    assert str(refusal) in told
    assert [int(n) for n in shop.rows(TOTAL)[0]] == [4, 10]
    assert list(verify()) == []


def test_a_ledger_of_the_version_before_is_upgraded(shop: World) -> None:
    from alembic import command

    before = ledger(shop)
    with engine().begin() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "-1")
    assert "agrees with everything" in as_written("Upgrade from the version before", shop)
    assert ledger(shop) == before
    shop.land("transactions/4.csv", f"{HEAD}00004,19970104,1,4.00\n".encode())
    shop.flow()
    assert [int(n) for n in shop.rows(TOTAL)[0]] == [4, 10]
