"""One queue a domain, rung by every object that lands in the domain's raw prefix; made where missing."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from common.core.assets import Zone
from common.core.settings import Settings
from common.zones.store import aws_client, translated
from common.zones.zone import place

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import QueueConfigurationTypeDef
    from mypy_boto3_sqs import SQSClient


def apply_queues(domains: Sequence[str], config: Settings) -> None:
    """Make the domains' queues and the notifications of the raw buckets that ring them; again without harm.

    Notifications of others stay. Raises ConfigError where the credentials do not allow it.
    """
    by_bucket: dict[str, list[str]] = {}
    for domain in domains:
        by_bucket.setdefault(place(Zone.RAW, config, f"{domain}/").bucket, []).append(domain)
    for bucket, those in by_bucket.items():
        _apply_to(bucket, those, config)


def _apply_to(bucket: str, domains: Sequence[str], config: Settings) -> None:
    sqs = aws_client("sqs")
    with translated(f"make the landing queues of {bucket}"):
        rings = [_ring(sqs, domain, config) for domain in domains]
        found = aws_client("s3").get_bucket_notification_configuration(Bucket=bucket)
        found.pop("ResponseMetadata", None)  # type: ignore[misc]
        ours = {ring["Id"] for ring in rings}
        others = [ring for ring in found.get("QueueConfigurations", []) if ring.get("Id") not in ours]
        if [*others, *rings] != found.get("QueueConfigurations"):
            # One call replaces the bucket's whole configuration, so it must hold everybody's.
            wanted = {**found, "QueueConfigurations": [*others, *rings]}
            aws_client("s3").put_bucket_notification_configuration(
                Bucket=bucket,
                NotificationConfiguration=wanted,  # type: ignore[arg-type]
            )


def _ring(sqs: "SQSClient", domain: str, config: Settings) -> "QueueConfigurationTypeDef":
    name, raw = config.queue_name(domain), place(Zone.RAW, config, f"{domain}/")
    url = _queue(sqs, name, raw.bucket)
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    return {
        "Id": name,
        "QueueArn": attributes["QueueArn"],
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": raw.name(f"{domain}/")}]}},
    }


def _queue(sqs: "SQSClient", name: str, bucket: str) -> str:
    try:
        return sqs.get_queue_url(QueueName=name)["QueueUrl"]
    except sqs.exceptions.QueueDoesNotExist:
        allowed = {
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": "*",
            "Condition": {"ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        return sqs.create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"]


def messages_waiting(url: str) -> int:
    """Count the messages that lie in a queue, about; raises StoreUnavailable where it does not answer."""
    with translated(f"look at the queue {url.rpartition('/')[2]}"):
        sqs = aws_client("sqs")
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])
