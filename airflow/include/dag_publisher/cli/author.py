"""`generate` and `validate`: what a developer needs, with no store and no rights."""

from pathlib import Path
from typing import Annotated

import typer

from dag_publisher.cli.output import DryRun, Json, Package, errors, print_json, progress, tell
from dag_publisher.generate import NAMESPACE, Job, command_of, generate, image_of, pairs, resources_of, secrets_of
from dag_publisher.publish import read_files
from dag_publisher.validation.judge import BUDGET, LIMIT, judge

Texts = list[str] | None


def write_dag(
    package: Package,
    dag_id: Annotated[str, typer.Option("--dag-id", help="Begins with the package's name.")],
    job_name: Annotated[str, typer.Option("--job-name", help="Name of the pod and, with underscores, of the task.")],
    image_tag: Annotated[str, typer.Option("--image-tag", help="Tag, digest (sha256:...) or whole image.")],
    output: Annotated[Path, typer.Option("--output", help="File, or the folder in which <dag-id>.py is written.")],
    image: Annotated[str, typer.Option(help="Repository of the image; the package's name without it.")] = "",
    schedule: Annotated[str, typer.Option(help="Cron expression or preset; without one it runs on demand.")] = "",
    schedule_asset: Annotated[Texts, typer.Option(help="Address of an asset that starts it; several: all.")] = None,
    outlet: Annotated[Texts, typer.Option(help="Address of an asset that it writes.")] = None,
    namespace: Annotated[str, typer.Option(help="Namespace of the pod.")] = NAMESPACE,
    command: Annotated[str, typer.Option(help="Command, quoted as for a shell; the image's own without it.")] = "",
    env: Annotated[Texts, typer.Option(help="NAME=value; not for secrets.")] = None,
    secret_env: Annotated[Texts, typer.Option(help="NAME=secret:key, of a Kubernetes secret.")] = None,
    resources: Annotated[str, typer.Option(help="Requested, and the limit.")] = "cpu=500m,memory=1Gi",
    service_account: Annotated[str, typer.Option(help="Service account of the pod.")] = "",
    owner: Annotated[str, typer.Option(help="The team that answers for it; the package's name without it.")] = "",
    description: Annotated[str, typer.Option(help="What it does, and what to do when it fails.")] = "",
    tag: Annotated[Texts, typer.Option(help="Further tags beside the package's name.")] = None,
    retries: Annotated[int, typer.Option(min=0)] = 2,
    timeout: Annotated[int, typer.Option(min=1, help="Minutes after which the job is ended.")] = 360,
    startup_timeout: Annotated[int, typer.Option(min=1, help="Seconds until the pod must have begun.")] = 600,
    deferrable: Annotated[bool, typer.Option("--deferrable", help="Wait in the triggerer: no worker is held.")] = False,
    alert_channel: Annotated[str, typer.Option(help="Slack channel for failures; empty: none.")] = "#data-alerts",
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Write the DAG file of a job that runs in a container."""
    job = Job(
        package, dag_id, job_name.replace("_", "-"), image_of(image_tag, image or package.replace("_", "-")),
        schedule or None, namespace, command_of(command), pairs("--env", env or []), secrets_of(secret_env or []),
        resources_of(resources), service_account or None, owner or package,
        description or f"Job {job_name} of package {package}.", sorted({package, *(tag or [])}),
        outlet or [], schedule_asset or [], retries, timeout=timeout, startup_timeout=startup_timeout,
        deferrable=deferrable, alert_channel=alert_channel,
    )  # fmt: skip
    text = generate(job)
    file = output if output.suffix == ".py" else output / f"{dag_id}.py"
    if job.image.endswith(":latest"):
        errors.print(f"{job.image}: what `latest` is changes without a release; name a version or a digest.")
    if not dry_run:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    if as_json:
        print_json({"file": str(file), "dag_id": dag_id, "image": job.image, "written": not dry_run})
    else:
        tell(text if dry_run else f"{file} is written. `validate` it, then `publish` its folder.")


def validate(
    package: Package,
    dag_file: Annotated[list[Path], typer.Option("--dag-file", help="File or folder; several are judged together.")],
    limit: Annotated[float, typer.Option(min=1, help="Seconds that a file's import may last.")] = LIMIT,
    budget: Annotated[float, typer.Option(min=0.1, help="Seconds of CPU that it may take.")] = BUDGET,
    as_json: Json = False,
) -> None:
    """Import DAG files, shut in, by the Airflow in use, and judge them. Exit code 1 where a rule is broken."""
    files = read_files(*dag_file)
    with progress(f"Importing {len(files)} files twice ..."):
        found = judge(package, files, limit, budget)
    if as_json:
        faults = [fault.row() for fault in found.faults]
        print_json({"isolation": found.isolation, "airflow": found.airflow, "faults": faults, "dags": found.dags})
    else:
        for fault in found.faults:
            tell(str(fault))
        for dag in found.dags:
            tell(f"{dag['dag_id']}: schedule {dag['schedule']}, {dag['tasks']} tasks, outlets {dag['outlet_assets']}")
        tell(f"{len(files)} files, {len(found.faults)} faults; shut in by: {found.isolation}.")
    raise typer.Exit(1 if found.faults else 0)
