"""Apache Spark on this machine: a Spark Connect server that refines files, alone or with a standalone cluster.

Its packages have a place of their own beside the environment's packages, and it runs on this machine's Java.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import httpx

from common.core.errors import ConfigError, WatershedError
from devstack.folder import INCLUDE, REPOSITORY
from devstack.ports import HOST, free_port
from devstack.processes import Launch, end_family, family, start

PORT = 15002
OLDEST, NEWEST = 17, 21  # the Java that Spark 4 is tested with
CONNECT = ("org.apache.spark.deploy.SparkSubmit", "--class", "org.apache.spark.sql.connect.service.SparkConnectServer")
MASTER, WORKER = "org.apache.spark.deploy.master.Master", "org.apache.spark.deploy.worker.Worker"
# Masters and workers do no work themselves, and need no second way in.
FRUGAL = {"SPARK_DAEMON_MEMORY": "256m", "SPARK_MASTER_OPTS": "-Dspark.master.rest.enabled=false"}
STARTED = "Spark Connect server started"
LONGEST, LOOK = 120.0, 0.1  # seconds for a start, on a machine that has much else to do; between two looks at it


class SparkFailed(WatershedError):
    """A process of Spark did not start, or ended by itself."""


def home() -> Path:
    """Return where Spark is installed; raises ConfigError."""
    found = Path(sys.prefix) / "spark-jvm" / "pyspark"
    if not found.is_dir():
        raise ConfigError(f"Apache Spark is not installed: {found} is missing. In a checkout run `make spark-jvm`.")
    return found


def java() -> Path:
    """Return the Java that Spark is to run on, that of JAVA_HOME or on PATH; raises ConfigError."""
    named = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(named) / "bin") if named else None)
    where = f"in JAVA_HOME ({named})" if named else "on PATH"
    advice = (
        f"Spark 4 runs on Java {OLDEST} or {NEWEST}: in a checkout `make spark-jvm` installs one "
        "(Debian: openjdk-17-jre-headless)."
    )
    if found is None:
        raise ConfigError(f"There is no `java` {where}. {advice}")
    answer = subprocess.run([found, "-version"], capture_output=True, text=True).stderr
    version = answer.partition('version "')[2].partition(".")[0].partition('"')[0]
    if not version.isdigit() or not OLDEST <= int(version) <= NEWEST:
        raise ConfigError(f"{found} is Java {version or answer.strip()}. {advice}")
    return Path(found)


def environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return what Spark's processes run with: executors are Python processes that import Watershed."""
    return {
        **env,
        "SPARK_HOME": str(home()),
        "JAVA_HOME": str(java().resolve().parents[1]),
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(INCLUDE), env.get("PYTHONPATH")))),
        "SPARK_LOCAL_IP": HOST,
    }


def server(master: str, port: int) -> list[str]:
    """Return how a Spark Connect server is started, which is the driver of all its jobs on that master."""
    settings = {
        "spark.connect.grpc.binding.address": HOST,
        "spark.connect.grpc.binding.port": str(port),
        "spark.driver.bindAddress": HOST,
        "spark.driver.host": HOST,
        "spark.driver.memory": "1g",
        "spark.executor.memory": "512m",
        "spark.ui.enabled": "false",
    }
    options = [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
    return _command(*CONNECT, "--master", master, *options, "spark-internal")


def _command(*program: str) -> list[str]:
    return [str(home() / "bin" / "spark-class"), *program]


class Spark:
    """A server and, where it has workers, a standalone cluster: a master, and workers of one core each.

    Each process has its log in the folder, and ends with this one. Start them from the main thread only.
    """

    def __init__(self, folder: Path, env: Mapping[str, str], port: int, *, workers: int, master: str = "") -> None:
        self.folder, self.port, self.workers = folder, port, workers
        self.url = f"sc://{HOST}:{port}"
        self._env, self._processes = environment(env), dict[str, subprocess.Popen[bytes]]()
        self._at, self._page = free_port(), free_port()
        self.master = master or f"spark://{HOST}:{self._at}"

    def __enter__(self) -> Self:
        try:
            if self.workers:
                self._start(
                    "master", _command(MASTER, "--host", HOST, "--port", str(self._at), "--webui-port", str(self._page))
                )
                self._wait("master", lambda: self.alive() == 0)
                for number in range(self.workers):
                    self.start_worker(number)
            self.start_server()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        end_family(family(self.folder))
        for process in self._processes.values():
            process.wait()

    def start_server(self) -> None:
        """Start the server and wait until it answers; raises SparkFailed."""
        self._start("server", server(self.master, self.port))
        self._wait("server", lambda: STARTED in self.log("server").read_text(errors="replace"))

    def start_worker(self, number: int) -> None:
        """Start a worker and wait until the master knows of it; raises SparkFailed."""
        folder, name = self.folder / f"work-{number}", f"worker-{number}"
        size = ("--cores", "1", "--memory", "1g", "--webui-port", "0", "--work-dir", str(folder))
        self._start(name, _command(WORKER, "--host", HOST, *size, self.master))
        self._wait(name, self._all_known)

    def kill(self, name: str) -> None:
        """Kill a process and all that it has started, and wait until the master has noticed."""
        end_family(family(self.folder, name))
        self._processes.pop(name).wait()
        if name.startswith("worker"):
            self._wait("master", self._all_known)

    def alive(self) -> int | None:
        """Return how many workers the master knows that are alive; None while it does not answer."""
        try:
            answer = httpx.get(f"http://{HOST}:{self._page}/json/", trust_env=False)
        except httpx.TransportError:
            return None
        return int(answer.raise_for_status().json()["aliveworkers"])

    def log(self, name: str) -> Path:
        """Return where a process writes."""
        return self.folder / f"{name}.log"

    def wait(self) -> None:
        """Wait for the end of the server, which is none of ours; raises SparkFailed."""
        self._processes["server"].wait()
        raise SparkFailed(f"The server ended by itself. {self.log('server')} says why.")

    def _all_known(self) -> bool:
        return self.alive() == sum(name.startswith("worker") for name in self._processes)

    def _start(self, name: str, command: list[str]) -> None:
        self.log(name).unlink(missing_ok=True)
        env = self._env if name == "server" else self._env | FRUGAL
        self._processes[name] = start(Launch(family(self.folder, name), command, env, self.log(name), self.folder))

    def _wait(self, name: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LONGEST
        while not ready():
            if self._processes[name].poll() is not None or time.monotonic() > deadline:
                raise SparkFailed(f"{name} of Spark did not start. {self.log(name)} says why.")
            time.sleep(LOOK)


def main() -> None:
    """Be a Spark Connect server until told to end."""
    parser = argparse.ArgumentParser(prog="python -m devstack.spark", description=__doc__)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--master", default="local[*]", help="local[N], or spark://HOST:PORT (default: %(default)s)")
    where.add_argument("--workers", type=int, default=0, help="start a cluster of so many workers of one core each")
    parser.add_argument("--port", type=int, default=PORT, help=f"port on {HOST} (default: %(default)s)")
    chosen = parser.parse_args()
    folder, master = REPOSITORY / "var" / "spark", "" if chosen.workers else chosen.master
    try:
        with Spark(folder, os.environ, chosen.port, workers=chosen.workers, master=master) as spark:
            sys.stdout.write(f"WATERSHED_SPARK_URL={spark.url} is up on {spark.master}; logs are in {folder}.\n")
            sys.stdout.flush()
            spark.wait()
    except WatershedError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
