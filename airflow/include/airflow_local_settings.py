"""What Airflow's services load once, before they fork: a process for each task, and for each reading of a DAG file.

Airflow looks for a module of this name. The first `Asset` of a process makes it import every provider that knows a kind
of asset, with the clients of their clouds, and the trigger of the landing queues another, in each of
those processes: a third of what a task costs. Its first client of the object store reads what AWS says of its services,
a quarter of the rest. Nothing of this project's own is loaded, so that a change of its code
is seen by the next task; no engine either, since polars does not outlive a fork. `import` it from your own
`airflow_local_settings`, if you have one.
"""

import os
import sys
from contextlib import suppress
from functools import cache
from importlib import import_module

__all__: list[str] = []  # no setting of Airflow is changed

FORKING = {"scheduler", "dag-processor", "celery", "standalone"}
MODULES = (
    "airflow.providers.amazon.aws.triggers.sqs",
    "airflow.providers.standard.decorators.branch_python",
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
_loaded = False


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


def describe_s3() -> None:
    """Let the sessions of a process and of its forks share what botocore has read of S3; each would read it anew."""
    import boto3.session
    import botocore.session

    botocore.session.create_loader = cache(botocore.session.create_loader)
    boto3.session.Session().client("s3", region_name="us-east-1")


if FORKING & set(sys.argv):
    os.register_at_fork(before=_load)
