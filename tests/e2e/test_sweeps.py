"""Without a single bell everything arrives by sweeps, and where nothing is due nothing runs."""

from collections.abc import Iterator

import pytest

from tests.mill import Mill, grinding

SWEEP = "mill_sweep"
SETTINGS = {"WATERSHED_BELLS": "false", "WATERSHED_SWEEP_CRON": "* * * * * */5", "WATERSHED_WATCH_CRON": "off"}


@pytest.fixture
def mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    with grinding(tmp_path_factory.mktemp("mill"), SETTINGS) as made:
        yield made


def runs(mill: Mill) -> dict[str, list[str]]:
    """Name the runs of each DAG."""
    found = mill.ask("GET", "/dags/~/dagRuns?limit=1000")["dag_runs"]
    return {dag: [run["dag_run_id"] for run in found if run["dag_id"] == dag] for dag in mill.dags()}


def test_sweeps_alone_bring_everything_and_rest_when_nothing_is_due(mill: Mill) -> None:
    for number in range(8):
        mill.deliver(number)
    mill.settle()
    mill.account()
    known = runs(mill)
    assert all(run.startswith("sweep__") for dag in known.keys() - {SWEEP, "mill_master"} for run in known[dag])
    mill.until(lambda: len(runs(mill)[SWEEP]) > len(known[SWEEP]) + 2, "sweeps that find nothing")
    later = runs(mill)
    assert {dag: later[dag] for dag in later.keys() - {SWEEP}} == {dag: known[dag] for dag in known.keys() - {SWEEP}}
    states = {task["state"] for task in mill.ask("GET", f"/dags/{SWEEP}/dagRuns/~/taskInstances")["task_instances"]}
    assert states <= {"success", "running", "queued", "scheduled", None}
