"""The packages' images in a registry, from which the nodes of a Kubernetes pull them by digest."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from devstack.ports import HOST, free_port
from tests.kube.cluster import until
from tests.packages import made

SETTINGS = """version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: {host}:{port}}}
"""


@dataclass(frozen=True)
class Images:
    """Images of packages by their digests."""

    registry: str
    digests: dict[str, str]

    def name(self, package: str) -> str:
        """Name the image of a package."""
        return f"{self.registry}/{package}@{self.digests[package]}"


@contextmanager
def pushed(packages: tuple[str, ...], folder: Path, env: Mapping[str, str]) -> Iterator[Images]:
    """Build images and push them, by the steps of the packages' pipelines, with the Docker of an environment."""
    with _registry(folder) as address:
        yield Images(
            address,
            {
                one: made(one, "build", "push", env=env, REGISTRY=address, VERSION="kube").split()[-1]
                for one in packages
            },
        )


@contextmanager
def _registry(folder: Path) -> Iterator[str]:
    """Give the address of a registry: that of KUBE_REGISTRY, or one that is served for the length of a block."""
    if found := os.environ.get("KUBE_REGISTRY"):
        yield found
        return
    port, settings, log = free_port(), folder / "registry.yaml", folder / "registry.log"
    settings.write_text(SETTINGS.format(folder=folder / "registry", host=HOST, port=port))

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        with suppress(httpx.TransportError):
            return httpx.get(f"http://{HOST}:{port}/v2/").is_success
        return False

    with log.open("wb") as output:
        process = subprocess.Popen(["docker-registry", "serve", str(settings)], stdout=output, stderr=output)
    try:
        until(answers, "the registry to answer")
        yield f"localhost:{port}"  # by this name Docker and containerd ask without TLS
    finally:
        process.terminate()
        process.wait(timeout=30)
