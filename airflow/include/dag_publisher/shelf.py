"""One package's own prefix, below which alone it writes; and what is read of its neighbours."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from dag_publisher.errors import Corrupt, Missing, PublisherError, Refused
from dag_publisher.names import is_package, require_environment, require_package
from dag_publisher.release import Pointer, Release, digest
from dag_publisher.store import Listed, Store

POINTER, METADATA = "current.json", "metadata.json"


@dataclass(frozen=True)
class Current:
    """A pointer and the tag by which it is compared and set."""

    pointer: Pointer
    etag: str


class Shelf:
    """The objects of one package in one environment, by keys relative to its prefix."""

    def __init__(self, store: Store, environment: str, package: str) -> None:
        self.store, self.environment = store, require_environment(environment)
        self.package = require_package(package)
        self.prefix = f"{environment}/{package}/"

    def key(self, name: str) -> str:
        """Return the key of a name below the prefix; raises Refused where it would leave it."""
        if name.startswith("/") or ".." in name.split("/") or not name.isascii():
            raise Refused(f"'{name}' is no key of {self.package}: it writes below {self.store.uri(self.prefix)} only.")
        return self.prefix + name

    def uri(self, name: str = "") -> str:
        """Return the s3:// address of a name below the prefix."""
        return self.store.uri(self.prefix + name)

    def current(self) -> Current | None:
        """Read the pointer, or None where there is none."""
        found = self.store.read(self.key(POINTER))
        return Current(Pointer.parse(found.content, self.uri(POINTER)), found.etag) if found else None

    def point(self, pointer: Pointer, before: Current | None) -> Current:
        """Compare and set the pointer; raises Conflict where it is not what it was before."""
        etag = self.store.put_if(self.key(POINTER), pointer.bytes(), before.etag if before else None)
        return Current(pointer, etag)

    def numbers(self) -> list[int]:
        """List the numbers of all releases, the first one first."""
        names = [listed.key.rpartition("/")[2] for listed in self.listed("releases/")]
        return sorted(int(name.removesuffix(".json")) for name in names if name.removesuffix(".json").isdecimal())

    def release(self, number: int) -> Release:
        """Read a release; raises Missing or Corrupt."""
        name = f"releases/{number}.json"
        if (found := self.store.read(self.key(name))) is None:
            known = ", ".join(map(str, self.numbers()[-10:])) or "none"
            raise Missing(f"{self.package} has no release {number} in {self.environment}. The last ones: {known}.")
        release = Release.parse(found.content, self.uri(name))
        if (release.package, release.number) != (self.package, number):
            raise Corrupt(f"{self.uri(name)} is release {release.number} of {release.package}.")
        return release

    def add(self, release: Release) -> None:
        """Write a release, once; raises Conflict where its number is taken."""
        self.store.put_if(self.key(f"releases/{release.number}.json"), release.bytes(), None)

    def put_object(self, content: bytes) -> str:
        """Write content under its hash and return that; again without harm, which renews its age."""
        name = digest(content)
        self.store.put(self.key(f"objects/{name}"), content)
        return name

    def object(self, name: str) -> bytes:
        """Read content by its hash; raises Missing, or Corrupt where it has another one."""
        where = f"objects/{name}"
        found = self.store.read(self.key(where))
        if found is None:
            raise Missing(f"{self.uri(where)} is not there, though a release names it. Publish the package again.")
        if digest(found.content) != name:
            raise Corrupt(f"{self.uri(where)} is not what was published: its hash is {digest(found.content)}.")
        return found.content

    def contents(self, release: Release) -> dict[str, bytes]:
        """Read all files of a release, each verified by its hash."""
        with ThreadPoolExecutor(8) as pool:
            return dict(zip(release.files, pool.map(self.object, release.files.values()), strict=True))

    def listed(self, under: str) -> Iterator[Listed]:
        """List the objects below a folder of the prefix."""
        return self.store.listed(self.prefix + under)


def shelves(store: Store, environment: str) -> list[Shelf]:
    """List the packages that an environment has."""
    names = store.folders(f"{require_environment(environment)}/")
    return [Shelf(store, environment, name) for name in names if is_package(name)]


def pointers(found: list[Shelf]) -> dict[str, Pointer | PublisherError | None]:
    """Read the pointers of packages side by side: what is wrong with one hides no other."""
    with ThreadPoolExecutor(8) as pool:
        return dict(zip((shelf.package for shelf in found), pool.map(_pointer, found), strict=True))


def _pointer(shelf: Shelf) -> Pointer | PublisherError | None:
    try:
        current = shelf.current()
    except PublisherError as error:
        return error
    return current.pointer if current else None
