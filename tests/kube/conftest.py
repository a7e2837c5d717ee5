"""Everything that a published job meets: Kubernetes, its image, a whole Airflow that reads releases, lake and warehouse."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from kubernetes import client, config

from dag_publisher.generate import Job, generate
from dag_publisher.publish import Package, publish
from dag_publisher.shelf import Shelf
from dag_publisher.store import Store
from devstack.dag_processor import releases
from devstack.ports import HOST
from devstack.stack import Stack
from tests import publishing
from tests.kube.cluster import Cluster, forwarded, namespace, until
from tests.kube.images import Images, pushed
from tests.labs import Lab, docker, kubernetes
from tests.packages import fill, made
from tests.stacks import hasten
from tests.world import World, new_world, small_shop

PACKAGES_OF_OURS = ("pipeline_processing", "reporting_seeder")
MODES = ("waited", "deferred")
ENVIRONMENT = "prod"  # of which Airflow reads the releases
BUCKET = "watershed"  # the stack makes it; releases have a prefix of their own
# In place of Python's image where it cannot be pulled: the same commands on Debian's Python.
PYTHON = r"""{ docker image inspect python:3.12-slim >/dev/null 2>&1 || printf '%s\n' 'FROM debian:bookworm-slim' \
'RUN python3 -m venv /usr/local/python' 'ENV PATH=/usr/local/python/bin:$PATH' | docker build -q -t python:3.12-slim - >&2; }"""
OVER = ("success", "failed")


@dataclass
class Platform:
    """The whole of it, as its user sees it."""

    world: World
    cluster: Cluster
    stack: Stack
    store: Store
    images: Images
    jobs: set[str] = field(default_factory=set)

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """Ask Airflow's REST API."""
        address = self.stack.plan.address("api-server")
        with httpx.Client(base_url=address, timeout=60) as http:
            token = http.get("/auth/token").raise_for_status().json()["access_token"]
            http.headers["Authorization"] = f"Bearer {token}"
            return http.request(method, f"/api/v2{path}", **more).raise_for_status().json()

    def dags(self) -> set[str]:
        """Name the DAGs that Airflow has read."""
        return {dag["dag_id"] for dag in self.ask("GET", "/dags?limit=100")["dags"]}

    def start(self, dag_id: str, **conf: Any) -> "Run":
        """Start a run."""
        found = self.ask("POST", f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf})
        return Run(self, dag_id, found["dag_run_id"])

    def alerts(self) -> list[str]:
        """Read what the Slack stand-in received."""
        address, slack = f"{self.stack.env['STANDINS_URL']}/messages", {"service": "slack"}
        found = httpx.get(address, params=slack, timeout=30).raise_for_status()
        return [message["text"] for message in found.json() if message.get("channel") == "#data-alerts"]


@dataclass(frozen=True)
class Run:
    """A run of a DAG of one task."""

    platform: Platform
    dag_id: str
    run_id: str

    def end(self) -> str:
        """Wait for its end, and return the state in which it is then."""
        path = f"/dags/{self.dag_id}/dagRuns/{self.run_id}"
        state = until(
            lambda: found if (found := self.platform.ask("GET", path)["state"]) in OVER else "", f"{self.dag_id} to end"
        )
        return str(state)

    def log(self) -> str:
        """Return the text of its task's log."""
        task = f"/dags/{self.dag_id}/dagRuns/{self.run_id}/taskInstances"
        (found,) = self.platform.ask("GET", task)["task_instances"]
        return str(self.platform.ask("GET", f"{task}/{found['task_id']}/logs/{found['try_number']}")["content"])

    def alert(self) -> str:
        """Return what the one message about its failure says below its first line, which names the run."""
        (text,) = until(
            lambda: [one for one in self.platform.alerts() if self.run_id in one], f"alert of {self.dag_id}"
        )
        return str(text).partition("\n")[2]


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Reach Docker, and a Kubernetes."""
    with ExitStack() as stack:
        images = docker(PYTHON)
        stack.callback(images.close)
        found = kubernetes(images.env)
        stack.callback(found.close)
        yield found


@pytest.fixture(scope="session")
def images(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    """Have the packages' images pushed."""
    with pushed(PACKAGES_OF_OURS, tmp_path_factory.mktemp("images"), lab.env) as found:
        yield found


@pytest.fixture(scope="session")
def cluster(lab: Lab) -> Iterator[Cluster]:
    """A namespace of the Kubernetes, with what the packages' jobs name."""
    with config.new_client_from_config(lab.env["KUBECONFIG"]) as api, namespace(client.CoreV1Api(api)) as made:
        yield made


