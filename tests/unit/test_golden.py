"""What earlier versions wrote is read for ever: objects, rows of the ledger, names of consumers, formulas of ids."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from common.core.errors import DataError, NewerVersion
from common.core.ids import batch_id
from common.core.nouns import Refusal
from common.core.places import BronzeFile, RawFile, TableVersion, WarehouseTable, from_json, shape_from_json, to_json
from common.ledger.journal import Entry
from common.ledger.manifests import VERSION, parse_manifest
from common.ledger.refusals import refusal_id
from common.pipelines.commit_objects import committed_attempt
from common.pipelines.kinds import all_consumers, step_of

EVERY = Path(__file__).parents[1] / "golden"
GOLDEN = EVERY / "v1"
pytestmark = pytest.mark.usefixtures("fresh_settings")


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def objects(beginning: str) -> dict[str, str]:
    found = {key: text for key, text in golden("objects").items() if key.startswith(beginning)}
    assert found, f"there is nothing below {beginning}"
    return found


def manifests() -> list[dict[str, Any]]:
    """Give the manifests that any version has written."""
    kept = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(EVERY.glob("v*/objects.json"))]
    texts = [text for of in kept for key, text in of.items() if key.startswith("manifests/") and key.count("/") == 3]
    return [json.loads(text) for text in texts]


def test_manifests_of_each_version_up_to_todays_are_kept() -> None:
    assert {said.get("v", 1) for said in manifests()} == set(range(1, VERSION + 1))


def test_every_consumer_keeps_its_name_inputs_and_output() -> None:
    found = {c.name: {"kind": c.kind, "inputs": list(c.inputs), "output": c.output} for c in all_consumers()}
    for kept in golden("consumers"):
        assert {"name": kept["name"], **found[kept["name"]]} == kept


def test_a_step_works_for_the_consumer_that_it_was_made_for() -> None:
    for consumer in all_consumers():
        assert step_of(consumer).consumer == consumer


def test_every_manifest_is_read() -> None:
    for said in manifests():
        read = parse_manifest(said, "golden")
        assert (read.consumer, read.hop, str(read.counts)) == (
            said["consumer"],
            said["hop"],
            "{taken} in = {good} good + {merged} merged + {refused} refused".format(**said["counts"]),
        )
        for kind, batches in (("inputs", read.inputs), ("outputs", read.outputs)):
            assert [batch.json for batch in batches] == said[kind]
        assert {item.of for item in read.refusals} <= {"row", "file"}
        assert parse_manifest(json.loads(json.dumps(read.json)), "written anew") == read


def test_every_place_is_read_and_written_back_as_it_was() -> None:
    for row in golden("batches"):
        assert to_json(*from_json(row["place"])) == row["place"]
    assert {type(from_json(row["place"])[0]) for row in golden("batches")} == {
        RawFile, BronzeFile, TableVersion, WarehouseTable,
    }  # fmt: skip


def test_a_landing_commit_is_read_as_digits_and_as_json() -> None:
    commits = {key: text for key, text in objects("manifests/").items() if key.count("/") == 2 and "audit" not in key}
    for key, text in commits.items():
        attempt = committed_attempt(text.encode(), key)
        assert key.replace(".json", f"/{attempt}.json") in golden("objects")
    assert committed_attempt(b'{"v": 2, "attempt": 7}', "here") == 7


@pytest.mark.parametrize(
    "read",
    [
        lambda: parse_manifest({"v": 99}, "manifests/x/1/2.json"),
        lambda: committed_attempt(b'{"v": 99, "attempt": 7}', "manifests/x/1.json"),
        lambda: shape_from_json({"format": "csv", "sorted_by": "a"}),
    ],
    ids=["manifest", "commit", "shape"],
)
def test_what_a_newer_version_wrote_ends_with_a_clear_error(read: Callable[[], object]) -> None:
    with pytest.raises(NewerVersion, match=r"written by a newer Watershed"):
        read()
    assert not issubclass(NewerVersion, DataError), "it must never narrow a claim"


def test_ids_are_made_as_they_always_were() -> None:
    batches = {batch["id"]: batch for batch in golden("batches")}
    for batch in batches.values():
        place = batch["place"]
        if batch["asset"].endswith(".raw") and "of" not in place:
            made = (place["key"], place["etag"], place["size"], place["modified"])
            assert batch_id(batch["asset"], *made) == batch["id"]
        elif batch["asset"].endswith(".bronze") and "of" not in place:
            assert batch_id(batch["asset"], *batch["parents"]) == batch["id"]
    for manifest in manifests():
        for output in manifest["outputs"]:
            if not output["asset"].endswith(".bronze"):
                assert batch_id(manifest["consumer"], manifest["hop"]) == output["id"]


def test_refusals_are_named_as_they_always_were() -> None:
    for row in golden("refusals"):
        said = Refusal(row["batch"], row["reason"], row["count"], row["rule"], row["column"], row["place"])
        assert refusal_id(row["consumer"], row["hop"], said) == row["id"]


def test_the_audit_logs_chain_is_whole() -> None:
    entries = [Entry(**json.loads(text)) for _, text in sorted(objects("manifests/audit/").items())]
    assert [entry.n for entry in entries] == list(range(1, len(entries) + 1))
    assert [entry.hash for entry in entries] == [entry.computed for entry in entries]
    assert [entry.previous for entry in entries] == ["", *(entry.hash for entry in entries[:-1])]


def test_rows_of_quarantine_have_their_columns() -> None:
    refused = pl.read_parquet(GOLDEN / "refused.parquet")
    assert dict(refused.schema) == {
        **dict.fromkeys(("file", "batch"), pl.String),
        **dict.fromkeys(("record", "line", "offset"), pl.Int64),
        "text": pl.Binary,
        **dict.fromkeys(("reason", "rule", "column", "value", "contract"), pl.String),
    }
    assert pl.read_parquet(GOLDEN / "mended.parquet").columns[0] == "origin_record"
    assert pl.read_csv(GOLDEN / "exported.csv").columns[:7] == [
        "refusal", "file", "record", "line", "reason", "column", "value",
    ]  # fmt: skip
