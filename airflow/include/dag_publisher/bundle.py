"""The DAG bundle by which Airflow reads releases: complete, verified, versioned; it writes nothing to the store."""

import os
import shutil
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import structlog
from airflow.dag_processing.bundles.base import BaseDagBundle, BundleVersion, BundleVersionLock

from dag_publisher.errors import Missing, PublisherError, Refused
from dag_publisher.fetch import fetch, placed, wanted, workplace
from dag_publisher.names import require_environment
from dag_publisher.store import Store, s3_client

log = structlog.get_logger(__name__)
NOTHING = "none"
LONGEST = 250  # what Airflow's database keeps of a version


def version_of(releases: dict[str, int]) -> str:
    """Write which release of each package makes up a version; it says all that is needed to make it again."""
    version = "+".join(f"{package}.{number}" for package, number in sorted(releases.items())) or NOTHING
    if len(version) > LONGEST:
        raise Refused(
            f"{len(releases)} packages need a version of {len(version)} characters, and Airflow keeps {LONGEST}. "
            "Configure several bundles, each with some of the packages (kwargs: packages)."
        )
    return version


def releases_of(version: str) -> dict[str, int]:
    """Read which release of each package makes up a version."""
    parts = [part.rpartition(".") for part in version.split("+") if version != NOTHING]
    return {package: int(number) for package, _, number in parts}


class ReleaseDagBundle(BaseDagBundle):
    """The current releases of an environment's packages, below `<path>/<package>/`; a run keeps those it began with."""

    supports_versioning = True

    def __init__(
        self,
        *,
        bucket: str,
        environment: str,
        packages: Sequence[str] | None = None,
        aws_conn_id: str | None = None,
        refresh_interval: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(refresh_interval=refresh_interval, **kwargs)
        self.bucket, self.environment = bucket, require_environment(environment)
        self.packages, self.aws_conn_id = packages, aws_conn_id
        self._current = self.version or ""
        self._in_use: BundleVersionLock | None = None
        self._fresh: list[Path] = []

    @cached_property
    def store(self) -> Store:
        """Connect by the Airflow connection, or as the environment says where none is named."""
        if not self.aws_conn_id:
            return Store(self.bucket, s3_client(attempts=2))  # soon, it looks again anyway
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook

        return Store(self.bucket, S3Hook(aws_conn_id=self.aws_conn_id).get_conn())

    @property
    def path(self) -> Path:
        """Return the folder of the version; another version has another one, so none is ever half changed."""
        return self.versions_dir / (self._current or NOTHING)

    def get_current_version(self) -> BundleVersion:
        """Return which releases are current."""
        return BundleVersion(self._current, {"packages": releases_of(self._current)} if self._current else None)

    def initialize(self) -> None:
        """Have the wanted version on this machine, or the last good one where the store does not answer."""
        with self.lock():
            if self.version:
                self._bring(self.version)
            else:
                self._current = self._current or self._last_good()
                self._refresh_or_keep()
        super().initialize()

    def refresh(self) -> None:
        """Look for new releases; whatever fails, what is here stays."""
        if self.version:
            raise Refused(f"Version {self.version} of bundle {self.name} is for ever what it is; nothing to refresh.")
        with self.lock():
            self._touch_again()
            self._refresh_or_keep()

    def _refresh_or_keep(self) -> None:
        try:
            self._follow()
        except PublisherError as error:
            if not self._current:
                raise
            log.warning("the releases cannot be read: the last good ones stay", bundle=self.name, error=str(error))

    def _follow(self) -> None:
        known = releases_of(self._current) if self._current else {}
        found = wanted(self.store, self.environment, self.packages, known)
        for package, problem in found.problems.items():
            log.warning("a package stays at its release", package=package, release=known.get(package), problem=problem)
        if found.releases != known or not self._current or not self.path.is_dir():
            self._adopt(self._staged(found.releases, known))

    def _staged(self, releases: dict[str, int], known: dict[str, int]) -> dict[str, int]:
        """Put a version in place, and return it: with the known release of a package whose new one is damaged."""
        staging, good = workplace(self.versions_dir), dict[str, int]()
        try:
            for package, number in releases.items():
                if brought := self._brought(staging / package, number, known):
                    good[package] = brought
            placed(staging, self.versions_dir / version_of(good))
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return good

    def _brought(self, folder: Path, number: int, known: dict[str, int]) -> int:
        package, here = folder.name, self.path / folder.name
        if number != known.get(package) or not here.is_dir():
            try:
                fetch(self.store, self.environment, package, number, folder)
            except PublisherError as error:
                log.warning("a release cannot be used", package=package, release=number, error=str(error))
            else:
                return number
        if here.is_dir():
            shutil.copytree(here, folder)  # with its times: Airflow reads files again that look new
            return known[package]
        return 0

    def _adopt(self, releases: dict[str, int]) -> None:
        """Make a version the current one, and hold it, so that Airflow's collection of old versions leaves it."""
        known = releases_of(self._current) if self._current else {}
        self._current = version_of(releases)
        changed = [package for package, number in releases.items() if number != known.get(package)]
        self._fresh = [file for package in changed for file in (self.path / package).iterdir()]
        for file in self._fresh:
            os.utime(file)
        (self.base_dir / "last-good").write_text(self._current)
        held = BundleVersionLock(self.name, self._current)  # type: ignore[no-untyped-call]
        held.acquire()  # type: ignore[no-untyped-call]
        self.close()
        self._in_use = held
        log.info("releases are current", bundle=self.name, version=self._current)

    def close(self) -> None:
        """Let go of the version that is held."""
        if self._in_use:
            self._in_use.release()  # type: ignore[no-untyped-call]
            self._in_use = None

    def _touch_again(self) -> None:
        """Have new files read once more: what was being read while they came is recorded under their version."""
        for file in self._fresh:
            os.utime(file)
        self._fresh = []

    def _last_good(self) -> str:
        noted = self.base_dir / "last-good"
        version = noted.read_text() if noted.exists() else ""
        return version if version and (self.versions_dir / version).is_dir() else ""

    def _bring(self, version: str) -> None:
        """Have a version on this machine; raises what is wrong, as a run does not start with another one."""
        if (self.versions_dir / version).is_dir():
            return
        staging = workplace(self.versions_dir)
        try:
            for package, number in releases_of(version).items():
                self._bring_one(staging / package, number)
            placed(staging, self.versions_dir / version)
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _bring_one(self, folder: Path, number: int) -> None:
        try:
            fetch(self.store, self.environment, folder.name, number, folder)
        except Missing as error:
            text = f"{error} A run that began with it cannot go on: start it anew, and have `gc` keep more --days."
            raise Missing(text) from error
