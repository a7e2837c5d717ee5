"""What every test starts from: settings that reach nothing, and none cached from another test."""

import inspect
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as examples

from airflow_local_settings import describe_s3
from tests.seed import SEED

# No machine is too slow for a test. Where a change is to be judged the examples are the same each time, as Hypothesis has it.
examples.register_profile(
    "watershed", deadline=None, derandomize="CI" in os.environ, suppress_health_check=[HealthCheck.too_slow]
)
examples.load_profile("watershed")

# Each test's world has clients of its own.
describe_s3()

# Airflow writes to its home: each worker of pytest-xdist has one of its own, whatever it was started with.
TESTS = Path(__file__).parent
HOMES = TESTS.parent / "var" / "test"
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ["AIRFLOW_HOME"] = str(HOMES / worker)
os.environ.setdefault("AIRFLOW_HOME", str(HOMES / "airflow"))
os.environ.setdefault("WATERSHED_BUCKET", "watershed")
os.environ.setdefault("WATERSHED_LEDGER_URL", "postgresql+psycopg://nobody@127.0.0.1:1/nothing")
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")


def keep_the_environment_in_python() -> None:
    """Let variables that tests set be seen by Python and by the processes that it starts, and by no native thread.

    Threads of polars read the C library's environment all the time: one that grows meanwhile has them read memory that
    was given back.
    """
    started = subprocess.Popen.__init__

    def with_variables(process: subprocess.Popen[Any], *args: Any, **options: Any) -> None:
        call = inspect.signature(started).bind(process, *args, **options)
        if call.arguments.get("env") is None:
            call.arguments["env"] = dict(os.environ)
        started(*call.args, **call.kwargs)

    os.putenv = os.unsetenv = lambda *_: None
    subprocess.Popen.__init__ = with_variables  # type: ignore[method-assign]


keep_the_environment_in_python()


@pytest.fixture
def fresh_settings() -> Iterator[None]:
    """Read settings anew inside the test, and forget them after it."""
    from common.core import caches

    caches.forget()
    yield
    caches.forget()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """PostgreSQL, object store and message stand-ins of the embedded stack, without Airflow: one for each worker.

    TEST_STACK names the state folder of a stack that runs already and is to be used instead.
    """
    from devstack.stack import Stack
    from tests.stacks import small_stack

    if reused := os.environ.get("TEST_STACK"):
        yield Stack(Path(reused)).env
        return
    with small_stack(tmp_path_factory.mktemp("stack") / "state") as env:
        yield env


@pytest.fixture(scope="session")
def redshift(stack: Mapping[str, str]) -> Iterator[str]:
    """Address of a Redshift Data API over the stack's PostgreSQL."""
    from tests.standins import redshift

    with redshift(stack) as address:
        yield address


@pytest.fixture(scope="session")
def snowflake(stack: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """Port of a Snowflake, and the certificates to trust."""
    from tests.standins import snowflake

    with snowflake(stack, tmp_path_factory.mktemp("snowflake")) as place:
        yield place


@pytest.fixture
def elsewhere(
    stack: Mapping[str, str], redshift: str, snowflake: tuple[int, Path], monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """Give the environment of a world that loads a Redshift and a Snowflake of its own."""
    from tests.standins import redshift_of_its_own, snowflake_of_its_own

    for variable in [known for known in stack if known.startswith("AWS_")]:
        monkeypatch.setenv(variable, stack[variable])  # the Redshift stand-in runs in this process
    return redshift_of_its_own(stack, redshift) | snowflake_of_its_own(snowflake)


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup() -> None:
    """Let a crash end the process with its traceback, whatever DAG file a test before has read."""
    from common.dags.policy import end_on_crash

    if signal.getsignal(signal.SIGSEGV) not in (signal.SIG_DFL, None):
        end_on_crash({})


def pytest_report_header() -> str:
    """Say how to make the same random choices again."""
    return f"SEED={SEED}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give the workers what belongs together as one, in the order in which it was collected."""
    from tests.schedule import Together

    config.option.loadscopereorder = False
    return Together(config, log)
