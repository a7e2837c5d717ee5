"""Bells rung too often, too late, twice, wrongly or not at all, and services that die: each batch is taken once."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import psutil
import psycopg
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from common.core.settings import settings
from common.zones.queues import apply_queues
from common.zones.store import aws_client, client
from devstack.record import Condition
from tests.mill import Mill, grinding, told
from tests.seed import SEED
from tests.stacks import server

BELL, CONSUMER = "mill.sacks.bronze", "mill_sacks_to_silver"
TASK = "a running task"
VICTIMS = ["scheduler", "triggerer", "api-server", "dag-processor", "postgres", "s3", TASK, TASK]
# Sweeps so often that a test can wait for one; leases and time-outs so short that a death is noticed soon.
QUICK = {
    "WATERSHED_SWEEP_CRON": "* * * * * */15",
    "WATERSHED_LEASE_SECONDS": "6",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
}
PAUSE = 0.8
numbers = count(1)


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    """A stack with bells and sweeps."""
    with grinding(tmp_path_factory.mktemp("mill"), QUICK) as made:
        yield made


@pytest.fixture(autouse=True)
def accounted(mill: Mill) -> Iterator[None]:
    """After each test wait for what it delivered, and account for everything."""
    yield
    mill.settle()
    mill.account()


def deliver(mill: Mill, files: int, pause: float = 0.0) -> None:
    for number in [next(numbers) for _ in range(files)]:
        mill.deliver(number)
        time.sleep(pause)


def test_a_storm_of_events_while_files_land(mill: Mill) -> None:
    bell = mill.asset(BELL)
    with ThreadPoolExecutor(9) as pool:
        landing = pool.submit(deliver, mill, 20, 0.3)
        ringing = [pool.submit(mill.ring, bell, extra=told(number)) for number in range(200)]
        for done in [landing, *ringing]:
            done.result()


def test_events_doubled_out_of_order_and_for_batches_that_nobody_knows(mill: Mill) -> None:
    bell, deliveries = mill.asset(BELL), list(range(8)) * 2
    random.Random(SEED).shuffle(deliveries)
    for number in deliveries:
        mill.ring(bell, extra=told(number))
        if number % 2:
            deliver(mill, 1)
    mill.ring(bell, partition_key="2024-01-01", extra=told(99))


def test_events_during_the_one_run_that_may_be_active(mill: Mill) -> None:
    bell = mill.asset(BELL)
    mill.ring(bell)
    for _ in range(6):
        deliver(mill, 1)
        mill.until(lambda: mill.ask("GET", f"/dags/{CONSUMER}/dagRuns?state=running")["total_entries"], "a run")
        mill.ring(bell)


def test_events_while_the_consumer_is_paused(mill: Mill) -> None:
    bell, before = mill.asset(BELL), mill.taken("mill.sacks.silver")
    mill.pause(CONSUMER, True)
    # A run whose task waits for a slot stays as it is while its DAG is paused: only tasks that have begun go on.
    begun = f"/dags/{CONSUMER}/dagRuns/~/taskInstances?state=queued&state=running"
    mill.until(lambda: not mill.ask("GET", begun)["total_entries"], "the last task to end")
    deliver(mill, 5)
    mill.until(lambda: mill.taken("mill.sacks.bronze") == len(mill.delivered), "bronze")
    for number in range(5):
        mill.ring(bell, extra=told(number))
    assert mill.taken("mill.sacks.silver") == before
    mill.pause(CONSUMER, False)


def test_object_notifications_switched_off(mill: Mill) -> None:
    client().put_bucket_notification_configuration(Bucket=settings().bucket, NotificationConfiguration={})
    deliver(mill, 4)
    mill.settle()
    apply_queues(["mill"], settings())
    deliver(mill, 1)


def test_messages_of_the_queue_lost(mill: Mill) -> None:
    triggerer = mill.processes("triggerer")
    for process in triggerer:
        process.suspend()
    try:
        time.sleep(6)  # longer than the watcher's request for messages may still be open
        deliver(mill, 4)
        aws_client("sqs").purge_queue(QueueUrl=settings().queue_url("mill"))
    finally:
        for process in triggerer:
            process.resume()


def produce(mill: Mill, over: threading.Event) -> None:
    """Deliver file after file; a put that the store does not answer is sent again, as producers do."""
    for number in numbers:
        while True:
            try:
                mill.deliver(number)
                break
            except (BotoCoreError, ClientError):
                mill.sent_again = True
                time.sleep(PAUSE)
        if over.wait(PAUSE):
            return


def kill(mill: Mill, victim: str) -> None:
    """Kill without warning; the store, which would forget its queues, is asked to end."""
    if victim == TASK:
        mill.until(lambda: _kill_a_task(mill), TASK)
        return
    before = mill.unit(victim).restarts
    os.kill(mill.unit(victim).pid, signal.SIGTERM if victim == "s3" else signal.SIGKILL)
    mill.until(lambda: mill.unit(victim).restarts > before, f"{victim} to be started again")


def _kill_a_task(mill: Mill) -> bool:
    """Kill what an executor's worker has forked for its task, if any does anything now."""
    try:
        for worker in psutil.Process(mill.unit("scheduler").pid).children():
            for task in worker.children():
                task.send_signal(signal.SIGKILL)
                return True
    except psutil.Error:  # whatever it was has ended between two looks
        return False
    return False


def all_are_well(mill: Mill) -> bool:
    record = mill.stack.record
    assert record is not None, "the supervisor died"
    return all(unit.condition is Condition.READY for unit in record.units)


def tries(mill: Mill) -> int:
    """Count how often tasks were tried after their first try."""
    with psycopg.connect(f"{server(mill.env)}/airflow") as connection:
        found = connection.execute("SELECT sum(greatest(try_number - 1, 0)) FROM task_instance").fetchone()
    assert found is not None
    return int(found[0])


@pytest.mark.parametrize("seed", [SEED])
def test_whatever_dies_everything_arrives_exactly_once(mill: Mill, seed: int) -> None:
    chance, over, before = random.Random(seed), threading.Event(), tries(mill)
    order = chance.sample(VICTIMS, len(VICTIMS))
    producer = threading.Thread(target=produce, args=(mill, over))
    producer.start()
    try:
        for victim in order:
            mill.until(lambda: all_are_well(mill), "all services")
            time.sleep(chance.uniform(0.5, 3))
            kill(mill, victim)
        mill.until(lambda: all_are_well(mill), "all services")
    finally:
        over.set()
        producer.join()
    mill.settle()
    mill.until(lambda: tries(mill) > before, "a task that a death has reached to be tried again")
