"""Docker and Kubernetes for tests: those of the machine, else real ones that a lab beside the checkout can start."""

import os
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from devstack.folder import REPOSITORY

TOOLS = REPOSITORY.parent / "shared" / "tools"
COMPOSE_LAB, KUBE_LAB = TOOLS / "compose-lab" / "lab.sh", TOOLS / "kube-lab" / "kube-lab.sh"
START_DOCKER = "LAB_AIRFLOW=apache/airflow:3.3.2-python3.11 LAB_POSTGRES=postgres:17-alpine lab_up >&2"
# A developer's shell may point at another stack or account; the tests are about what the files do by themselves.
FOREIGN = ("AIRFLOW", "AWS_", "COMPOSE_", "POSTGRES_", "WAREHOUSE_", "WATERSHED_")
DOCKER = (
    "Docker with Compose 2.24.4 or later: `docker compose version` and `docker info` must work for this user. "
    "See https://docs.docker.com/engine/install/."
)
KUBERNETES = (
    "a Kubernetes on this machine (kind, k3s, minikube): KUBECONFIG must name its file, and KUBE_REGISTRY a registry "
    "of images, such as localhost:5001, to which Docker pushes and from which its nodes pull."
)


@dataclass(frozen=True)
class Lab:
    """The environment that reaches something, and the command that ends it where it had to be started."""

    env: dict[str, str]
    end: tuple[str, ...] = ()

    def close(self) -> None:
        """End what had to be started."""
        if self.end:
            subprocess.run(self.end, env=self.env, check=False)


def docker(images: str = "true") -> Lab:
    """Reach Docker and Compose; `images` is shell that makes stand-ins of images where none can be pulled."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    ask = ("docker", "compose", "version"), ("docker", "info")
    try:
        if all(subprocess.run(words, env=env, capture_output=True, check=False).returncode == 0 for words in ask):
            return Lab(env)
    except FileNotFoundError:
        pass
    return _started(COMPOSE_LAB, f"{START_DOCKER} && {images}", "lab_down", env, DOCKER)


def kubernetes(env: Mapping[str, str]) -> Lab:
    """Reach a Kubernetes whose nodes pull from the registry that KUBE_REGISTRY of `env` names."""
    if env.get("KUBECONFIG") and not env.get("KUBE_REGISTRY"):
        pytest.exit(f"KUBE_REGISTRY is not set. These tests need {KUBERNETES}", returncode=1)
    return Lab(dict(env)) if env.get("KUBECONFIG") else _started(KUBE_LAB, "kl_up >&2", "kl_down", env, KUBERNETES)


def _started(script: Path, start: str, end: str, env: Mapping[str, str], needed: str) -> Lab:
    """Start a lab, and read the environment that it leaves."""
    if not script.exists():
        pytest.exit(f"These tests need {needed}", returncode=1)
    source = f"source {shlex.quote(str(script))}"
    ending = ("bash", "-c", f"{source}; {end}")
    command = ["bash", "-c", f"{source}; {start} && env -0"]
    done = subprocess.run(command, env=dict(env), capture_output=True, text=True, check=False)
    if done.returncode:
        subprocess.run(ending, env=dict(env), check=False)
        why = f"exit {done.returncode}\n{done.stderr[-3000:]}"
        pytest.exit(f"{script.parent.name} could not be started, and these tests need {needed}\n{why}", returncode=1)
    return Lab(dict(line.split("=", 1) for line in done.stdout.split("\0") if "=" in line), ending)
