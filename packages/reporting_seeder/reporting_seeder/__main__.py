"""The job's command: the reports of all agencies or of one; a line of JSON about them."""

import argparse
import json
import os
import sys

from reporting_seeder.job import JobError, refresh


def main() -> int:
    """Do the job; what is wrong is one line, and the exit code 1."""
    parser = argparse.ArgumentParser(prog="reporting_seeder", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--all", action="store_true", help="all agencies")
    which.add_argument("--agency", help="one agency, by the country that its customers are of, as in SE")
    asked = parser.parse_args()
    url = os.environ.get("WAREHOUSE_URL")
    if not url:
        print("reporting_seeder: WAREHOUSE_URL is not set: postgresql://user:password@host/database", file=sys.stderr)
        return 1
    try:
        done = refresh(url, None if asked.all else asked.agency)
    except JobError as error:
        print(f"reporting_seeder: {error}", file=sys.stderr)
        return 1
    print(json.dumps(done))
    return 0


if __name__ == "__main__":
    sys.exit(main())
