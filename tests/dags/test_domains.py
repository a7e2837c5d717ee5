"""DAGs of domains that differ: what a domain lacks, its master does not start."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pendulum
import pytest
import yaml
from airflow.sdk import DAG
from airflow.serialization.encoders import coerce_to_core_timetable
from airflow.timetables.base import TimeRestriction

from common.core.caches import forget
from common.core.errors import ConfigError
from common.dags.stages import domain_dags
from common.pipelines.kinds import consumers, equal_names, stages_of
from common.pipelines.work import check_stages, require_same
from tests.mill import CONTRACT, MODEL

pytestmark = pytest.mark.filterwarnings("ignore")  # Airflow's own


def contract(name: str = "sacks", loads: list[dict[str, str]] | None = None) -> dict[str, Any]:
    properties = [p for p in CONTRACT["customProperties"] if p["property"] != "load"]
    kept = [*properties, {"property": "load", "value": loads}] if loads else properties
    table = CONTRACT["schema"][0] | {"name": name}
    return CONTRACT | {"name": name, "schema": [table], "customProperties": kept}


@pytest.fixture
def domains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "mill" / "contracts").mkdir(parents=True)
    (tmp_path / "mill" / "gold").mkdir()
    monkeypatch.setenv("WATERSHED_DOMAINS_DIR", str(tmp_path))
    forget()
    yield tmp_path
    forget()


def write(domains: Path, *contracts: dict[str, Any]) -> None:
    for found in contracts:
        (domains / "mill" / "contracts" / f"{found['name']}.yaml").write_text(yaml.safe_dump(found))


def started(dags: list[DAG]) -> set[str]:
    (master,) = [dag for dag in dags if dag.dag_id == "mill_master"]
    return {name for task in master.tasks if task.task_id.endswith(".start") for name in task.op_args[0]}


@pytest.mark.parametrize(
    ("loads", "gold", "expected"),
    [
        (None, False, ["bronze", "silver"]),
        ([{"to": "duckdb", "strategy": "full"}], False, ["bronze", "silver", "load"]),
        (None, True, ["bronze", "silver", "gold", "load"]),
    ],
)
def test_a_master_starts_the_dags_that_its_domain_has(
    domains: Path, loads: list[dict[str, str]] | None, gold: bool, expected: list[str]
) -> None:
    write(domains, contract(loads=loads))
    if gold:
        (domains / "mill" / "gold" / "daily.sql").write_text(MODEL)
    dags = domain_dags("mill")
    assert stages_of("mill") == expected
    assert started(dags) == {dag.dag_id for dag in dags} - {"mill_master", "mill_sweep"}
    with pytest.raises(ConfigError, match=rf"No stage 'lunch' in mill. Known: {', '.join(expected)}\."):
        check_stages("mill", ["bronze", "lunch"])


def test_a_sweep_that_is_switched_off_makes_no_dag(domains: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(domains, contract())
    monkeypatch.setenv("WATERSHED_SWEEP_CRON", "off")
    forget()
    assert "mill_sweep" not in {dag.dag_id for dag in domain_dags("mill")}


def test_two_loads_of_a_dataset_into_one_warehouse_ring_two_assets(domains: Path) -> None:
    into = {"to": "warehouse", "strategy": "incremental"}
    write(domains, contract(loads=[into, into | {"table": "mill.history"}]))
    found = consumers("mill", "load")
    assert [consumer.name for consumer in found] == ["mill.sacks@warehouse", "mill.history@warehouse"]
    (load,) = [dag for dag in domain_dags("mill") if dag.dag_id == "mill_load"]
    address = "postgres://warehouse:5432/warehouse/mill"
    for task in load.tasks:
        assert [outlet.uri for outlet in task.outlets] == [f"{address}/sacks", f"{address}/history"]
    assert equal_names() == {}


def test_two_datasets_that_load_into_one_table_are_a_fault(domains: Path) -> None:
    into = {"to": "warehouse", "strategy": "full", "table": "mill.same"}
    write(domains, contract("sacks", [into]), contract("bags", [into | {"table": "mill.SAME"}]))
    (fault,) = equal_names().values()
    assert "mill.sacks and mill.bags both write mill.same@warehouse" in fault


def test_a_run_refuses_what_its_master_did_not_check(domains: Path) -> None:
    write(domains, contract())
    (silver,) = consumers("mill", "silver")
    checked = {"settings": {}, "contracts": {silver.name: "another"}}
    with pytest.raises(ConfigError, match=r"The master that started this run checked bucket = None, this worker has"):
        require_same(checked, [silver])


def test_a_sweep_starts_what_is_due_and_leaves_alone_what_has_a_run_already(
    domains: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(domains, contract(loads=[{"to": "duckdb", "strategy": "full"}]))
    (sweep,) = [dag for dag in domain_dags("mill") if dag.dag_id == "mill_sweep"]
    due = [consumer for consumer in consumers("mill") if consumer.kind != "load"]
    started: list[tuple[str, str]] = []
    monkeypatch.setattr("common.pipelines.work.due_of", lambda domain: due)
    monkeypatch.setattr("common.dags.stages.start_run", lambda *run: started.append(run))

    class Task:
        run_id = "scheduled__2026-01-01"

        def get_dr_count(self, dag_id: str, states: list[str]) -> int:
            assert states == ["queued", "running"]
            return int(dag_id == "mill_raw_to_bronze")

    sweep.get_task("start_what_is_due").python_callable(ti=Task())
    assert started == [("mill_sacks_to_silver", "sweep__2026-01-01")]


SOURCE = {
    "kind": "table", "conn": "shop", "schedule": "15 2 * * *", "zone": "Europe/Berlin",
    "table": "sacks_%Y_%m_%d", "since": "2026-01-01", "due": "16:00",
}  # fmt: skip


def test_a_source_has_a_dag_of_its_own_that_wakes_landing(domains: Path) -> None:
    found = contract()
    write(domains, found | {"customProperties": [*found["customProperties"], {"property": "source", "value": SOURCE}]})
    dags = {dag.dag_id: dag for dag in domain_dags("mill")}
    ingest, landing = dags["mill_sacks_ingest"], dags["mill_raw_to_bronze"]
    (task,) = ingest.tasks
    assert [outlet.name for outlet in task.outlets] == ["mill.sacks.raw"]
    assert "15 2 * * *" in repr(ingest.timetable) and "Europe/Berlin" in repr(ingest.timetable)
    wakes = {asset.name for asset in landing.timetable.asset_condition.objects}
    assert wakes == {"mill.raw", "mill.sacks.raw"}
    assert stages_of("mill") == ["ingest", "bronze", "silver"]
    assert started([*dags.values()]) >= {"mill_sacks_ingest"}


@pytest.mark.parametrize("hour", [2, 3, 12])
def test_the_first_run_of_a_source_is_that_of_its_next_tick_at_any_hour(
    domains: Path, monkeypatch: pytest.MonkeyPatch, hour: int
) -> None:
    found = contract()
    write(domains, found | {"customProperties": [*found["customProperties"], {"property": "source", "value": SOURCE}]})
    (ingest,) = (dag for dag in domain_dags("mill") if dag.dag_id == "mill_sacks_ingest")
    timetable = coerce_to_core_timetable(ingest.timetable)
    now = pendulum.datetime(2026, 1, 15, hour, 20, tz="Europe/Berlin")
    monkeypatch.setattr("airflow.timetables.trigger.utcnow", lambda: now)
    never = TimeRestriction(earliest=None, latest=None, catchup=False)
    first = timetable.next_dagrun_info(last_automated_data_interval=None, restriction=never)
    assert first is not None and first.run_after == pendulum.datetime(2026, 1, 16, 2, 15, tz="Europe/Berlin")


def test_a_sensor_rings_for_raw_where_no_queue_does(monkeypatch: pytest.MonkeyPatch, fresh_settings: None) -> None:
    monkeypatch.setenv("WATERSHED_BELLS", "sensor")
    monkeypatch.setenv("WATERSHED_QUEUE_BASE_URL", "http://127.0.0.1:1/0")
    made: dict[str, Any] = {dag.dag_id: dag for dag in domain_dags("ecommerce")}
    waits, ring = (made["ecommerce_raw_sensor"].get_task(name) for name in ("wait_for_files", "ring"))
    assert (waits.bucket_name, waits.bucket_key, waits.deferrable) == ("watershed", "raw/ecommerce/*", True)
    (rung,) = ring.outlets
    assert rung.name in {asset.name for asset in made["ecommerce_raw_to_bronze"].timetable.asset_condition.objects}
    assert rung.watchers == []


def test_studies_are_delivered_beside_one_another_by_one_dag(monkeypatch: pytest.MonkeyPatch) -> None:
    (dag,) = [dag for dag in domain_dags("clinical") if dag.dag_id == "clinical_to_veeva"]
    check, mapped = dag.get_task("check_for_new_data"), dag.get_task("import_to_veeva")
    assert [*dag.task_dict] == [check.task_id, mapped.task_id] and mapped.upstream_task_ids == {check.task_id}
    asked = {name: dag.params.get_param(name).schema["enum"] for name in dag.params}
    assert asked == {
        "study": ["all", "ONC-101", "ONC-102"],
        "form": ["all", "adverse_events", "demographics", "vital_signs"],
    }
    assert dag.params.validate() == {"study": "all", "form": "all"}
    assert dag.max_active_runs == dag.max_active_tasks == 3, "each study may hold up a run, and not the others"
    wakes = {asset.name for asset in dag.timetable.asset_condition.objects}
    assert wakes == {f"clinical.{form}.silver" for form in asked["form"][1:]}
    assert "*/30 * * * *" in repr(dag.timetable.timetable)

    due = consumers("clinical", "deliver")
    monkeypatch.setattr("common.pipelines.work.due_of", lambda domain, stage: due)
    chosen = check.python_callable
    assert chosen(params={"study": "all", "form": "all"}) == ["ONC-101", "ONC-102"]
    assert chosen(params={"study": "ONC-102", "form": "vital_signs"}) == ["ONC-102"]
    due = [consumer for consumer in due if consumer.name == "clinical.vital_signs@ONC-101"]
    assert chosen(params={"study": "all", "form": "demographics"}) == []


def test_where_no_sweep_is_wanted_deliveries_are_woken_by_their_bells_alone(
    monkeypatch: pytest.MonkeyPatch, fresh_settings: None
) -> None:
    monkeypatch.setenv("WATERSHED_SWEEP_CRON", "off")
    (dag,) = [dag for dag in domain_dags("clinical") if dag.dag_id == "clinical_to_veeva"]
    assert "*/30" not in repr(dag.timetable) and dag.timetable.asset_condition.objects
