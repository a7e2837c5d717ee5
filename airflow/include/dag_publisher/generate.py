"""Write the DAG file of a job that runs in a container: KubernetesPodOperator and nothing of the package."""

import ast
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dag_publisher.errors import Refused
from dag_publisher.names import ID_RULE, belongs, is_id, require_package

TEMPLATES = Path(__file__).parent / "templates"
NAMESPACE = "etl-jobs"
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,51}[a-z0-9])?")  # Kubernetes: 63, of which Airflow's suffix takes some
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
IMAGE = re.compile(r"[a-z0-9]+([._:/-]+[a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
URI = re.compile(r"[a-z][a-z0-9+.-]*://\S+")


@dataclass(frozen=True)
class Job:
    """What a generated file says; every value is written as a Python literal."""

    package: str
    dag_id: str
    job_name: str
    image: str
    schedule: str | None = None
    namespace: str = NAMESPACE
    command: Sequence[str] = ()
    env: Sequence[tuple[str, str]] = ()
    secrets: Sequence[tuple[str, str, str]] = ()
    resources: dict[str, str] | None = None
    service_account: str | None = None
    owner: str = ""
    description: str = ""
    tags: Sequence[str] = ()
    outlets: Sequence[str] = ()
    schedule_assets: Sequence[str] = ()
    retries: int = 2
    retry_delay: int = 60
    timeout: int = 360
    startup_timeout: int = 600
    deferrable: bool = False
    alert_conn: str = "slack_default"
    alert_channel: str = "#data-alerts"

    @property
    def task_id(self) -> str:
        """Return the task's id."""
        return self.job_name.replace("-", "_")

    @property
    def labels(self) -> dict[str, str]:
        """Return the pod's labels, by which an operator finds the package's pods."""
        return {"package": self.package.replace("_", "-"), "job": self.job_name}

    @property
    def doc(self) -> str:
        """Return the DAG's page."""
        return f"{self.description}\n\nRuns {self.image} in namespace {self.namespace}. Package: {self.package}."


def image_of(tag: str, repository: str) -> str:
    """Return the image of a tag or digest of the package's repository, or the image that the tag names whole."""
    image = f"{repository}@{tag}" if DIGEST.fullmatch(tag) else f"{repository}:{tag}" if TAG.fullmatch(tag) else tag
    if not IMAGE.fullmatch(image):
        allowed = "a tag such as 1.4.2, a digest such as sha256:<64 hex digits>, or a whole image name"
        raise Refused(f"--image-tag {tag!r} gives image {image!r}. Allowed: {allowed}.")
    return image


def pairs(option: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    """Split NAME=value options; raises Refused where one is none."""
    found = [text.partition("=") for text in texts]
    if wrong := [name + sign for name, sign, _ in found if not sign or not VARIABLE.fullmatch(name)]:
        raise Refused(f"{option} {wrong[0]!r}: no NAME=value. Allowed: letters, digits, underscores before the sign.")
    return sorted((name, value) for name, _, value in found)


def secrets_of(texts: Sequence[str]) -> list[tuple[str, str, str]]:
    """Split NAME=secret:key options; raises Refused where one is none."""
    found = [(name, *value.partition(":")[::2]) for name, value in pairs("--secret-env", texts)]
    if wrong := [name for name, secret, key in found if not secret or not key]:
        raise Refused(f"--secret-env {wrong[0]}: allowed is NAME=secret:key, of a secret in the job's namespace.")
    return found


def resources_of(text: str) -> dict[str, str]:
    """Split `cpu=500m,memory=1Gi`; raises Refused for other kinds and for what is no quantity."""
    found = dict(pairs("--resources", text.split(","))) if text else {}
    for kind, value in found.items():
        if kind not in ("cpu", "memory") or not QUANTITY.fullmatch(value):
            raise Refused(f"--resources {kind}={value}: allowed are cpu and memory, such as cpu=500m,memory=1Gi.")
    return found


def command_of(text: str) -> list[str]:
    """Split a command into its words, as a shell does; raises Refused where a quote is open.

    What Airflow fills in when the task runs, `{{ ... }}`, stays as it is written: its blanks and quotes are its own.
    """
    templates = TEMPLATE.findall(text)
    if "\0" in text:
        raise Refused(f"--command {text!r}: a command has no character U+0000.")
    try:
        words = shlex.split(TEMPLATE.sub("\0", text))
    except ValueError as error:
        raise Refused(f"--command {text!r}: {error}. Quote it as for a shell.") from error
    filled = iter(templates)
    return ["".join(next(filled) if part == "\0" else part for part in re.split("(\0)", word)) for word in words]


def require_valid(job: Job) -> None:
    """Raise Refused where a name of a job is not allowed."""
    require_package(job.package)
    if not (is_id(job.dag_id) and belongs(job.dag_id, job.package)):
        raise Refused(f"--dag-id {job.dag_id!r}: allowed is {job.package}_<name>: {ID_RULE}.")
    for option, name in (("--job-name", job.job_name), ("--namespace", job.namespace)):
        if not LABEL.fullmatch(name):
            raise Refused(f"{option} {name!r}: allowed are lower-case letters, digits and dashes, at most 53.")
    for uri in (*job.outlets, *job.schedule_assets):
        if not URI.fullmatch(uri):
            raise Refused(f"asset {uri!r}: allowed is an address with a scheme, such as s3://bucket/gold/sales.")
    if job.schedule and job.schedule_assets:
        raise Refused("--schedule and --schedule-asset: a DAG has one of them.")


def generate(job: Job) -> str:
    """Return the text of the job's DAG file; equal jobs give equal bytes."""
    require_valid(job)
    environment = Environment(  # noqa: S701 - Python, not HTML: `literal` writes each value
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    environment.filters["literal"] = literal
    text = environment.get_template("kubernetes_pod.py.j2").render(job=job)
    ast.parse(text)
    return text


def literal(value: object) -> str:
    """Write a value as a Python literal, and nothing but a literal."""
    text = repr(list(value) if isinstance(value, tuple) else value)
    ast.literal_eval(text)
    return text
