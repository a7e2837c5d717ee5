"""A domain with places of its own, whose files lie in no folder of their dataset."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from common.core.errors import ConfigError
from common.core.nouns import Counts
from common.core.settings import settings
from common.ledger.refusals import Filter
from common.pipelines.look import look
from common.repair.decide import redrive
from common.upkeep.apply import apply
from common.upkeep.retain import retain
from common.upkeep.verify import verify
from common.zones.store import client
from tests.contracts import write_contract
from tests.world import World, by, forget, new_world


def _column(name: str) -> str:
    return f"name: {name}, logicalType: string, required: true"


@pytest.fixture
def clinic(stack: Mapping[str, str], tmp_path: Path) -> Iterator[World]:
    """Two datasets by name, of which one has a folder with a blank, and one by its columns."""
    domain = tmp_path / "domains" / "clinical"
    write_contract(domain, "visits", [_column("visit"), _column("site")], {"files": "{names: ['call logs/v_*.csv']}"})
    write_contract(domain, "labs", [_column("lab"), _column("unit")], {"files": "{columns: [lab, unit]}"})
    write_contract(domain, "forms", [_column("form")], {"files": "{names: ['f_*.csv', '*_x.csv']}"})
    write_contract(domain, "others", [_column("other")], {"files": "{names: ['*_o.csv']}"})
    own = {"clinical.raw": "forms-{}/incoming", "clinical.silver": "clean-{}"}
    with new_world(stack, tmp_path, "clinical", tmp_path / "domains") as made:
        places = {zone: place.format(settings().bucket) for zone, place in own.items()}
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("WATERSHED_ZONE_BUCKETS", json.dumps(places))
            forget()
            for place in places.values():
                client().create_bucket(Bucket=place.partition("/")[0])
            apply()
            yield made


def put(name: str, content: str) -> None:
    client().put_object(Bucket=f"forms-{settings().bucket}", Key=f"incoming/{name}", Body=content.encode())


def in_bucket(name: str) -> list[str]:
    found = client().list_objects_v2(Bucket=f"{name}-{settings().bucket}")
    return sorted(entry["Key"] for entry in found.get("Contents", []))


def test_files_go_to_the_one_dataset_that_claims_them(clinic: World) -> None:
    put("call logs/v_1.csv", "visit,site\n1,A\n")
    put("call logs/deep/v_2.csv", "visit,site\n2,A\n")  # a star stops at a slash
    put("whatever.csv", "lab,unit,extra\n7,mg,x\n")
    put("f_1.csv", "form\nF\n")
    put("f_o.csv", "form\nF\n")  # two claim it
    put("visits/3.csv", "visit,site\n3,B\n")
    done = clinic.flow("bronze", "silver")
    assert {
        name.split(".")[1]: done[f"{name}.bronze"] for name in ("clinical.visits", "clinical.labs", "clinical.forms")
    } == {
        "visits": Counts(2, 2, 0, 0),
        "labs": Counts(1, 1, 0, 0),
        "forms": Counts(1, 1, 0, 0),
    }
    assert done["clinical.unrouted.quarantine"] == Counts(2, 0, 0, 2)
    assert sorted(clinic.silver("visits")["visit"]) == ["1", "3"]
    assert in_bucket("forms") == []
    assert {key.partition("/")[0] for key in in_bucket("clean")} == {"visits", "labs", "forms", "others"}
    assert clinic.keys("raw/") == []
    assert clinic.keys("bronze/clinical/visits/")
    assert list(verify()) == []
    assert all(kept.removed == 0 for kept in retain())


def test_what_nobody_claims_is_sent_again_once_somebody_does(clinic: World) -> None:
    put("n_1.csv", "form\nF\n")
    clinic.flow()
    with pytest.raises(ConfigError, match=r"or more than one, claims clinical/n_1\.csv"):
        redrive(Filter(consumer="clinical"), by("?"))
    contract = clinic.folder / "domains" / "clinical" / "contracts" / "forms.yaml"
    contract.write_text(contract.read_text().replace("f_*.csv", "n_*.csv"))
    forget()
    redrive(Filter(consumer="clinical"), by("its contract claims it"))
    clinic.flow()
    assert list(clinic.silver("forms")["form"]) == ["F"]


def test_while_a_contract_has_a_fault_what_no_other_claims_waits(clinic: World) -> None:
    contract = clinic.folder / "domains" / "clinical" / "contracts" / "forms.yaml"
    good = contract.read_text()
    contract.write_text(good.replace("logicalType: string", "logicalType: strin"))
    forget()
    put("f_1.csv", "form\nF\n")
    put("call logs/v_1.csv", "visit,site\n1,A\n")
    assert look("clinical") == 1
    contract.write_text(good)
    forget()
    assert look("clinical") == 2
