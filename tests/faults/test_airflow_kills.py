"""Every service of the stack dies once while files stream in, a running task as well: all arrives exactly once."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from itertools import count

import psutil
import psycopg
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from devstack.record import Condition
from tests.mill import Mill, grinding
from tests.seed import SEED

TASK = "a running task"
VICTIMS = ["scheduler", "triggerer", "api-server", "dag-processor", "postgres", "s3", TASK, TASK]
QUICK = {
    "WATERSHED_SWEEP_CRON": "* * * * * */10",
    "WATERSHED_LEASE_SECONDS": "6",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
}
PAUSE = 0.8


@pytest.fixture
def mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    """A stack whose leases and time-outs are short, so that a death is noticed soon."""
    with grinding(tmp_path_factory.mktemp("mill"), QUICK) as made:
        yield made


def produce(mill: Mill, over: threading.Event) -> None:
    """Deliver file after file; a put that the store does not answer is sent again, as producers do."""
    for number in count(1):
        while True:
            try:
                mill.deliver(number)
                break
            except (BotoCoreError, ClientError):
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


@pytest.mark.parametrize("seed", [SEED])
def test_whatever_dies_everything_arrives_exactly_once(mill: Mill, seed: int) -> None:
    chance, over = random.Random(seed), threading.Event()
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
    mill.account(again=True)
    with psycopg.connect(dbname="airflow") as connection:
        tries = connection.execute("SELECT max(try_number) FROM task_instance").fetchone()
    assert tries is not None
    assert tries[0] > 1, "no death reached a running task"
