"""A run that has begun ends with the release that it began with, its retries too, whatever is published meanwhile."""

from pathlib import Path

from dag_publisher.publish import Package, publish
from dag_publisher.shelf import Shelf
from tests.kube.cluster import until
from tests.kube.conftest import ENVIRONMENT, Platform
from tests.publishing import WHO

DAG_ID = "keeper_waits"
# It waits for a file; then its last task fails once. Each attempt leaves a line that says of which release it is.
TEXT = '''"""Waits, then fails once."""
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, task

FOLDER = Path({folder!r})

with DAG({dag_id!r}, tags=["test"], description="{release}", default_args={{"owner": "test"}}):

    @task.sensor(poke_interval=2, mode="reschedule", timeout=3600)
    def gate():
        (FOLDER / "waits").touch()
        return (FOLDER / "open").exists()

    @task(retries=1, retry_delay=timedelta(seconds=1))
    def end(run_id, ti):
        with (FOLDER / run_id).open("a") as file:
            file.write("{release}\\n")
        if ti.try_number == 1:
            raise RuntimeError("once")

    gate() >> end()
'''


def test_a_running_run_and_its_retries_keep_their_release(platform: Platform, tmp_path: Path) -> None:
    release(platform, tmp_path, "one")
    until(lambda: DAG_ID in platform.dags(), "the first release to be read")
    began = platform.start(DAG_ID)
    until((tmp_path / "waits").exists, "the run to wait")
    release(platform, tmp_path, "two")
    until(lambda: platform.ask("GET", f"/dags/{DAG_ID}")["description"] == "two", "the second release to be read")
    (tmp_path / "open").touch()
    assert began.end() == "success"
    later = platform.start(DAG_ID)
    assert later.end() == "success"
    assert [(tmp_path / run.run_id).read_text().split() for run in (began, later)] == [["one", "one"], ["two", "two"]]


def release(platform: Platform, folder: Path, name: str) -> None:
    """Publish a release whose DAG says its name."""
    text = TEXT.format(folder=str(folder), dag_id=DAG_ID, release=name)
    package = Package(
        {f"{DAG_ID}.py": text.encode()}, [{"file": f"{DAG_ID}.py", "dag_id": DAG_ID, "images": []}], ">=3.3"
    )
    publish(Shelf(platform.store, ENVIRONMENT, "keeper"), package, WHO)
