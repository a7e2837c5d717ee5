"""Where a stack keeps its state, and how its small files are written."""

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[3]
INCLUDE = REPOSITORY / "airflow" / "include"
DEFAULT_STATE = REPOSITORY / "var" / "stack"
DEMO = REPOSITORY / "var" / "demo"
KEPT_DEMO = DEMO / "stack"


@dataclass(frozen=True)
class StateFolder:
    """The folder of one stack; two stacks never share one."""

    path: Path

    @property
    def keys(self) -> Path:
        """Generated passwords and tokens."""
        return self.path / "keys.json"

    @property
    def plan(self) -> Path:
        """What the supervisor was asked to start: ports, services and environment."""
        return self.path / "plan.json"

    @property
    def record(self) -> Path:
        """What the supervisor is doing, rewritten at every change."""
        return self.path / "record.json"

    @property
    def lock(self) -> Path:
        """Held by the one supervisor of this folder."""
        return self.path / "lock"

    @property
    def stack(self) -> Path:
        """Pids, addresses and environment for other tools; beside the folder so that it is easy to name."""
        return self.path.parent / f"{self.path.name}.json"

    @property
    def postgres(self) -> Path:
        """The database server's own folder; it may belong to another user."""
        return self.path / "postgres"

    def log(self, unit: str) -> Path:
        """Return the log file of a unit."""
        return self.path / "logs" / f"{unit}.log"


def state_folder(path: Path | None = None) -> StateFolder:
    """Return the state folder at the path, `var/stack` of the repository by default."""
    return StateFolder((path or DEFAULT_STATE).expanduser().resolve())


@contextlib.contextmanager
def locked(folder: StateFolder) -> Iterator[bool]:
    """Hold the folder's lock, which dies with this process; False where another process holds it."""
    folder.path.mkdir(parents=True, exist_ok=True)
    with folder.lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def write_json(path: Path, content: Any) -> None:
    """Replace a JSON file at once, readable by its owner only: it may hold passwords."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
            file.write("\n")
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_json(path: Path) -> Any:
    """Read a JSON file, or None where there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
