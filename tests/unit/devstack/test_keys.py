"""Keys are made once: in the embedded stack one file for itself, in Compose one file a key for Airflow to read."""

import stat
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from devstack.folder import state_folder
from devstack.keys import keys_of, main


def test_a_stack_keeps_its_keys(tmp_path: Path) -> None:
    assert keys_of(state_folder(tmp_path)) == keys_of(state_folder(tmp_path))


def test_each_key_of_airflow_becomes_a_file_that_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["keys", str(tmp_path)])
    main()
    first = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert set(first) == {"fernet", "jwt", "api"}
    Fernet(first["fernet"])
    assert len(first["jwt"]) >= 64
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o007 == 0 for path in tmp_path.iterdir())
    (tmp_path / "api").unlink()
    main()
    again = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert again.pop("api") != first.pop("api")
    assert again == first
