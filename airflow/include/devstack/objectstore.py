"""S3 and SQS as a child of the supervisor: ministack, told to keep its state and to itself."""

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from devstack.folder import StateFolder, state_folder

ENDPOINT = "AWS_ENDPOINT_URL"
HEALTH = "/_ministack/health"


def settings(folder: StateFolder, endpoint: str) -> dict[str, str]:
    """Return ministack's environment."""
    address = urlsplit(endpoint)
    home = folder.path / "objectstore"
    return {
        "GATEWAY_PORT": str(address.port),
        "MINISTACK_HOST": str(address.hostname),  # the host in the queues' addresses
        "MINISTACK_REGION": os.environ["AWS_REGION"],
        "PERSIST_STATE": "1",
        "STATE_DIR": str(home / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(home / "s3"),
        # Each of these would open a port of its own, on every interface.
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
    }


def main() -> None:
    """Become the object store of the state folder named by the first argument."""
    folder = state_folder(Path(sys.argv[1]))
    env = os.environ | settings(folder, os.environ[ENDPOINT])
    for name in ("STATE_DIR", "S3_DATA_DIR"):
        Path(env[name]).mkdir(parents=True, exist_ok=True)
    os.execve(sys.executable, [sys.executable, "-m", "uvicorn", *server(os.environ[ENDPOINT])], env)


def server(endpoint: str) -> list[str]:
    """Return the arguments of the server: for one request it takes half the time of the one ministack starts itself."""
    address = urlsplit(endpoint)
    options = {
        "host": address.hostname,
        "port": address.port,
        "timeout-keep-alive": 75,
        "timeout-graceful-shutdown": 3,  # a queue's reader may hold a request open for longer
        "log-level": "warning",
    }
    return ["ministack.app:app", "--no-access-log", *(f"--{name}={value}" for name, value in options.items())]


if __name__ == "__main__":
    main()
