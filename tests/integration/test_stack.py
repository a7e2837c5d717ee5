"""A small stack that really runs: what happens when parts of it, or all of it, are killed."""

import json
import os
import signal
import smtplib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import psutil
import psycopg
import pytest
from slack_sdk import WebClient

from devstack.folder import INCLUDE, StateFolder, state_folder, write_json
from devstack.ports import PREFERRED
from devstack.processes import family, relatives
from devstack.progress import welcome
from devstack.record import read_record
from devstack.stack import Stack, StackFailed, running
from devstack.status import look
from tests.stacks import server

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

SMALL = ("postgres", "s3", "standins")
DEV = [sys.executable, "-c", "from devstack.cli import app; app()"]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "stack"
    # As if it had run before, on ports that no stack beside it prefers: they are free again after each stop.
    write_json(state_folder(path).plan, {"ports": {name: port + 12_000 for name, port in PREFERRED.items()}})
    return path


@pytest.fixture(scope="module")
def domains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("domains")
    for domain in ("pets", "plants"):
        (folder / domain / "contracts").mkdir(parents=True)
    (folder / "not_a_domain").mkdir()
    return folder


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lasting") / "stack"


@pytest.fixture(scope="module")
def env(lasting: Path, domains: Path) -> Iterator[dict[str, str]]:
    """The environment of one stack for all tests that leave it running."""
    with running(lasting, SMALL, {"WATERSHED_DOMAINS_DIR": str(domains)}) as env:
        yield env


def s3(env: dict[str, str]) -> "S3Client":
    return boto3.client("s3", **_aws(env))


def sqs(env: dict[str, str]) -> "SQSClient":
    return boto3.client("sqs", **_aws(env))


