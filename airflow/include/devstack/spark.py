"""A Spark Connect server of Apache Spark on this machine: `python -m devstack.spark`, for trying and for tests.

It comes from PyPI's pyspark, in a folder of its own beside the environment's packages, and runs on this machine's Java.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from common.core.errors import ConfigError
from devstack.folder import INCLUDE
from devstack.ports import HOST

PORT = 15002
OLDEST, NEWEST = 17, 21  # the Java that Spark 4 is tested with
CONNECT = ("org.apache.spark.deploy.SparkSubmit", "--class", "org.apache.spark.sql.connect.service.SparkConnectServer")


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


def command(*program: str) -> list[str]:
    """Return how a program of Spark is started."""
    return [str(home() / "bin" / "spark-class"), *program]


def server(master: str, port: int = PORT) -> list[str]:
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
    return command(*CONNECT, "--master", master, *options, "spark-internal")


def main() -> None:
    """Be a Spark Connect server until told to end."""
    parser = argparse.ArgumentParser(prog="python -m devstack.spark", description=__doc__)
    parser.add_argument("--master", default="local[*]", help="local[N], or spark://HOST:PORT (default: %(default)s)")
    parser.add_argument("--port", type=int, default=PORT, help=f"port on {HOST} (default: %(default)s)")
    chosen = parser.parse_args()
    try:
        started, env = server(chosen.master, chosen.port), environment(os.environ)
    except ConfigError as error:
        sys.exit(str(error))
    os.execve(started[0], started, env)


if __name__ == "__main__":
    main()
