"""The job's command: one partition in, one Parquet file out, a line of JSON about it."""

import argparse
import json
import sys

from pipeline_processing.job import JobError, process


def main() -> int:
    """Do the job; what is wrong is one line, and the exit code 1."""
    parser = argparse.ArgumentParser(prog="pipeline_processing", description=__doc__)
    parser.add_argument("--table", required=True, help="address of a Delta table, as s3://bucket/silver/domain/name")
    parser.add_argument("--partition", required=True, help="month, as in 1997-01, or `newest`")
    parser.add_argument("--output", required=True, help="folder in which the file <partition>.parquet is written")
    asked = parser.parse_args()
    try:
        done = process(asked.table, asked.partition, asked.output)
    except JobError as error:
        print(f"pipeline_processing: {error}", file=sys.stderr)
        return 1
    print(json.dumps(done))
    return 0


if __name__ == "__main__":
    sys.exit(main())
