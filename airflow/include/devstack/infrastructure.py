"""What cloud operators would make with Terraform: buckets, and the queues that landing rings; idempotent."""

from botocore.exceptions import ClientError

from common.contracts.catalogue import domains
from common.core.settings import Settings, settings
from common.zones.queues import apply_queues
from common.zones.store import client

EXISTS = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}


def apply_infrastructure(wanted: Settings) -> None:
    """Make every bucket, and one queue for each domain."""
    for bucket in sorted({wanted.bucket, *wanted.zone_buckets.values()}):
        _make_bucket(bucket)
    apply_queues(domains(wanted.domains_dir), wanted)


def _make_bucket(bucket: str) -> None:
    try:
        client().create_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in EXISTS:
            raise


if __name__ == "__main__":
    apply_infrastructure(settings())
