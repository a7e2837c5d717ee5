"""Releases on a real object store: published, promoted, rolled back, forgotten; what is current is always whole."""

import json
import threading
from pathlib import Path

import pytest

from dag_publisher import garbage, looks
from dag_publisher.errors import Conflict, Corrupt, Missing, Refused
from dag_publisher.publish import current_release, promote, publish, rollback
from dag_publisher.shelf import Shelf
from dag_publisher.store import Store
from tests.publishing import WHO, Proxy, package, released


def mirrored(shelf: Shelf) -> dict[str, bytes]:
    keys = [one.key for one in shelf.listed("dags/")]
    return {key.rpartition("/")[2]: found.content for key in keys if (found := shelf.store.read(key))}


def test_a_release_holds_all_files_and_the_mirror_and_metadata_follow_it(shop: Shelf) -> None:
    released(shop, shop_a="one", shop_b="one")
    outcome = released(shop, shop_b="two", shop_c="two")
    assert (outcome.added, outcome.updated, outcome.removed) == (["shop_c.py"], ["shop_b.py"], ["shop_a.py"])
    wanted = package(shop_b="two", shop_c="two").contents
    assert shop.contents(current_release(shop)) == wanted
    assert mirrored(shop) == wanted
    metadata = json.loads(shop.store.read("dev/shop/metadata.json").content)  # type: ignore[union-attr]
    assert (metadata["version"], metadata["dag_files"], metadata["package_name"]) == (2, sorted(wanted), "shop")


def test_what_is_current_already_is_not_released_again_and_a_mirror_left_behind_is_mended(shop: Shelf) -> None:
    released(shop, shop_a="one")
    shop.store.delete("dev/shop/dags/shop_a.py")
    assert list(looks.wrong(shop)) == [f"{shop.uri('dags/shop_a.py')} is not as in the release."]
    assert not released(shop, shop_a="one").changed
    assert list(looks.wrong(shop)) == []
    assert shop.numbers() == [1]


def test_a_dry_run_says_what_would_be_and_writes_nothing(shop: Shelf) -> None:
    released(shop, shop_a="one")
    before = [(one.key, one.modified) for one in shop.store.listed("")]
    outcome = publish(shop, package(shop_b="two"), WHO, dry_run=True)
    assert (outcome.release.number, outcome.added, outcome.removed) == (2, ["shop_b.py"], ["shop_a.py"])
    assert [(one.key, one.modified) for one in shop.store.listed("")] == before


def test_a_rollback_goes_back_to_what_was_current_before_and_further_the_next_time(shop: Shelf) -> None:
    for text in ("one", "two", "three"):
        released(shop, shop_a=text)
    assert [rollback(shop, None, WHO).release.number for _ in range(2)] == [2, 1]
    assert mirrored(shop) == package(shop_a="one").contents
    with pytest.raises(Missing, match="no release was current before 1"):
        rollback(shop, None, WHO)
    assert released(shop, shop_a="four").release.number == 4
    assert rollback(shop, None, WHO).release.number == 1


def test_a_rollback_never_goes_to_a_release_that_was_not_current(shop: Shelf) -> None:
    released(shop, shop_a="one")
    shop.add(current_release(shop).numbered(2))  # of a publisher that died before the pointer
    released(shop, shop_a="three")
    assert rollback(shop, None, WHO).release.number == 1


def test_a_promoted_release_is_the_same_byte_by_byte_and_says_where_it_comes_from(shop: Shelf) -> None:
    released(shop, shop_a="one")
    release = promote(shop, "staging", WHO).release
    there = Shelf(shop.store, "staging", "shop")
    assert there.contents(current_release(there)) == package(shop_a="one").contents
    assert release.origin == "dev/1"
    with pytest.raises(Refused, match="Name another environment"):
        promote(shop, "dev", WHO)


def test_an_id_belongs_to_one_package_even_where_one_name_begins_with_the_other(shop: Shelf) -> None:
    north = Shelf(shop.store, "dev", "shop_north")
    released(shop, shop_north_daily="mine")
    with pytest.raises(
        Conflict, match=r"shop_north_daily, shop_north_daily\.py: taken in dev by package shop \(release 1"
    ):
        released(north, shop_north_daily="mine too")
    with pytest.raises(Missing):
        current_release(north)
    released(shop, shop_daily="renamed")
    released(north, shop_north_daily="now mine")
    with pytest.raises(Conflict, match="taken in dev by package shop_north"):
        rollback(shop, None, WHO)
    assert current_release(shop).number == 2


def test_two_publishers_of_a_package_at_once_do_not_both_win(shop: Shelf) -> None:
    released(shop, shop_a="one")

    def meanwhile(key: str) -> None:
        if key.endswith("current.json"):
            slow.before = lambda _: None
            released(shop, shop_a="two")

    slow = Proxy(shop.store, meanwhile)
    with pytest.raises(Conflict, match="changed meanwhile"):
        released(Shelf(slow, "dev", "shop"), shop_a="three")
    assert shop.contents(current_release(shop)) == package(shop_a="two").contents


