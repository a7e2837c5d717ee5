"""S3 and SQS as a child of the supervisor: ministack, told to keep its state and to itself."""

import os
import signal
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
    """Be the object store of the state folder named by the first argument, until told to end."""
    import uvicorn  # others only ask where it listens

    folder, address = state_folder(Path(sys.argv[1])), urlsplit(os.environ[ENDPOINT])
    env = settings(folder, os.environ[ENDPOINT])
    for name in ("STATE_DIR", "S3_DATA_DIR"):
        Path(env[name]).mkdir(parents=True, exist_ok=True)
    os.environ.update(env)  # read when the application is loaded
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn sends itself the signal again once all is kept
    # For one request it takes half the time of the server that ministack starts itself.
    uvicorn.run(
        "ministack.app:app",
        host=str(address.hostname),
        port=address.port or 80,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=3,  # a queue's reader may hold a request open for longer
    )


if __name__ == "__main__":
    main()
