"""What `generate` writes: a DAG of Airflow 3 that passes `validate`, and values that stay values."""

import ast
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from jinja2 import Environment, StrictUndefined
from kubernetes.client import ApiException
from kubernetes.client import models as k8s

from dag_publisher.errors import Refused
from dag_publisher.generate import Job, command_of, generate, image_of, pairs, resources_of, secrets_of
from dag_publisher.validation.judge import judge

DIGEST = f"sha256:{'a1' * 32}"
JOB = Job(
    "reporting_seeder",
    "reporting_seeder_daily",
    "seed-reports",
    f"registry.example.com/seeder@{DIGEST}",
    schedule="0 5 * * *",
    command=command_of("python -m seeder --day '{{ ds }}'"),
    env=pairs("--env", ["LEVEL=info"]),
    secrets=secrets_of(["PASSWORD=warehouse:password"]),
    resources=resources_of("cpu=500m,memory=1Gi"),
    service_account="seeder",
    owner="reporting",
    description="Seeds the reports.",
    tags=["reporting"],
    outlets=["s3://bucket/gold/reports"],
)
EVIL = "'''\"\"\"{% raw %}{{ 1 }}\\\n)\nimport os; os.system('true')  # \u2028 \x00 \N{SNOWMAN}"


def calls(text: str) -> dict[str, ast.Call]:
    found = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
    return {ast.unparse(call.func).rpartition(".")[2]: call for call in found}


def argument(text: str, call: str, name: str) -> object:
    return next(ast.literal_eval(one.value) for one in calls(text)[call].keywords if one.arg == name)


def condition(kind: str, reason: str, message: str) -> k8s.V1PodCondition:
    return k8s.V1PodCondition(type=kind, status="False", reason=reason, message=message)


def state(**how: object) -> k8s.V1PodStatus:
    one = {"image": "", "image_id": "", "name": "base", "ready": False, "restart_count": 0}
    return k8s.V1PodStatus(container_statuses=[k8s.V1ContainerStatus(**one, state=k8s.V1ContainerState(**how))])


def causes(read: Callable[..., k8s.V1Pod]) -> list[str]:
    """Ask the class that a generated file defines; only Kubernetes is another."""
    written: dict[str, Any] = {}
    exec(generate(JOB), written)
    job = SimpleNamespace(client=SimpleNamespace(read_namespaced_pod=read))
    pod = k8s.V1Pod(metadata=k8s.V1ObjectMeta(name="a", namespace="b"))
    found: list[str] = written["JobPod"].causes(job, pod)
    return found


def test_what_it_writes_passes_validate_and_holds_what_was_asked() -> None:
    evil = replace(
        JOB,
        dag_id="reporting_seeder_evil",
        description=EVIL,
        command=[EVIL],
        schedule=None,
        schedule_assets=["s3://a/b"],
    )
    files = {f"{job.dag_id}.py": generate(job).encode() for job in (JOB, evil)}
    found = judge("reporting_seeder", files)
    assert found.faults == []
    daily, other = found.dags
    assert (daily["schedule"], daily["outlet_assets"], daily["images"]) == ("0 5 * * *", JOB.outlets, [JOB.image])
    assert other["schedule_assets"] == ["s3://a/b"]


def test_the_pod_is_deleted_its_log_streamed_and_secrets_stay_where_they_are() -> None:
    text = generate(JOB)
    assert argument(text, "JobPod", "on_finish_action") == "delete_pod"
    assert argument(text, "JobPod", "get_logs") is True
    assert argument(text, "JobPod", "namespace") == "etl-jobs"
    assert argument(text, "JobPod", "cmds") == ["python", "-m", "seeder", "--day", "{{ ds }}"]
    assert argument(text, "JobPod", "service_account_name") == "seeder"
    assert argument(text, "V1ResourceRequirements", "limits") == {"cpu": "500m", "memory": "1Gi"}
    assert argument(text, "V1SecretKeySelector", "name") == "warehouse"
    assert '"on_failure_callback": [alert]' in text
    assert "on_failure_callback" not in generate(replace(JOB, alert_channel=""))


def test_how_long_a_pod_may_wait_and_who_waits_for_it_can_be_chosen() -> None:
    chosen = generate(replace(JOB, startup_timeout=30, deferrable=True))
    assert argument(chosen, "JobPod", "startup_timeout_seconds") == 30
    assert argument(chosen, "JobPod", "deferrable") is True
    plain = generate(JOB)
    assert argument(plain, "JobPod", "startup_timeout_seconds") == 600
    assert "deferrable" not in plain, "the deployment's own default holds"


