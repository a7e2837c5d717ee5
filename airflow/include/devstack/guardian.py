"""Waits for the supervisor's death and then ends what it left; an orderly stop leaves it nothing to do."""

import sys
import time
from pathlib import Path

from devstack.folder import state_folder
from devstack.leftovers import end_leftovers
from devstack.record import read_record

GRACE = 8.0
LOOK = 0.5


def main() -> None:
    """Guard the stack of the state folder named by the first argument."""
    folder = state_folder(Path(sys.argv[1]))
    record = read_record(folder)
    while record and record.alive:
        time.sleep(LOOK)
    # The kernel has told the units to stop; what they started themselves may not have heard of it.
    end_leftovers(folder, gently=GRACE)


if __name__ == "__main__":
    main()
