"""What a killed process leaves on local disk is removed by the next one, and nobody removes what is in use."""

import os
import time
from pathlib import Path

import pytest

from common.core.caches import forget
from common.core.scratch import AGE, PREFIX, scratch
from tests.faults.workers import Workers, job
from tests.world import World

SILVER = "ecommerce.transactions.silver"
FILE = b"customer_id,date,number_of_cds,dollar_value\n00001,19970101,1,1.00\n"


def left(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{PREFIX}*"))


def grow_old(folder: Path) -> None:
    before = time.time() - 2 * AGE
    os.utime(folder, (before, before))


def test_what_the_dead_leave_is_removed_by_the_next_hop(world: World, forks: Workers, tmp_path: Path) -> None:
    env = {**world.env, "TMPDIR": str(tmp_path)}
    world.land("transactions/a.csv", FILE)
    world.flow("bronze")
    assert forks.run(job(SILVER), env, [{"at": "silver:stage.part", "do": "kill"}]).killed
    (dead,) = left(tmp_path)
    grow_old(dead)
    assert forks.run(job(SILVER), env).code == 0
    assert left(tmp_path) == []


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    forget()
    return tmp_path


def test_what_is_in_use_stays_however_old_and_so_does_what_is_new(here: Path) -> None:
    with scratch() as used:
        grow_old(used)
        (new := here / f"{PREFIX}new").mkdir()
        (new / ".lock").touch()
        forget()
        with scratch():
            assert used.exists() and new.exists()
        grow_old(new)
        forget()
        with scratch():
            assert used.exists() and not new.exists()
    assert left(here) == []


def test_folders_of_others_are_left_alone(here: Path) -> None:
    (foreign := here / f"{PREFIX}mine").mkdir()
    (foreign / "data").write_text("x")
    grow_old(foreign)
    with scratch():
        pass
    assert (foreign / "data").exists(), "it has no lock of ours"