ENDS = {
    "Evicted: The node was low on resource: memory.": k8s.V1PodStatus(
        phase="Failed", reason="Evicted", message="The node was low on resource: memory."
    ),
    "Unschedulable: 0/3 nodes are available": k8s.V1PodStatus(
        conditions=[condition("PodScheduled", "Unschedulable", "0/3 nodes are available")]
    ),
    "EvictionByEvictionAPI: Eviction API: evicting": k8s.V1PodStatus(
        conditions=[
            condition("Ready", "PodFailed", "not told"),
            condition("DisruptionTarget", "EvictionByEvictionAPI", "Eviction API: evicting"),
        ]
    ),
    "ErrImagePull: no such image": state(
        waiting=k8s.V1ContainerStateWaiting(reason="ErrImagePull", message="no such image")
    ),
    "OOMKilled, exit code 137": state(terminated=k8s.V1ContainerStateTerminated(reason="OOMKilled", exit_code=137)),
}


def test_the_alert_says_the_cause_where_one_is_known_and_comes_without_one() -> None:
    text = str(argument(generate(JOB), "SlackNotifier", "text"))
    template = Environment(undefined=StrictUndefined).from_string(text)  # as Airflow renders it
    about = {"dag": SimpleNamespace(dag_id="a"), "ti": SimpleNamespace(task_id="b", log_url="http://c"), "run_id": "d"}
    begin = "a.b failed in run d: http://c"
    assert template.render(about, exception=ValueError("no such image")).splitlines() == [begin, "no such image"]
    # The task died without a word, and the dag-processor calls back in its place.
    assert template.render(about).splitlines() == [begin]


@pytest.mark.parametrize("told", ENDS)
def test_what_kubernetes_says_of_a_pod_is_its_cause(told: str) -> None:
    assert causes(lambda *_: k8s.V1Pod(status=ENDS[told])) == [told]


def test_a_pod_that_is_gone_or_cannot_be_read_is_told_as_that() -> None:
    def refused(status: int) -> Callable[..., k8s.V1Pod]:
        def read(*_: str) -> k8s.V1Pod:
            raise ApiException(status, "Forbidden")

        return read

    assert causes(refused(404)) == ["The pod is gone: it was evicted or deleted, or its node was drained or lost."]
    assert causes(refused(403)) == ["Kubernetes does not say why: 403 Forbidden."]


@pytest.mark.parametrize("field", ["description", "owner", "schedule", "alert_channel", "service_account"])
def test_no_value_becomes_code(field: str) -> None:
    plain, evil = generate(JOB), generate(replace(JOB, **{field: EVIL}))
    assert list(calls(evil)) == list(calls(plain))
    assert [node for node in ast.walk(ast.parse(evil)) if isinstance(node, ast.Import)] == []
    assert any(isinstance(node, ast.Constant) and EVIL in str(node.value) for node in ast.walk(ast.parse(evil)))


def test_equal_options_give_equal_bytes_whatever_their_order() -> None:
    names = ["B=2", "A=1"]
    texts = {generate(replace(JOB, env=pairs("--env", given))) for given in (names, names[::-1])}
    assert len(texts) == 1


def test_an_image_is_named_by_tag_by_digest_or_whole() -> None:
    assert image_of("1.4.2", "seeder") == "seeder:1.4.2"
    assert image_of(DIGEST, "seeder") == f"seeder@{DIGEST}"
    assert image_of("registry.example.com:5000/seeder:1.4.2", "x") == "registry.example.com:5000/seeder:1.4.2"


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda: generate(replace(JOB, dag_id="sales_daily")), "--dag-id 'sales_daily'"),
        (lambda: generate(replace(JOB, package="Reporting")), "'Reporting'"),
        (lambda: generate(replace(JOB, job_name="Seed")), "--job-name 'Seed'"),
        (lambda: generate(replace(JOB, namespace="a b")), "--namespace 'a b'"),
        (lambda: generate(replace(JOB, outlets=["gold/reports"])), "asset 'gold/reports'"),
        (lambda: generate(replace(JOB, schedule_assets=["s3://a/b"])), "--schedule-asset"),
        (lambda: image_of("a b", "seeder"), "--image-tag 'a b'"),
        (lambda: pairs("--env", ["A-B=1"]), "--env 'A-B='"),
        (lambda: secrets_of(["A=secret"]), "--secret-env A"),
        (lambda: resources_of("gpu=1"), "--resources gpu=1"),
        (lambda: resources_of("cpu=many"), "--resources cpu=many"),
        (lambda: command_of("say 'hi"), "--command"),
    ],
)
def test_a_wrong_option_is_named_with_what_is_allowed(wrong: object, named: str) -> None:
    with pytest.raises(Refused, match=r"[Aa]llowed|Quote|one of them") as caught:
        wrong()  # type: ignore[operator]
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("run --day '{{ ds }}'", ["run", "--day", "{{ ds }}"]),
        (
            "run {{ dag_run.conf.get('part', \"new est\") }} x",
            ["run", "{{ dag_run.conf.get('part', \"new est\") }}", "x"],
        ),
        ("run \"a {{ ds }} b\"{{ x['y z'] }} {% if a %}", ["run", "a {{ ds }} b{{ x['y z'] }}", "{% if a %}"]),
        ("say 'it{{' now", ["say", "it{{", "now"]),
    ],
)
def test_what_airflow_fills_in_stays_as_it_is_written(text: str, words: list[str]) -> None:
    assert command_of(text) == words
