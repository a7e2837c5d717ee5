"""The emulated cloud account as one container: serves it, and makes at each start what the pipelines expect to find.

A one-shot container could not make them: what is killed forgets its queues, notifications and secrets.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from common.core.errors import ConfigError
from common.core.settings import settings
from devstack.health import answers_at
from devstack.infrastructure import apply_infrastructure, apply_secrets
from devstack.objectstore import ENDPOINT, HEALTH

LOOK = 0.1


def main() -> None:
    """Serve the state folder named first until told to end; the file named second says that all of it is made."""
    folder, ready = sys.argv[1], Path(sys.argv[2])
    ready.unlink(missing_ok=True)
    refuse_foreign(Path(folder))
    # In a session of its own, so that a signal to this one's group reaches it once and it ends in order.
    command = [sys.executable, "-m", "devstack.objectstore", folder]
    server = subprocess.Popen(command, start_new_session=True)
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    while server.poll() is None and not answers_at(os.environ[ENDPOINT] + HEALTH):
        time.sleep(LOOK)
    if server.poll() is None:
        apply_infrastructure(settings())
        apply_secrets(os.environ)
        ready.touch()
    sys.exit(server.wait())


def refuse_foreign(folder: Path) -> None:
    """Refuse the data of another user, whom alone the emulator lets read it: it would show an empty store."""
    for data in folder.iterdir():
        if (owner := data.stat().st_uid) != os.getuid():
            raise ConfigError(
                f"The data in {data} belongs to user {owner}, but this container runs as user {os.getuid()}. Set "
                f"AIRFLOW_UID={owner} in .env again, or forget all data with `docker compose down -v`."
            )


if __name__ == "__main__":
    try:
        main()
    except ConfigError as error:
        sys.exit(str(error))