def at_the_same_time(shelves: list[Shelf]) -> list[Exception]:
    """Have packages publish one id, step by step together: all claim, then all have looked, then all go on."""
    gate, errors = threading.Barrier(len(shelves), timeout=60), list[Exception]()

    def claim(shelf: Shelf) -> None:
        waiting = [1, 2]
        proxy = Proxy(
            shelf.store, lambda key: key.endswith("current.json") and waiting and waiting.pop() and gate.wait()
        )
        try:
            released(Shelf(proxy, "dev", shelf.package), shop_north_daily="mine")
        except Conflict as error:
            errors.append(error)

    threads = [threading.Thread(target=claim, args=(shelf,)) for shelf in shelves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


@pytest.mark.parametrize("turn", range(5))
def test_two_packages_that_want_one_id_at_once_do_not_both_win(store: Store, turn: int) -> None:
    shelves = [Shelf(store, "dev", name) for name in ("shop", "shop_north")]
    refused = at_the_same_time(shelves)
    winners = [one for shelf in shelves if (one := shelf.current()) and one.pointer.release]
    assert len(winners) + len(refused) == 2
    assert len(winners) <= 1


@pytest.mark.parametrize("name", ["../sales/x", "/x", "a/../../b", "schnee_\N{SNOWMAN}"])
def test_a_package_writes_below_its_own_prefix_only(shop: Shelf, name: str) -> None:
    with pytest.raises(Refused, match="writes below s3://"):
        shop.key(name)


@pytest.mark.parametrize(
    "name", ["Shop", "shop-x", "_shop", "shop__x", "sh\N{LATIN SMALL LETTER O WITH DIAERESIS}p", "../x", ""]
)
def test_a_name_that_is_none_of_a_package_is_refused(store: Store, name: str) -> None:
    with pytest.raises(Refused, match="no name of a package"):
        Shelf(store, "dev", name)


def test_an_unknown_environment_is_answered_with_the_known_ones(store: Store) -> None:
    with pytest.raises(Refused, match="Known: dev, staging, prod"):
        Shelf(store, "production", "shop")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"v": 1, "package": "shop", "release": 1, "claims": null}'])
def test_a_damaged_pointer_is_told_and_nothing_is_released_over_it(shop: Shelf, content: bytes) -> None:
    released(shop, shop_a="one")
    shop.store.put("dev/shop/current.json", content)
    with pytest.raises(Corrupt, match=r"current\.json cannot be read"):
        released(shop, shop_a="two")
    with pytest.raises(Corrupt):
        released(Shelf(shop.store, "dev", "sales"), sales_a="whether its name is free is not known")
    assert any("cannot be read" in line for line in looks.wrong(shop))


def test_a_name_below_which_no_package_can_be_hinders_nobody(shop: Shelf) -> None:
    shop.store.put(f"dev/{'x' * 60}/current.json", b"no pointer")
    released(shop, shop_a="one")


def test_foreign_objects_with_odd_keys_hinder_nobody(shop: Shelf) -> None:
    for key in (
        "dev/caf\u00e9 \u2603/current.json",
        "dev/shop/dags/\u2603 +%2F.py",
        "dev/x.txt",
        "dev/shop/releases/x.json",
    ):
        shop.store.put(key, b"{}")
    released(shop, shop_a="one")
    assert set(mirrored(shop)) == {"shop_a.py"}
    assert list(looks.wrong(shop)) == []


def test_verify_names_a_damaged_object_a_lost_one_and_a_lost_pointer(shop: Shelf) -> None:
    files = released(shop, shop_a="one", shop_b="one").release.files
    shop.store.put(f"dev/shop/objects/{files['shop_a.py']}", b"other")
    shop.store.delete(f"dev/shop/objects/{files['shop_b.py']}")
    shop.store.delete("dev/shop/current.json")
    wrong = "\n".join(looks.wrong(shop))
    assert "current.json is lost" in wrong
    assert "release 1, shop_a.py" in wrong
    assert "is not what was published" in wrong
    assert "release 1, shop_b.py" in wrong
    with pytest.raises(Corrupt):
        rollback(shop, 1, WHO)


def test_a_lost_pointer_is_written_anew_by_a_rollback_to_a_named_release(shop: Shelf) -> None:
    released(shop, shop_a="one")
    shop.store.delete("dev/shop/current.json")
    with pytest.raises(Missing, match="the pointer is lost"):
        rollback(shop, None, WHO)
    rollback(shop, 1, WHO)
    assert current_release(shop).number == 1


def test_what_a_newer_publisher_wrote_is_not_guessed_at(shop: Shelf) -> None:
    shop.store.put(
        "dev/shop/current.json", json.dumps({"v": 2, "package": "shop", "release": 1, "claims": []}).encode()
    )
    with pytest.raises(Corrupt, match="newer publisher"):
        released(shop, shop_a="one")


def test_gc_keeps_what_is_current_what_was_before_and_what_is_young(
    shop: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        released(shop, shop_a=f"{number}")
    assert garbage.collect(shop, keep=2, days=1) == garbage.Garbage([], [])
    now = shop.store.now(shop.prefix)
    monkeypatch.setattr(Store, "now", lambda *_: now.replace(year=now.year + 1))
    rollback(shop, 3, WHO)
    found = garbage.collect(shop, keep=1, days=1, dry_run=True)
    assert (found.releases, len(found.objects)) == ([1, 4, 5], 3)
    garbage.collect(shop, keep=1, days=1)
    assert shop.numbers() == [2, 3, 6]
    assert list(looks.wrong(shop)) == []


def test_a_difference_is_shown_line_by_line(shop: Shelf, tmp_path: Path) -> None:
    released(shop, shop_a="one")
    released(shop, shop_a="two")
    lines = list(looks.differences(shop, 1))
    assert [line for line in lines if line.startswith(("-w", "+w"))] == [
        line
        for text, sign in (("two", "-"), ("one", "+"))
        for line in [sign + package(shop_a=text).contents["shop_a.py"].decode().splitlines()[3]]
    ]
    (tmp_path / "shop_a.py").write_bytes(package(shop_a="two").contents["shop_a.py"])
    assert list(looks.differences(shop, tmp_path)) == []
