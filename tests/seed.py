"""The seed of a run's random choices: `SEED` where it is given, else one that all workers and their children share."""

import os
import random

GIVEN = "SEED" in os.environ
SEED = int(os.environ["SEED"] if GIVEN else os.environ.setdefault("DRAWN_SEED", str(random.randrange(10**6))))
