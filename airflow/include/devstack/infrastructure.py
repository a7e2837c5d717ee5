"""What cloud operators would make with Terraform: buckets, the queues that landing rings; secrets; idempotent."""

from collections.abc import Mapping

from botocore.exceptions import ClientError

from common.contracts.catalogue import domains
from common.core.settings import Settings, settings
from common.zones.queues import apply_queues
from common.zones.store import aws_client, client

EXISTS = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}
# Where Airflow's Secrets Manager backend looks for what these prefixes of the environment hold.
SECRETS = {"AIRFLOW_CONN_": "airflow/connections/", "AIRFLOW_VAR_": "airflow/variables/"}


def apply_infrastructure(wanted: Settings) -> None:
    """Make every bucket, and one queue for each domain."""
    for bucket in sorted({wanted.bucket, *(at.partition("/")[0] for at in wanted.zone_buckets.values())}):
        _make_bucket(bucket)
    apply_queues(domains(), wanted)


def _make_bucket(bucket: str) -> None:
    try:
        client().create_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in EXISTS:
            raise


def apply_secrets(env: Mapping[str, str]) -> None:
    """Make a secret of each connection and variable in the environment, for Airflow's Secrets Manager backend."""
    secrets = aws_client("secretsmanager")
    for prefix, path in SECRETS.items():
        for name in [name for name in env if name.startswith(prefix)]:
            secret = path + name.removeprefix(prefix).lower()
            try:
                secrets.create_secret(Name=secret, SecretString=env[name])
            except secrets.exceptions.ResourceExistsException:
                secrets.put_secret_value(SecretId=secret, SecretString=env[name])


if __name__ == "__main__":
    apply_infrastructure(settings())
