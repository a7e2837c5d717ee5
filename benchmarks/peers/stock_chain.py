"""A stock Airflow chain: three asset-scheduled DAGs that do nothing but copy objects one step further with boto3.

An asset watcher on a queue of object notifications wakes the first; each wakes the next by its asset. There is no
ledger, no check, no warehouse and no answer to a lost event: it is the least that Airflow itself costs.
"""

import os

from airflow.providers.amazon.aws.triggers.sqs import SqsSensorTrigger
from airflow.sdk import Asset, AssetWatcher, dag, task

BUCKET = os.environ["WATERSHED_BUCKET"]
STEPS = ("stock/landed", "stock/bronze", "stock/silver", "stock/gold")


def move(source: str, target: str) -> int:
    """Copy what lies below one prefix to another, and take it away there."""
    import boto3

    s3 = boto3.client("s3")
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{source}/").get("Contents", [])
    for entry in found:
        to = target + entry["Key"].removeprefix(source)
        s3.copy_object(Bucket=BUCKET, Key=to, CopySource={"Bucket": BUCKET, "Key": entry["Key"]})
        s3.delete_object(Bucket=BUCKET, Key=entry["Key"])
    return len(found)


def landing() -> Asset:
    """Give the asset that the queue rings."""
    trigger = SqsSensorTrigger(
        sqs_queue=f"{os.environ['WATERSHED_QUEUE_BASE_URL']}/stock",
        aws_conn_id="aws_default",
        max_messages=10,
        wait_time_seconds=5,
        waiter_delay=0,
    )
    return Asset(name=STEPS[0], uri=f"s3://{BUCKET}/{STEPS[0]}", watchers=[AssetWatcher(name="stock", trigger=trigger)])


ASSETS = [landing(), *(Asset(name=step, uri=f"s3://{BUCKET}/{step}") for step in STEPS[1:])]


def chain(number: int) -> None:
    """Make the DAG of one step."""

    @dag(dag_id=f"stock_{number}", schedule=[ASSETS[number - 1]], catchup=False, max_active_runs=1)
    def step() -> None:
        """Copy one step further."""
        task(task_id="move", outlets=[ASSETS[number]])(move)(STEPS[number - 1], STEPS[number])

    step()


for count in (1, 2, 3):
    chain(count)
