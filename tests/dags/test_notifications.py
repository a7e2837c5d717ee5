"""Anybody's DAG may tell people: it parses, is stored with its deadlines, and loads no client to do so."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DAG = """
from datetime import timedelta
from airflow.sdk import DAG, AsyncCallback, DeadlineAlert, DeadlineReference, SyncCallback, task
from common.notifiers.notifications import EmailNotifier, MSTeamsNotifier, PagerDutyNotifier, SlackNotifier, TelegramNotifier
from common.operators.notifications import EmailNotificationOperator, MSTeamsNotificationOperator, SlackNotificationOperator
from common.operators.notifications import TelegramNotificationOperator

QUEUED = DeadlineReference.DAGRUN_QUEUED_AT
LATE = [
    DeadlineAlert(reference=QUEUED, interval=timedelta(hours=1), callback=SyncCallback(SlackNotifier, kwargs={"to": "#x"})),
    DeadlineAlert(reference=QUEUED, interval=timedelta(hours=2), callback=AsyncCallback(EmailNotifier, kwargs={"to": "x"})),
]

with DAG("plain", schedule=None, deadline=LATE, on_failure_callback=[SlackNotifier(to="#x"), PagerDutyNotifier(to="duty")]):

    @task(on_success_callback=TelegramNotifier(to="1"), on_failure_callback=MSTeamsNotifier(to="team"))
    def work():
        pass

    work() >> [
        kind(task_id=kind.__name__, to="x", title="{{ ds }}", facts={"Rows": 3})
        for kind in (
            EmailNotificationOperator,
            MSTeamsNotificationOperator,
            SlackNotificationOperator,
            TelegramNotificationOperator,
        )
    ]
"""
PARSED = """
import sys, warnings
warnings.simplefilter("ignore")
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
before = set(sys.modules)
bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
loaded = set(sys.modules) - before
stored = DagSerialization.from_dict(DagSerialization.to_dict(bag.dags["plain"]))
print(len(stored.tasks), len(stored.deadline), *[name for name in CLIENTS if name in loaded])
""".replace("CLIENTS", str(("slack_sdk", "smtplib", "common.ledger", "common.notify.channels", "psycopg", "httpx")))


def test_a_dag_that_tells_people_is_parsed_and_stored(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text(DAG)
    names = {name: value for name, value in os.environ.items() if not name.startswith("WATERSHED_")}
    done = subprocess.run(
        [sys.executable, "-c", PARSED, str(tmp_path)],
        env={**names, "PYTHONPATH": str(ROOT / "airflow" / "include")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].split() == ["5", "2"]
