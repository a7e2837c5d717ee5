"""Stock Airflow consumers that believe their events: each unit of work is an event, and the run takes what woke it.

One is rung through the REST API, the other by an asset watcher on a queue of object notifications. Both only note in a
table which units they have seen. There is no ledger, and nothing looks for what no event told of.
"""

import json
import os
import time
from typing import Any

from airflow.providers.amazon.aws.triggers.sqs import SqsSensorTrigger
from airflow.sdk import Asset, AssetWatcher, dag, get_current_context, task

BUCKET = os.environ["WATERSHED_BUCKET"]
TRIGGER = SqsSensorTrigger(
    sqs_queue=f"{os.environ['WATERSHED_QUEUE_BASE_URL']}/stock",
    aws_conn_id="aws_default",
    max_messages=10,
    wait_time_seconds=5,
    waiter_delay=0,
)
UNITS = Asset("stock.units", uri=f"s3://{BUCKET}/stock/units")
FILES = Asset("stock.files", uri=f"s3://{BUCKET}/stock/files", watchers=[AssetWatcher(name="stock", trigger=TRIGGER)])


def note() -> None:
    """Note the units of the events that woke this run."""
    import psycopg

    time.sleep(1.5)  # about as long as a hop of Watershed works
    context = get_current_context()
    units = [unit for events in context["triggering_asset_events"].values() for e in events for unit in told(e.extra)]
    run = context["run_id"]
    with psycopg.connect(dbname="warehouse") as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO stock_seen VALUES (%s, %s)", [(unit, run) for unit in units])


def told(extra: dict[str, Any]) -> list[int]:
    """Read which units an event tells of: its own number, or the files of its messages."""
    if "unit" in extra:
        return [int(extra["unit"])]
    messages = extra.get("payload", {}).get("message_batch", [])
    records = [record for message in messages for record in json.loads(message["Body"]).get("Records", [])]
    return [int(record["s3"]["object"]["key"].rpartition("/")[2].partition(".")[0]) for record in records]


def consumer(name: str, asset: Asset) -> None:
    """Make the DAG of one consumer, with the retries that Watershed's tasks have."""

    @dag(dag_id=name, schedule=[asset], catchup=False, max_active_runs=1, default_args={"retries": 4, "retry_delay": 3})
    def build() -> None:
        task(note)()

    build()


consumer("stock_units", UNITS)
consumer("stock_files", FILES)
