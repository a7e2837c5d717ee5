"""Exports of the audit log: whoever has the file and the public key finds what was changed or cut off."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from typer.testing import CliRunner

from common.cli.main import app
from common.core.assets import Zone
from common.ledger.database import transaction
from common.ledger.decisions import note
from common.ledger.journal import FOLDER as COPIES
from common.ledger.seals import FOLDER as SEALS
from common.upkeep.verify import verify
from common.zones.store import ZoneStore
from tests.world import World


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """A private key and its public one, as files."""
    return pair(tmp_path, "one")


def pair(folder: Path, name: str) -> tuple[Path, Path]:
    key = Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


def told(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["audit", *map(str, words)])
    return result.exit_code, str(result.exception or "") if isinstance(result.exception, Exception) else result.output


def found(*words: object) -> list[str]:
    code, output = told("verify", *words, "--json")
    faults = [row["fault"] for row in json.loads(output)]
    assert code == bool(faults)
    return faults


def decided(number: int) -> None:
    with transaction() as connection:
        for n in range(number):
            note(connection, "tester.saw", {"n": n, "why": "a test"}, "Zoë")


def exported(folder: Path, keys: tuple[Path, Path]) -> Path:
    file = folder / "audit.jsonl"
    assert told("export", file, "--sign-with", keys[0], "--why", "inspection") == (
        0,
        f"Wrote {file}, 4 entries, and sealed it.\n",
    )
    return file


def test_an_export_is_verified_with_the_public_key_and_nothing_else(
    world: World, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    decided(3)
    file = exported(tmp_path, keys)
    entries = [json.loads(line) for line in file.read_text().splitlines()]
    assert [entry.get("what") for entry in entries] == [*["tester.saw"] * 3, "audit.export", None]
    assert entries[3]["detail"]["why"] == "inspection"
    command = [sys.executable, "-W", "ignore", "-m", "common.cli", "audit", "verify", file, "--key", keys[1]]
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": "airflow/include", "HOME": str(tmp_path)}
    done = subprocess.run(command, env=bare, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "The audit log is whole.\n"), done.stderr
    assert found() == found("--key", keys[1]) == []


def lines_without(lines: Sequence[str], *numbers: int) -> list[str]:
    return [line for n, line in enumerate(lines, 1) if n not in numbers]


def test_whatever_is_cut_or_changed_in_an_export_is_found(
    world: World, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    decided(3)
    file = exported(tmp_path, keys)
    lines = file.read_text().splitlines()

    def of(*changed: str) -> list[str]:
        file.write_text("".join(f"{line}\n" for line in changed))
        return found(file, "--key", keys[1])

    assert of(*lines) == []
    for cut in range(5):
        assert of(*lines[:cut]), cut
    for n in range(1, 5):
        assert of(*lines_without(lines, n)), n
        assert of(*lines[:n], lines[n - 1], *lines[n:]), f"{n} stands twice"
        for name, value in (("who", "nobody"), ("at", "2001-01-01T00:00:00+00:00"), ("what", "x"), ("detail", {})):
            other = json.dumps(json.loads(lines[n - 1]) | {name: value})
            assert of(*lines[: n - 1], other, *lines[n:]), f"{name} of {n}"
    assert of(*lines_without(lines, 4)) == ["entries up to 4 were sealed; there are 3"]
    assert of(*lines[:4]) == ["the seal is missing: the end was cut off, or it was never sealed"]
    file.write_text("\n".join(lines))
    stranger = pair(tmp_path, "other")[1]
    assert found(file, "--key", stranger) == ["the seal of entry 4 was not made with this key, or was changed"]


def test_a_tail_that_is_cut_off_everywhere_but_for_the_seal_is_found(
    world: World, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    """Entries are removed from the ledger and from the store, and the chain that is left is whole."""
    decided(3)
    exported(tmp_path, keys)
    with transaction() as connection:
        connection.exec_driver_sql("DELETE FROM audit_log WHERE n > 2")
    store = ZoneStore(Zone.MANIFESTS)
    for copy in list(store.list(f"{COPIES}/"))[2:]:
        store.delete(copy.key, copy.etag)
    lost = "entries up to 4 were sealed; there are 2"
    assert found() == found("--key", keys[1]) == [lost]
    assert ("audit log", lost) in list(verify())
    assert found("--key", pair(tmp_path, "other")[1])[0].startswith("the seal of entry 4 was not made with this key")


def test_a_seal_of_a_made_up_chain_is_found(world: World, keys: tuple[Path, Path], tmp_path: Path) -> None:
    decided(3)
    exported(tmp_path, keys)
    store = ZoneStore(Zone.MANIFESTS)
    (kept,) = store.list(f"{SEALS}/")
    seal = json.loads(store.read(kept.key) or b"")
    store.delete(kept.key, kept.etag)
    store.put_json(kept.key, seal | {"hash": "0" * 64})
    assert found() == ["entry 4 is not the one that was sealed"]


def test_what_is_no_key_and_what_exists_is_refused_before_anything_is_entered(
    world: World, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    there = tmp_path / "there.jsonl"
    there.touch()
    text = tmp_path / "text.pem"
    text.write_text("no key")
    for words, message in (
        (("export", tmp_path / "new", "--sign-with", text, "--why", "x"), "is no private key"),
        (("export", tmp_path / "new", "--sign-with", keys[1], "--why", "x"), "is no private key"),
        (("export", tmp_path / "new", "--sign-with", tmp_path / "gone", "--why", "x"), "cannot be read"),
        (("export", there, "--sign-with", keys[0], "--why", "x"), "is never overwritten"),
        (("export", tmp_path / "new", "--sign-with", keys[0], "--why", " "), "say why"),
        (("verify", there), "add --key FILE"),
        (("verify", there, "--key", keys[0]), "is no public key"),
        (("verify", text, "--key", keys[1]), "Line 1 of"),
    ):
        code, said = told(*words)
        assert code and message in said, words
    assert told("ls")[1] == "Nobody decided yet.\n"
