"""The image's entrypoint refuses to start Airflow without the keys that all of its processes share."""

import os
import subprocess
from pathlib import Path

import pytest

ENTRYPOINT = Path(__file__).parents[2] / "deploy" / "docker" / "entrypoint"
FERNET, JWT = "AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET"


@pytest.fixture
def entrypoint(tmp_path: Path) -> Path:
    """Give the script with a stand-in for Airflow's own entrypoint, which says what it was asked to start."""
    (tmp_path / "airflow").write_text('#!/bin/sh\necho "starts $*"\n')
    (tmp_path / "airflow").chmod(0o755)
    script = tmp_path / "entrypoint"
    script.write_text(ENTRYPOINT.read_text().replace("exec /entrypoint", f"exec {tmp_path / 'airflow'}"))
    return script


def run(script: Path, *command: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run the script with this environment and no other."""
    return subprocess.run(
        ["sh", script, *command], env={"PATH": os.environ["PATH"], **env}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("suffix", ["", "_CMD", "_SECRET"])
def test_airflow_starts_with_both_keys_however_they_are_given(entrypoint: Path, suffix: str) -> None:
    done = run(entrypoint, "scheduler", **{FERNET + suffix: "f", JWT + suffix: "j"})
    assert (done.returncode, done.stdout) == (0, "starts scheduler\n")


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({}, FERNET),
        ({FERNET: "f"}, JWT),
        ({FERNET: "", JWT: "j"}, FERNET),
        ({FERNET: "", FERNET + "_CMD": "cat f", JWT: "j"}, FERNET),
    ],
)
def test_a_missing_key_is_named_with_what_to_do(entrypoint: Path, env: dict[str, str], named: str) -> None:
    done = run(entrypoint, "bash", "-c", "exec airflow scheduler", **env)
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith(f"{named} is not set, or empty. Set it (or {named}_CMD, or {named}_SECRET)")


def test_what_is_no_part_of_airflow_needs_no_keys(entrypoint: Path) -> None:
    assert run(entrypoint, "python", "-V").stdout == "starts python -V\n"
    assert run(entrypoint).stdout == "starts \n"
    assert run(entrypoint, "watershed").returncode == 127  # started, where there is one
