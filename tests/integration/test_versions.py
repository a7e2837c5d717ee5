"""A ledger is rebuilt from objects of mixed versions, and nothing that a newer version wrote is misread."""

import json
from pathlib import Path
from typing import Any

import pytest

from common.core.errors import NewerVersion
from common.core.settings import settings
from common.ledger.database import migrate, transaction
from common.ledger.decisions import note, recover
from common.ledger.journal import entries, tampered
from common.ledger.manifests import VERSION
from common.ledger.refusals import Filter
from common.repair.decide import redrive
from common.upkeep.rebuild import rebuild
from common.upkeep.verify import verify
from common.zones.store import client
from tests.world import World, by

GOLDEN = Path(__file__).parents[1] / "golden" / "v1"
HEAD = "customer_id,date,number_of_cds,dollar_value\n"
LEDGER = (
    "SELECT consumer, n, attempt, taken, good, merged, refused FROM hop ORDER BY 1, 2",
    "SELECT consumer, batch, hop FROM receipt ORDER BY 1, 2",
    'SELECT id, consumer, hop, batch, reason, count, "of", state, decision FROM refusal ORDER BY 1',
    "SELECT id, asset, partition, records, checksum, place FROM batch ORDER BY 1",
)


def written(key: str) -> Any:
    return json.loads(client().get_object(Bucket=settings().bucket, Key=key)["Body"].read())


def write(key: str, content: str) -> None:
    client().put_object(Bucket=settings().bucket, Key=key, Body=content.encode())


def as_version_1(key: str) -> None:
    """Write an object as the first version did."""
    said = written(key)
    if key.count("/") == 2:
        write(key, str(said["attempt"]))
        return
    assert said.pop("v") == VERSION
    assert said.pop("ended") == []
    for refusal in said["refusals"]:
        del refusal["of"]
    write(key, json.dumps(said))


def as_version_2(key: str) -> None:
    """Write an object as the second version did."""
    said = written(key)
    if "inputs" in said:
        assert said.pop("ended") == []
        write(key, json.dumps(said | {"v": 2}))


@pytest.fixture
def busy(world: World) -> World:
    for n in (1, 2, 3):
        world.land(f"transactions/{n}.csv", f"{HEAD}0000{n},1997010{n},1,{n}.00\nshort {n}\n".encode())
        world.land(f"transactions/empty{n}.csv", b"")
        world.flow()
    redrive(Filter(reason="short_row"), by("try"))
    world.flow()
    return world


def test_a_ledger_is_rebuilt_from_objects_of_mixed_versions(busy: World) -> None:
    before = [busy.rows(query, "ledger") for query in LEDGER]
    keys = [key for key in busy.keys("manifests/") if "/audit/" not in key]
    for key in keys[::3]:
        as_version_1(key)
    for key in keys[1::3]:
        as_version_2(key)
    assert rebuild("tester", from_nothing=True).ahead == []
    assert [busy.rows(query, "ledger") for query in LEDGER] == before
    assert list(verify()) == []
    busy.land("transactions/4.csv", f"{HEAD}00004,19970104,1,4.00\n".encode())
    busy.flow()
    assert list(verify()) == []


@pytest.mark.parametrize(
    ("under", "wrong"),
    [
        ("manifests/ecommerce.transactions.silver/1/", {"v": 99}),
        ("manifests/ecommerce.transactions.bronze/3.json", {"v": 99, "attempt": 1}),
    ],
)
def test_an_object_of_a_newer_version_stops_its_reader_and_changes_nothing(
    busy: World, under: str, wrong: dict[str, int]
) -> None:
    (key,) = [key for key in busy.keys(under) if key.count("/") == under.count("/")]
    said = written(key)
    write(key, json.dumps((said if "inputs" in said else {}) | wrong))
    with pytest.raises(NewerVersion, match=r"of version 99.* written by a newer Watershed"):
        rebuild("tester", from_nothing=True)
    busy.land("transactions/9.csv", f"{HEAD}00009,19970109,1,9.00\n".encode())
    with pytest.raises(NewerVersion):
        busy.flow()
    assert busy.rows("SELECT count(*) FROM incident WHERE kind = 'parked'", "ledger") == [(0,)]
    write(key, json.dumps(said))
    rebuild("tester")
    busy.flow()
    assert list(verify()) == []


def test_the_first_versions_audit_log_goes_on_with_new_entries(world: World) -> None:
    golden = json.loads((GOLDEN / "objects.json").read_text(encoding="utf-8"))
    old = {key: text for key, text in golden.items() if key.startswith("manifests/audit/")}
    for key, text in old.items():
        write(key, text)
    migrate()
    with transaction() as connection:
        assert recover(connection) == len(old)
        assert note(connection, "quarantine.export", {"to": "x"}, "tester").detail == {"v": 1, "to": "x"}
        assert [entry.n for entry in entries(connection)] == list(range(1, len(old) + 2))
        assert tampered(connection) == []
    carried = [c["batch"] for text in old.values() for c in json.loads(text)["detail"].get("carriers", [])]
    found = dict(world.rows("SELECT id, place FROM batch", "ledger"))
    assert {batch["id"]: batch["place"] for batch in carried} == found


def test_a_decision_of_a_newer_version_is_not_half_understood(world: World) -> None:
    with transaction() as connection:
        note(connection, "quarantine.export", {"to": "x"}, "tester")
    (key,) = world.keys("manifests/audit/")
    entry = written(key)
    write(key.replace("1.json", "2.json"), json.dumps(entry | {"n": 2, "detail": {"v": 99}, "previous": entry["hash"]}))
    with pytest.raises(NewerVersion, match="Entry 2 of the audit log"), transaction() as connection:
        note(connection, "quarantine.export", {"to": "y"}, "tester")
    assert world.rows("SELECT count(*) FROM audit_log", "ledger") == [(1,)]
