"""What Airflow's services load once, before they fork: a process for each task, and for each reading of a DAG file.

Airflow looks for a module of this name. The first `Asset` of a process makes it import every provider that knows a kind
of asset, with the clients of their clouds, and the trigger of the landing queues another, in each of those processes;
its first client of the object store reads what AWS says of its services, and this project's own modules, contracts and
models are read as well: more than half of what a task costs. A fork that finds any of those files changed reads them
anew, so that a change is seen by the next task. No engine is loaded, since polars does not outlive a fork. `import`
this from your own `airflow_local_settings`, if you have one.
"""

import os
import sys
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path

__all__: list[str] = []  # no setting of Airflow is changed

FORKING = {"scheduler", "dag-processor", "celery", "standalone"}
MODULES = (
    "airflow.providers.amazon.aws.triggers.sqs",
    "airflow.providers.standard.decorators.sensor",
    "airflow.providers.standard.sensors.python",
    "airflow.sdk.definitions.decorators",
    "airflow.sdk.definitions.retry_policy",
    "open_data_contract_standard.model",
    "phonenumbers",
    "psycopg",
    "pydantic_settings",
    "sqlalchemy.dialects.postgresql",
    "sqlglot",
)
OWN = ("common.dags.stages", "common.pipelines.together", "common.notify.alerts")
_loaded = False
_stamps: dict[str, int] = {}


def _load() -> None:
    """Load what forked processes need; at the first fork, when Airflow itself is complete."""
    global _loaded
    if not _loaded:
        _loaded = True
        with suppress(ImportError):
            for name in MODULES:
                import_module(name)
            from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

            _ = ProvidersManagerTaskRuntime().asset_uri_handlers  # type: ignore[no-untyped-call]
            describe_s3()
        with suppress(Exception):  # what is wrong with them is told by the tasks that need them
            for name in OWN:
                import_module(name)
            _stamps.update(_changed())
            _read_domains()


def _own() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] == "common"]


def _changed() -> dict[str, int]:
    """Return when each file of this project's modules was last changed."""
    files = {name: sys.modules[name].__file__ for name in _own()}
    return {name: Path(file).stat().st_mtime_ns for name, file in files.items() if file}


def _read_domains() -> None:
    """Read contracts and models; who uses them looks first whether their files are still the same."""
    from common.pipelines.kinds import all_consumers

    all_consumers()


def _renew() -> None:
    """Let a fork load this project's modules anew where any of them has changed since they were loaded."""
    with suppress(OSError):
        if _stamps.items() <= _changed().items():
            return
    for name in _own():
        del sys.modules[name]


def describe_s3() -> None:
    """Let the sessions of a process and of its forks share what botocore has read of S3; each would read it anew."""
    import boto3.session
    import botocore.session

    botocore.session.create_loader = cache(botocore.session.create_loader)
    boto3.session.Session().client("s3", region_name="us-east-1")


if FORKING & set(sys.argv):
    os.register_at_fork(before=_load, after_in_child=_renew)
