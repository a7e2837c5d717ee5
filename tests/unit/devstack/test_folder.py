"""The small files of a stack."""

import stat
from dataclasses import asdict
from pathlib import Path

import pytest

from devstack.folder import DEFAULT_STATE, locked, read_json, state_folder, write_json
from devstack.keys import keys_of


def test_the_stack_file_stands_beside_the_state_folder() -> None:
    assert state_folder().stack == DEFAULT_STATE.parent / "stack.json"


def test_a_json_file_is_for_its_owner_only(tmp_path: Path) -> None:
    write_json(tmp_path / "deep" / "a.json", {"b": 1})
    assert read_json(tmp_path / "deep" / "a.json") == {"b": 1}
    assert stat.S_IMODE((tmp_path / "deep" / "a.json").stat().st_mode) == 0o600


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"b": object()})
    assert read_json(tmp_path / "a.json") == {"b": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_missing_file_is_nothing(tmp_path: Path) -> None:
    assert read_json(tmp_path / "none.json") is None


def test_keys_stay_the_same_from_start_to_start(tmp_path: Path) -> None:
    folder = state_folder(tmp_path)
    first = keys_of(folder)
    assert keys_of(folder) == first
    assert len(set(asdict(first).values())) == len(asdict(first))


def test_one_holder_of_the_lock_at_a_time(tmp_path: Path) -> None:
    folder = state_folder(tmp_path)
    with locked(folder) as first, locked(folder) as second:
        assert (first, second) == (True, False)
    with locked(folder) as third:
        assert third