def _aws(env: dict[str, str]) -> dict[str, Any]:
    return {
        "endpoint_url": env["AWS_ENDPOINT_URL"],
        "region_name": env["AWS_REGION"],
        "aws_access_key_id": env["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": env["AWS_SECRET_ACCESS_KEY"],
    }


def database(env: dict[str, str], name: str = "warehouse") -> "psycopg.Connection[Any]":
    return psycopg.connect(f"{server(env)}/{name}")


def until(true: Callable[[], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def kill(folder: StateFolder, service: str) -> None:
    """Kill a service and wait until the stack is whole again."""
    old = pid_of(folder, service)
    os.kill(old, signal.SIGKILL)
    until(lambda: pid_of(folder, service) not in (0, old) and look(folder).healthy)


def pid_of(folder: StateFolder, service: str) -> int:
    return next(unit.pid for unit in look(folder).services if unit.name == service)


def everything(folder: StateFolder) -> list[psutil.Process]:
    """Find all processes of the stack: those it marked, those it recorded, and their descendants."""
    record = read_record(folder)
    assert record
    roots = [unit.identity.process() for unit in record.units]
    found = [record.supervisor.process(), *roots, *relatives(family(folder.path))]
    known = [process for process in found if process]
    return known + [child for process in known for child in process.children(recursive=True)]


def gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


def test_every_database_takes_the_generated_password_only(env: dict[str, str]) -> None:
    for name in ("airflow", "watershed", "warehouse"):
        with database(env, name) as connection:
            assert connection.execute("SELECT current_database()").fetchone() == (name,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        database({**env, "PGPASSWORD": "guessed"})


def test_the_warehouse_has_the_login_that_the_readme_says(env: dict[str, str], lasting: Path) -> None:
    """It is the owner of all that is in there, also of what a version that knew no such user has made."""
    with database(env) as connection:
        connection.execute("CREATE SCHEMA shop; CREATE TABLE shop.old (n serial, t text); CREATE VIEW old AS SELECT 1")
    command = [sys.executable, "-m", "devstack.databases"]
    for _ in range(2):
        subprocess.run(command, env={**os.environ, **env}, check=True)
    with psycopg.connect(f"postgresql://warehouse:letmein@{env['PGHOST']}:{env['PGPORT']}/warehouse") as connection:
        connection.execute("INSERT INTO shop.old (t) VALUES ('x'); ALTER TABLE shop.old ADD COLUMN more int")
        connection.execute("DROP VIEW old; DROP SCHEMA shop CASCADE; CREATE SCHEMA new")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"postgresql://warehouse:guessed@{env['PGHOST']}:{env['PGPORT']}/warehouse")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGSTOP])
def test_a_server_that_shuts_down_or_takes_no_connection_is_not_ready(tmp_path: Path, how: signal.Signals) -> None:
    with running(tmp_path / "stack", ["postgres"]) as env:
        folder = state_folder(tmp_path / "stack")
        server = pid_of(folder, "postgres")
        with database(env):  # a shutdown by SIGTERM waits for it
            os.kill(server, how)
            try:
                until(lambda: not look(folder).healthy, 20)
            finally:
                os.kill(server, signal.SIGCONT)


def test_an_object_rings_the_queue_of_its_domain(env: dict[str, str]) -> None:
    s3(env).put_object(Bucket="watershed", Key="raw/pets/cats/a.csv", Body=b"x")
    url = f"{env['WATERSHED_QUEUE_BASE_URL']}/watershed-pets-raw"
    bodies: list[str] = []

    def rang() -> bool:
        answer = sqs(env).receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        bodies.extend(message["Body"] for message in answer.get("Messages", []))
        return any("raw/pets/cats/a.csv" in body for body in bodies)

    until(rang)
    names = [queue.rsplit("/", 1)[1] for queue in sqs(env).list_queues()["QueueUrls"]]
    assert sorted(names) == ["watershed-pets-raw", "watershed-plants-raw"]


def test_slack_speaks_to_its_own_client(env: dict[str, str]) -> None:
    connection = json.loads(env["AIRFLOW_CONN_SLACK_DEFAULT"])
    client = WebClient(token=connection["password"], base_url=connection["extra"]["base_url"])
    assert client.auth_test()["team"] == "Watershed"
    client.chat_postMessage(channel="#data-alerts", text="it *failed*")
    assert client.files_upload_v2(channel="C012345678", content="why", filename="log.txt")["ok"]


def test_each_message_service_takes_what_its_connection_says(env: dict[str, str]) -> None:
    smtp, teams, telegram, pagerduty = (
        json.loads(env[f"AIRFLOW_CONN_{name}_DEFAULT"]) for name in ("SMTP", "MSTEAMS", "TELEGRAM", "PAGERDUTY")
    )
    content = {"type": "AdaptiveCard", "body": []}
    card = {"contentType": "application/vnd.microsoft.card.adaptive", "content": content}
    text = {"chat_id": "1", "text": "it <b>failed</b>", "parse_mode": "HTML"}
    payload = {"summary": "it failed", "source": "a test", "severity": "error"}
    event = {"routing_key": pagerduty["password"], "event_action": "trigger", "payload": payload}
    with httpx.Client(trust_env=False) as http:
        assert http.post(teams["password"], json={"type": "message", "attachments": [card]}).status_code == 202
        assert http.post(f"{telegram['host']}/bot{telegram['password']}/sendMessage", json=text).status_code == 200
        assert http.post(f"{pagerduty['host']}/v2/enqueue", json=event).status_code == 202
        with smtplib.SMTP(smtp["host"], smtp["port"]) as session:
            session.login(smtp["login"], smtp["password"])
            session.sendmail(smtp["extra"]["from_email"], ["ops@localhost"], "Subject: it failed\r\n\r\nwhy")
        found = http.get(f"{env['STANDINS_URL']}/messages").json()
    assert {"mail", "teams", "telegram", "pagerduty"} <= {message["service"] for message in found}


def test_killed_services_come_back_with_their_data(env: dict[str, str], lasting: Path) -> None:
    folder = state_folder(lasting)
    with database(env) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    s3(env).put_object(Bucket="watershed", Key="kept", Body=b"x")
    for service in (*SMALL, "guardian"):
        kill(folder, service)
    with database(env) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)
    assert s3(env).get_object(Bucket="watershed", Key="kept")["Body"].read() == b"x"
    # What the object store forgets when it is killed has been made again.
    notifications = s3(env).get_bucket_notification_configuration(Bucket="watershed")
    assert len(notifications["QueueConfigurations"]) == 2
    assert len(sqs(env).list_queues()["QueueUrls"]) == 2


def test_data_outlives_the_stack_and_no_process_does(state: Path, domains: Path) -> None:
    folder = state_folder(state)
    overrides = {"WATERSHED_DOMAINS_DIR": str(domains)}
    with running(state, SMALL, overrides) as env:
        s3(env).put_object(Bucket="watershed", Key="stays", Body=b"x")
        first, processes = env, everything(folder)
    assert len(processes) > len(SMALL)
    assert gone(processes)
    assert not folder.stack.exists()
    assert not look(folder).running
    with running(state, SMALL, overrides) as env:
        assert env == first
        assert s3(env).get_object(Bucket="watershed", Key="stays")["Body"].read() == b"x"


