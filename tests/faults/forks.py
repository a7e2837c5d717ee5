"""A parent that has imported every engine but run none, and forks a child for each job, so that a kill costs little.

Polars, delta-rs and DuckDB start their threads at first use, which here is always after the fork.
Speaks lines of JSON: a job comes in; its child's pid, and later its end, go out.
"""

import gc
import json
import os
import select
import signal
import sys
import time
import traceback
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

LOOK = 0.005
PR_SET_PDEATHSIG = 1
TELLING = 60.0  # seconds
answers = sys.stdout
HELD = ExitStack()


def preload() -> None:
    """Import what a hop needs, and read what does not change: contracts, models, the SDK's descriptions of S3."""
    import airflow.providers.postgres.hooks.postgres
    import airflow.providers.slack.hooks.slack
    import airflow.providers.snowflake.hooks.snowflake
    import airflow.sdk  # noqa: F401
    import phonenumbers  # noqa: F401
    import sqlglot  # noqa: F401

    import common.notify.outbox
    import common.pipelines.work  # noqa: F401
    from airflow_local_settings import describe_s3
    from common.zones.store import client

    describe_s3()
    with suppress(Exception):  # without a stack's environment it is made in the child
        client()


def main() -> None:
    """Serve until the pipe closes, then end every child that is left."""
    global answers
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # logs go elsewhere
    preload()
    gc.freeze()  # a child that looks through all that is here would copy it
    inside = dict(os.environ)
    running: set[int] = set()
    say({"ready": True})
    while True:
        running -= {pid for pid in list(running) if reaped(pid)}
        if select.select([sys.stdin], [], [], LOOK if running else None)[0]:
            line = sys.stdin.readline()
            if not line:
                break
            job = json.loads(line)
            pid = os.fork()
            if pid == 0:
                child(job, inside)
            running.add(pid)
            say({"began": pid})
    for pid in running:
        os.kill(pid, signal.SIGKILL)


def reaped(pid: int) -> bool:
    """Tell of a child's end, once."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    if ended:
        say({"ended": pid, "status": os.waitstatus_to_exitcode(status)})
    return bool(ended)


def say(message: dict[str, Any]) -> None:
    """Write one line."""
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def child(job: dict[str, Any], inside: dict[str, str]) -> None:
    """Do one job with the environment it names and leave its result in a file; never returns."""
    code = 1
    try:
        die_with_parent()
        log = os.open(Path(job["result"]).with_suffix(".log"), os.O_WRONLY | os.O_CREAT)
        for number, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, log), (2, log)):
            os.dup2(source, number)
        enter(job["env"], inside)
        listen()
        made_up_kind()
        if shift := job.get("clock"):
            shift_clock(shift)
        Path(job["result"]).write_text(json.dumps(do(job)))
        code = 0
    except BaseException as error:  # noqa: BLE001 - whatever it is, the test must be told
        traceback.print_exc()
        Path(job["result"]).write_text(json.dumps({"error": type(error).__name__, "message": str(error)}))
    finally:
        with suppress(Exception):
            sys.stdout.flush()
        os._exit(code)


def die_with_parent() -> None:
    """Leave no frozen child behind when the parent is killed."""
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def enter(env: dict[str, str], inside: dict[str, str]) -> None:
    """Take on a world's environment; what was made for another store is forgotten."""
    os.environ.clear()
    os.environ.update(env)
    import tempfile

    tempfile.tempdir = None
    from common.core.caches import forget

    if {k: v for k, v in env.items() if k.startswith("AWS_")} != {
        k: v for k, v in inside.items() if k.startswith("AWS_")
    }:
        forget()


def listen() -> None:
    """Let the plan of faults in the environment act in this process, for as long as it lives."""
    from common.observe.verbs import listening
    from tests.faults.plan import act

    HELD.enter_context(listening(act))


def made_up_kind() -> None:
    """Register the kind of hop that only tests have, where the test wants it."""
    from tests.made_up_kind import SWITCH, registered

    if SWITCH in os.environ:
        HELD.enter_context(registered())


def shift_clock(seconds: float) -> None:
    """Let this process believe that it is another time."""
    real = time.time
    time.time = lambda: real() + seconds


def do(job: dict[str, Any]) -> Any:
    """Do a hop, a look, or every hop that is due, or tell people."""
    from common.notify.outbox import tell
    from common.pipelines.kinds import consumer_named
    from common.pipelines.look import look
    from common.pipelines.work import rung, work

    if job["do"] == "look":
        return {"waiting": look(job["domain"])}
    if job["do"] == "flow":
        return flow(job["domain"], job["owner"])
    if job["do"] == "together":
        return together(job["domain"], job["stage"], job["owner"])
    if job["do"] == "tell":
        return {"told": tell(TELLING)}
    if job["do"] == "gather":
        return gathered(job["domain"])
    done, ring = work(consumer_named(job["consumer"]), job["owner"], "fault-run")
    if ring:
        rung(ring.consumer, list(ring.hops))
    return {"hops": done.hops, "leased_by": done.leased_by, "rung": list(ring.hops) if ring else []}


def together(domain: str, stage: str, owner: str) -> Any:
    """Do the small hops of a stage as its task does."""
    from common.pipelines.together import work_together

    done = work_together(domain, stage, owner, "fault-run")
    return {"done": done.done, "rings": {ring.consumer: ring.hops for ring in done.rings}, "apart": done.apart}


def flow(domain: str, owner: str) -> Any:
    """Do every hop that is due, in order, as a run beside others would: what may be retried is left to them."""
    from common.core.errors import TransientError
    from common.pipelines.kinds import stages
    from common.pipelines.work import due_of, rung, work

    published, given_way = 0, []
    for stage in stages():
        for consumer in due_of(domain, stage):
            try:
                done, ring = work(consumer, owner, "fault-run")
            except TransientError as error:
                given_way.append(f"{consumer.name}: {type(error).__name__}")
                continue
            published += len(done.hops)
            if ring:
                rung(ring.consumer, list(ring.hops))
    return {"published": published, "given_way": given_way}


def gathered(domain: str) -> Any:
    """Read what a world has ended with, and which promises are broken."""
    from tests.faults.evidence import broken_promises, gather
    from tests.world import World

    world = World(dict(os.environ), domain, Path())
    found = gather(world)
    return {"tables": found.tables, "refusals": found.refusals, "sums": found.sums, "broken": broken_promises(world)}


if __name__ == "__main__":
    main()
