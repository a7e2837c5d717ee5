"""What is written for ever: releases and pointers, as JSON that carries its version."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from pydantic import TypeAdapter

from dag_publisher.errors import Corrupt
from dag_publisher.names import is_file

VERSION = 1


def digest(content: bytes) -> str:
    """Return the name that content has among a package's objects."""
    return hashlib.sha256(content).hexdigest()


class _Json:
    """A frozen dataclass that is stored as JSON; fields that a newer minor version adds are left alone."""

    @classmethod
    def parse(cls, content: bytes, where: str) -> Self:
        """Read one; raises Corrupt where it is none, or was written by a newer publisher."""
        try:
            found: dict[str, Any] = json.loads(content)
            version = found.pop("v", 1)
            if version > VERSION:
                raise Corrupt(f"{where} was written by a newer publisher (version {version}). Upgrade this one.")
            return TypeAdapter(cls).validate_python(found)
        except (ValueError, TypeError, AttributeError) as error:
            raise Corrupt(f"{where} cannot be read: {error}. `verify` says what else is wrong.") from error

    def bytes(self) -> bytes:
        """Write it as JSON; equal content gives equal bytes."""
        content = {"v": VERSION, **asdict(self)}  # type: ignore[call-overload]
        return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False).encode()


@dataclass(frozen=True)
class Release(_Json):
    """The DAG files of a package at one time; `files` maps each name to the hash of its content."""

    package: str
    number: int
    files: dict[str, str]
    dags: list[dict[str, Any]]
    airflow: str
    revision: str = ""
    by: str = ""
    at: str = ""
    origin: str = ""

    def __post_init__(self) -> None:
        """Refuse names that would leave the folder in which a release is unpacked."""
        if wrong := [name for name in self.files if not is_file(name)]:
            raise ValueError(f"'{wrong[0]}' is no name of a DAG file")

    @property
    def claims(self) -> list[str]:
        """Name what no other package may use: ids and names of files."""
        return sorted({*self.files, *(dag["dag_id"] for dag in self.dags)})

    @property
    def images(self) -> list[str]:
        """List the container images that the DAGs run."""
        return sorted({image for dag in self.dags for image in dag.get("images", [])})

    def numbered(self, number: int, origin: str = "") -> "Release":
        """Return the same under another number."""
        return replace(self, number=number, origin=origin or self.origin)


@dataclass(frozen=True)
class Pointer(_Json):
    """Which release of a package is current (0: none yet), and which names it has or is about to take.

    `before` lists the releases that were current before it, the last one last: where `rollback` goes back to.
    """

    package: str
    release: int
    claims: list[str]
    by: str = ""
    at: str = ""
    why: str = ""
    before: list[int] = field(default_factory=list)

    def onto(self, number: int) -> list[int]:
        """Return which releases were current before, where that one becomes it: going back forgets what it leaves."""
        if number in self.before:
            return self.before[: self.before.index(number)]
        return [*self.before, self.release][-50:] if self.release else []
