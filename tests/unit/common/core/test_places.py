"""Places are written and read back as they were, whatever a version has put into them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.core.errors import NewerVersion
from common.core.nouns import Batch
from common.core.places import BronzeFile, RawFile, Replay, Rerun, TableVersion, Unnamed, from_json, to_json

text, number = st.text(max_size=8), st.integers(0, 10**12)
any_json = st.recursive(
    st.none() | st.booleans() | number | text, lambda j: st.lists(j, max_size=3) | st.dictionaries(text, j, max_size=3)
)
shape = st.fixed_dictionaries(
    {
        "format": st.sampled_from(["csv", "json"]), "compression": st.just("none"), "encoding": text, "header": st.booleans(),
        "delimiter": st.none() | text, "quote": st.none() | text, "columns": st.lists(text, max_size=3),
    },
    optional={"skip": number, "absent": st.lists(text, max_size=2), "newline": text, "strings": st.lists(text, max_size=2)},
)  # fmt: skip
refused = st.fixed_dictionaries(dict.fromkeys(("place", "batch", "reason", "rule", "column"), text))
stored = st.fixed_dictionaries({"key": text, "etag": text, "size": number, "zone": text})
replay = st.fixed_dictionaries(
    {},
    optional={
        "for": text.filter(bool),
        "from": text.filter(bool),
        "to": text.filter(bool),
        "whole": st.just(value=True),
    },
)
rerun = {
    "of": st.none() | text, "at": stored, "only": st.none() | st.lists(refused, max_size=2), "skip": st.lists(refused, max_size=2),
    "file": st.none() | text, "replay": replay,
}  # fmt: skip
raw = {"key": text, "etag": text, "size": number, "modified": text}
bronze = {"key": text, "etag": text, "size": number, "name": text, "raw": text, "landed": text}
table = {"partitions": st.lists(text, max_size=3)}
unknown = st.dictionaries(text.map(lambda name: f"new_{name}"), any_json, max_size=2)
places: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries(raw, optional={"arrival": number, **rerun}),
    st.fixed_dictionaries({**bronze, "shape": st.none()}, optional={"arrival": number, **rerun}),
    st.fixed_dictionaries(table, optional={"unrestored": number, "tied": number, "unknown": number, "remade": st.just(value=True), "version": st.none() | number, "waiting": st.dictionaries(text, st.lists(text, max_size=2)), **rerun}),
    st.fixed_dictionaries({"table": text}, optional=rerun),
    any_json.filter(lambda found: isinstance(found, dict) and not found.keys() & {"modified", "landed", "table", "partitions", *rerun, "was"}),
)  # fmt: skip


@given(place=places, more=unknown)
def test_every_place_survives(place: dict[str, Any], more: dict[str, Any]) -> None:
    whole = json.loads(json.dumps(place | more))
    assert json.loads(json.dumps(to_json(*from_json(whole)))) == whole


@given(place=st.fixed_dictionaries({**bronze, "shape": shape}), was=shape)
def test_a_shape_is_read_with_its_defaults_and_written_whole(place: dict[str, Any], was: dict[str, Any]) -> None:
    written = to_json(*from_json(place | {"was": was}))
    for name, said in (("shape", place["shape"]), ("was", was)):
        assert said.items() <= written[name].items()
    assert to_json(*from_json(written)) == written


def test_kinds_are_told_apart_and_absent_differs_from_null() -> None:
    read = from_json({"key": "a", "etag": "e", "size": 1, "modified": "now", "of": None, "replay": {}})
    assert read == (RawFile("a", "e", 1, "now", other={"of": None}), Rerun(replay=Replay()))
    assert from_json({"partitions": [], "version": None}) == (TableVersion(other={"version": None}), None)
    assert from_json({}) == (Unnamed({}), None)
    whole = Rerun(replay=Replay(whole=True))
    chosen = Rerun(replay=Replay("shop.orders@warehouse", keys=({"id": "1"}, {"id": "2"})))
    assert from_json(to_json(Unnamed(), chosen)) == (Unnamed(), chosen)
    assert (to_json(Unnamed(), whole), from_json(to_json(Unnamed(), whole))) == (
        {"replay": {"whole": True}},
        (Unnamed(), whole),
    )


def test_a_batch_knows_which_file_it_is() -> None:
    batch = Batch("1", "shop.orders.raw", place=RawFile("a", "e", 1, "now"))
    assert batch.raw.key == "a"
    with pytest.raises(TypeError, match="is no file in bronze"):
        _ = batch.bronze
    assert Batch.from_json(batch.json) == batch
    known = BronzeFile("k", "e", 1, "n", "r", "l", None)
    assert Batch.from_json(Batch("2", "x", place=known).json).bronze == known


def test_a_shape_of_a_newer_version_is_not_half_read() -> None:
    with pytest.raises(NewerVersion):
        from_json({"landed": "x", "shape": {"format": "csv", "sorted_by": "a"}})