@pytest.mark.parametrize("also_guardian", [False, True])
def test_nothing_outlives_a_killed_supervisor(state: Path, domains: Path, *, also_guardian: bool) -> None:
    folder = state_folder(state)
    stack = Stack(state, SMALL, {"WATERSHED_DOMAINS_DIR": str(domains)})
    assert stack.start()
    processes = everything(folder)
    record = read_record(folder)
    assert record
    if also_guardian:
        os.kill(pid_of(folder, "guardian"), signal.SIGKILL)
    os.kill(record.pid, signal.SIGKILL)
    until(lambda: gone(processes))
    # The leftovers on disk are in nobody's way.
    assert stack.start()
    assert stack.stop()


def test_an_owned_stack_ends_with_its_owner(tmp_path: Path, domains: Path) -> None:
    folder = state_folder(tmp_path / "stack")
    owner = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time\nfrom pathlib import Path\nfrom devstack.stack import running\n"
            "with running(Path(sys.argv[1]), ['standins']): print('up', flush=True); time.sleep(60)",
            str(folder.path),
        ],
        env={**os.environ, "PYTHONPATH": str(INCLUDE)},
        stdout=subprocess.PIPE,
    )
    with owner:
        assert owner.stdout
        assert owner.stdout.readline() == b"up\n"
        processes = everything(folder)
        owner.kill()
    until(lambda: gone(processes))


def test_two_stacks_that_start_at_once_share_nothing(tmp_path: Path, domains: Path) -> None:
    stacks = [Stack(tmp_path / name / "stack", SMALL, {"WATERSHED_DOMAINS_DIR": str(domains)}) for name in "ab"]
    try:
        with ThreadPoolExecutor(len(stacks)) as pool:
            assert list(pool.map(Stack.start, stacks)) == [True, True]
        assert all(look(stack.folder).healthy for stack in stacks)
        ports = [port for stack in stacks for port in stack.plan.ports.values()]
        assert len(set(ports)) == len(ports)
        for number, stack in enumerate(stacks):
            s3(stack.env).put_object(Bucket="watershed", Key=f"of {number}", Body=b"x")
            with database(stack.env) as connection:
                connection.execute(f"CREATE TABLE of_{number} (n int)".encode())
        for number, stack in enumerate(stacks):
            keys = [entry["Key"] for entry in s3(stack.env).list_objects_v2(Bucket="watershed")["Contents"]]
            assert keys == [f"of {number}"]
    finally:
        for stack in stacks:
            stack.stop()


def test_a_warehouse_and_a_slack_that_do_not_answer_let_the_stack_come_up(tmp_path: Path) -> None:
    dead = {"AIRFLOW_CONN_WAREHOUSE": "postgres://u:p@127.0.0.1:1/x", "AIRFLOW_CONN_SLACK_DEFAULT": "slack://:t@"}
    stack = Stack(tmp_path / "stack", ["apply", "standins"], dead)
    try:
        assert stack.start()
        assert look(stack.folder).healthy
        assert "Not all applied" in welcome(stack)
        assert "connection 'warehouse'" in stack.folder.log("apply").read_text()
    finally:
        stack.stop()


def test_a_step_that_fails_ends_the_start_and_says_why(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "stack", ["s3"], {"WATERSHED_BUCKET": "x"})
    with pytest.raises(StackFailed, match=r"(?s)infrastructure ended with exit code 1.*WATERSHED_BUCKET"):
        stack.start()
    assert gone(everything(stack.folder))
    assert not stack.stop()


def test_the_command_line_starts_shows_and_stops(tmp_path: Path) -> None:
    """Everything but `up`, which starts Airflow too and is what the end-to-end tests do."""
    state = tmp_path / "stack"

    def dev(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [*DEV, *arguments, "--state", str(state)]
        env = {**os.environ, "PYTHONPATH": str(INCLUDE)}
        return subprocess.run(command, capture_output=True, text=True, env=env, check=False)

    assert dev("status").returncode == 1
    refused = dev("env")
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert "is down" in refused.stderr
    Stack(state, ["standins"]).start()
    assert dev("status").returncode == 0
    assert json.loads(dev("status", "--json").stdout)["healthy"]
    assert "already running" in dev("up").stdout
    assert "export AWS_ENDPOINT_URL=" in dev("env").stdout
    assert dev("logs", "standins").returncode == 0
    assert "Known: guardian" in dev("logs", "nothing").stderr
    assert "is down" in dev("down").stdout
    assert "was not running" in dev("down").stdout
