"""Publishers die at any write, have wrong clocks or lose their claims: readers see whole releases, and the next goes on."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from dag_publisher import garbage, looks
from dag_publisher.activate import Actor
from dag_publisher.errors import Conflict
from dag_publisher.publish import current_release, publish
from dag_publisher.shelf import Shelf
from dag_publisher.store import Store
from tests.faults.publishers import NEW
from tests.publishing import Proxy, package, released


class Killed(BaseException):
    """The publisher is no more: nothing that it would do for an error is done."""


def test_killed_at_any_write_readers_see_the_old_release_or_the_new_one(stack: Mapping[str, str], store: Store) -> None:
    env = {**os.environ, **stack, "PYTHONPATH": os.pathsep.join(["airflow/include", "."])}
    command = [sys.executable, "-m", "tests.faults.publishers", store.bucket]
    done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    rounds = [json.loads(line) for line in done.stdout.splitlines()]
    sees = [one["sees"] for one in rounds]
    pointer = sees.index(["new"])
    assert sees == [["old"]] * pointer + [["new"]] * (len(sees) - pointer)
    assert pointer == 5, "two objects, the release, the claim, the pointer"
    assert [one["died"] for one in rounds] == [True] * (len(rounds) - 1) + [False]
    assert len(rounds) > pointer + 3, "the mirror is written after the pointer"
    for one in rounds:
        assert one["then"] == {"died": False, "sees": ["new"], "mirror": sorted(f"{name}.py" for name in NEW)}


def dies_after_its_claim(shelf: Shelf, **files: str) -> None:
    """Publish, and die between the claim and the pointer."""
    pointers = iter((False, True))

    def before(key: str) -> None:
        if key.endswith("current.json") and next(pointers):
            raise Killed

    with pytest.raises(Killed):
        released(Shelf(Proxy(shelf.store, before), "dev", shelf.package), **files)


def test_a_claim_of_a_dead_publisher_holds_its_names_until_its_package_publishes_again(shop: Shelf) -> None:
    north = Shelf(shop.store, "dev", "shop_north")
    dies_after_its_claim(shop, shop_north_daily="mine")
    with pytest.raises(Conflict, match="by package shop \\(a first release that is being published"):
        released(north, shop_north_daily="mine too")
    released(shop, shop_daily="another")
    released(north, shop_north_daily="mine now")
    dies_after_its_claim(north, shop_north_late="x")
    assert any("did not end" in line for line in looks.wrong(north))
    assert current_release(north).files.keys() == {"shop_north_daily.py"}


def test_a_publisher_that_slept_through_another_ones_release_changes_nothing(shop: Shelf) -> None:
    released(shop, shop_a="one")

    def sleeps(key: str) -> None:
        if key.endswith("current.json") and next(pointers):
            released(shop, shop_a="awake")

    pointers = iter((False, True))
    with pytest.raises(Conflict):
        released(Shelf(Proxy(shop.store, sleeps), "dev", "shop"), shop_a="asleep")
    assert shop.contents(current_release(shop)) == package(shop_a="awake").contents


@pytest.mark.parametrize("at", ["1970-01-01T00:00:00+00:00", "2999-01-01T00:00:00+00:00"])
def test_a_wrong_clock_of_a_publisher_loses_nothing(shop: Shelf, at: str) -> None:
    for text in ("one", "two", "three"):
        publish(shop, package(shop_a=text), Actor("tester", at))
    assert garbage.collect(shop, keep=1, days=1) == garbage.Garbage([], [])
    assert shop.numbers() == [1, 2, 3]
