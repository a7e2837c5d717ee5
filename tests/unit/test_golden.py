"""What earlier versions wrote is read for ever: objects, rows of the ledger, names of consumers, formulas of ids."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from common.core.ids import batch_id
from common.core.nouns import Refusal
from common.ledger.journal import Entry
from common.ledger.manifests import _manifest
from common.ledger.refusals import refusal_id
from common.pipelines.steps import all_hops, step_of

GOLDEN = Path(__file__).parents[1] / "golden" / "v1"
pytestmark = pytest.mark.usefixtures("fresh_settings")


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def objects(beginning: str) -> dict[str, str]:
    found = {key: text for key, text in golden("objects").items() if key.startswith(beginning)}
    assert found, f"there is nothing below {beginning}"
    return found


def manifests() -> list[dict[str, Any]]:
    keys = [key for key in objects("manifests/") if key.count("/") == 3]
    return [json.loads(golden("objects")[key]) for key in keys]


def test_every_consumer_keeps_its_name_inputs_and_output() -> None:
    steps = [step_of(hop) for hop in all_hops()]
    found = {s.consumer.name: (list(s.consumer.inputs), s.consumer.output) for s in steps}
    assert {c["name"]: (c["inputs"], c["output"]) for c in golden("consumers")}.items() <= found.items()


def test_every_manifest_is_read() -> None:
    for said in manifests():
        read = _manifest(said)
        assert (read.consumer, read.hop, str(read.counts)) == (
            said["consumer"],
            said["hop"],
            "{taken} in = {good} good + {merged} merged + {refused} refused".format(**said["counts"]),
        )
        assert [batch.id for batch in read.inputs] == [batch["id"] for batch in said["inputs"]]


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
