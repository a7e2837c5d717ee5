"""The settings by which `.env.example` keeps connections in Secrets Manager and logs of tasks in S3."""

from devstack.folder import REPOSITORY

ABOUT = ("# AIRFLOW__SECRETS__", "# AIRFLOW__LOGGING__")
LINES = (REPOSITORY / ".env.example").read_text(encoding="utf-8").splitlines()
CHOSEN = [line.removeprefix("# ") for line in LINES if line.startswith(ABOUT)]
AWS = dict(line.split("=", 1) for line in CHOSEN)
