"""What `generate` writes: a DAG of Airflow 3 that passes `validate`, and values that stay values."""

import ast
from dataclasses import replace

import pytest

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
    assert argument(text, "KubernetesPodOperator", "on_finish_action") == "delete_pod"
    assert argument(text, "KubernetesPodOperator", "get_logs") is True
    assert argument(text, "KubernetesPodOperator", "namespace") == "etl-jobs"
    assert argument(text, "KubernetesPodOperator", "cmds") == ["python", "-m", "seeder", "--day", "{{ ds }}"]
    assert argument(text, "KubernetesPodOperator", "service_account_name") == "seeder"
    assert argument(text, "V1ResourceRequirements", "limits") == {"cpu": "500m", "memory": "1Gi"}
    assert argument(text, "V1SecretKeySelector", "name") == "warehouse"
    assert '"on_failure_callback": [alert]' in text
    assert "on_failure_callback" not in generate(replace(JOB, alert_channel=""))


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
