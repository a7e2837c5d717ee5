"""The example packages: what a shop must hold for their jobs, what they make of it, and the steps of their pipelines."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.world import World

PACKAGES = Path(__file__).parents[1] / "packages"
SOLD = """customer_id,date,number_of_cds,dollar_value
00001,19970101,1,10.00
00001,19970102,1,5.50
00002,19970102,2,4.00
00003,19970201,1,1.00
00009,19970201,1,2.00
"""
USERS = """customer_id,name,email,country,signed_up_on,updated_at
00001,A,a@x.com,us,1996-01-01,1997-01-01T00:00:00Z
00002,B,b@x.com,se,1996-01-01,1997-01-01T00:00:00Z
00003,C,c@x.com,us,1996-01-01,1997-01-01T00:00:00Z
"""
REPORTS = "SELECT agency, month, customers, purchases, revenue FROM reporting.agency_revenue ORDER BY 1, 2"


def fill(world: World) -> None:
    """Give a shop what the jobs read: two months of purchases, in the lake and in the warehouse."""
    world.land("transactions/1.csv", SOLD.encode())
    world.land("users/1.csv", USERS.encode())
    world.flow()


def reports(world: World) -> list[tuple[Any, ...]]:
    """Return the reports that there are, in their order."""
    return [(*row[:4], str(row[4])) for row in world.rows(REPORTS)]


def made(package: str, *targets: str, env: Mapping[str, str] | None = None, **variables: str) -> str:
    """Run steps of a package's pipeline, with the publisher of this environment."""
    env = env or os.environ
    path = os.pathsep.join((str(Path(sys.executable).parent), env["PATH"]))
    command = ["make", "--silent", "-C", str(PACKAGES / package), *targets]
    told = [f"{name}={value}" for name, value in variables.items()]
    done = subprocess.run([*command, *told], env={**env, "PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
