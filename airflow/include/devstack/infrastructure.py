"""Buckets, queues and notifications that cloud operators would make with Terraform; idempotent."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError

from common.core.settings import Settings, settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import QueueConfigurationTypeDef
    from mypy_boto3_sqs import SQSClient

EXISTS = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}


def domains(folder: Path) -> list[str]:
    """List the domains: the folders that hold contracts."""
    return sorted(path.parent.name for path in folder.glob("*/contracts") if path.is_dir())


def apply_infrastructure(s3: "S3Client", sqs: "SQSClient", wanted: Settings) -> None:
    """Make every bucket, one queue for each domain, and have its raw prefix ring that queue."""
    raw_bucket = wanted.zone_buckets.get("raw", wanted.bucket)
    for bucket in sorted({wanted.bucket, *wanted.zone_buckets.values()}):
        _make_bucket(s3, bucket)
    rings = [_ring(sqs, domain, wanted) for domain in domains(wanted.domains_dir)]
    _notify(s3, raw_bucket, rings)


def _make_bucket(s3: "S3Client", bucket: str) -> None:
    try:
        s3.create_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in EXISTS:
            raise


def _ring(sqs: "SQSClient", domain: str, wanted: Settings) -> "QueueConfigurationTypeDef":
    name = wanted.queue_name(domain)
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    return {
        "Id": name,
        "QueueArn": attributes["QueueArn"],
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": f"raw/{domain}/"}]}},
    }


def _notify(s3: "S3Client", bucket: str, rings: Iterable["QueueConfigurationTypeDef"]) -> None:
    # One call replaces the bucket's whole configuration, so it must hold every domain's.
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": list(rings)}
    )


if __name__ == "__main__":
    apply_infrastructure(boto3.client("s3"), boto3.client("sqs"), settings())