@pytest.fixture(scope="session")
def platform(
    lab: Lab, images: Images, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """A whole Airflow that has read the releases of both packages, and of one whose jobs fail."""
    folder = tmp_path_factory.mktemp("kube")
    settings = {
        "KUBECONFIG": lab.env["KUBECONFIG"],
        "WATERSHED_DOMAINS_DIR": str(small_shop()),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(releases(BUCKET, ENVIRONMENT, refresh_interval=1)),
        "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(folder / "bundles"),
        # Pods share the machine with Airflow: few tasks at once, and patience where it is busy.
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
    }
    stack = Stack(folder / "stack", overrides=settings)
    with ExitStack() as open_things:
        open_things.callback(stack.stop)
        stack.start(owned=True)
        hasten(stack.env)
        ports = [stack.plan.ports[name] for name in ("postgres", "s3")]
        open_things.enter_context(forwarded(cluster.gateway, *ports))
        world = open_things.enter_context(new_world(stack.env, folder / "world", "ecommerce"))
        fill(world)
        made = Platform(world, cluster, stack, Store(BUCKET, publishing.client(stack.env)), images)
        made.jobs = release_packages(made, folder) | release_trouble(made)
        until(lambda: made.dags() >= made.jobs, f"{sorted(made.jobs)} to be read")
        yield made


def release_packages(platform: Platform, folder: Path) -> set[str]:
    """Take the DAGs of both packages through their pipelines, from image to production; return their names."""
    world, cluster = platform.world, platform.cluster
    cluster.service_account("pipeline-processing")
    cluster.secret("object-store", key=world.env["AWS_ACCESS_KEY_ID"], secret=world.env["AWS_SECRET_ACCESS_KEY"])
    cluster.secret("reporting-seeder", **{"warehouse-url": world.env["WAREHOUSE_URL"].replace(HOST, cluster.gateway)})
    store = world.env["AWS_ENDPOINT_URL"].replace(HOST, cluster.gateway)
    common = f"--namespace {cluster.namespace} --env AWS_ENDPOINT_URL={store}"
    keys = "--secret-env AWS_ACCESS_KEY_ID=object-store:key --secret-env AWS_SECRET_ACCESS_KEY=object-store:secret"
    names = set()
    for package in PACKAGES_OF_OURS:
        dags = folder / package
        image = {"REGISTRY": platform.images.registry, "DIGEST": platform.images.digests[package]}
        here = {"BUCKET": BUCKET, "ENVIRONMENT": "dev", "DAGS": str(dags), "OPTIONS": f"{common} {keys}"}
        env = {**os.environ, **world.env}
        made(package, "dags", "validate", "publish", env=env, LAKE=lake(world), **image, **here)
        made(package, "promote", env=env, TO=ENVIRONMENT, **here)
        names |= {file.stem for file in dags.glob("*.py")}
    return names


def lake(world: World) -> str:
    """Return the address of a world's bucket."""
    return f"s3://{world.env['WATERSHED_BUCKET']}"


def release_trouble(platform: Platform) -> set[str]:
    """Publish a package whose jobs do not end well, each in both modes; return the names of its DAGs."""
    (image, seeder), sleep = map(platform.images.name, PACKAGES_OF_OURS), ["sleep", "600"]
    plain = Job("trouble", "", "job", image, namespace=platform.cluster.namespace, owner="tests", retries=0)
    plain = replace(plain, description="Does not end well.", resources={"cpu": "20m", "memory": "32Mi"})
    jobs = {
        "works": replace(plain, command=["python", "-c", "print('all is well')"]),
        "fails": replace(plain, image=seeder, command=["python", "-m", "reporting_seeder", "--all"]),
        "evicted": replace(plain, command=sleep),
        "unschedulable": replace(plain, command=sleep, resources={"cpu": "4000"}, startup_timeout=15),
        "imageless": replace(plain, image="registry.invalid/trouble:absent"),
    }
    texts = {
        dag_id: generate(replace(job, dag_id=dag_id, **deferred(kind) if mode == "deferred" else {}))
        for kind, job in jobs.items()
        for mode in MODES
        for dag_id in [f"trouble_{kind}_{mode}"]
    }
    contents = {f"{dag_id}.py": text.encode() for dag_id, text in texts.items()}
    dags: list[dict[str, Any]] = [{"file": f"{name}.py", "dag_id": name, "images": []} for name in texts]
    publish(Shelf(platform.store, ENVIRONMENT, "trouble"), Package(contents, dags, ">=3.3,<4"), publishing.WHO)
    return set(texts)


def deferred(kind: str) -> dict[str, Any]:
    """Return what is said of a job that waits in the triggerer.

    Where its pod ends before the scheduler knows that it waits, Airflow 3.3 fails the task and tries it again.
    """
    again = {"retries": 3, "retry_delay": 1} if kind in ("works", "fails", "imageless") else {}
    return {"deferrable": True, **again}


@pytest.fixture(scope="session")
def runs(platform: Platform) -> dict[str, Run]:
    """Start all runs of all DAGs that are looked at; they go on side by side."""
    conf: dict[str, dict[str, str]] = {
        "pipeline_processing_example_job": {"partition": "1997-01"},
        "reporting_seeder_refresh_agency": {"agency": "US"},
    }
    return {dag_id: platform.start(dag_id, **conf.get(dag_id, {})) for dag_id in sorted(platform.jobs)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give images and pods the time that a loaded machine of two cores may need."""
    for item in items:
        if Path(item.fspath).parent.name == "kube":
            item.add_marker(pytest.mark.timeout(1800))
