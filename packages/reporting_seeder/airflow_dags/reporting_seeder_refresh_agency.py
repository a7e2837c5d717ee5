# Written by `airflow-dag-publisher generate`. Generate it anew rather than edit it: equal options give equal bytes.
from datetime import UTC, datetime, timedelta

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.slack.notifications.slack import SlackNotifier
from airflow.sdk import DAG, Asset
from airflow.sdk.exceptions import AirflowException
from kubernetes.client import models as k8s
from kubernetes.client.exceptions import ApiException

alert = SlackNotifier(
    slack_conn_id='slack_default',
    channel='#data-alerts',
    text="{{ dag.dag_id }}.{{ ti.task_id }} failed in run {{ run_id }}: {{ ti.log_url }}\n{{ exception | default('', true) }}",
)

GONE = "The pod is gone: it was evicted or deleted, or its node was drained or lost."


class JobPod(KubernetesPodOperator):
    """A pod whose failure names its cause: what Kubernetes says of the pod, read before the pod is deleted."""

    def cleanup(self, pod, remote_pod, xcom_result=None, context=None):
        failed = remote_pod and remote_pod.status.phase != "Succeeded"
        causes = self.causes(pod) if failed else []
        try:
            super().cleanup(pod, remote_pod, xcom_result, context)
        except AirflowException as error:
            said = str(error.__context__ or "").partition("\n")[0]
            lines = [str(error), said if not said.startswith("Traceback") else "", *causes]
            raise AirflowException("\n".join(filter(None, lines))) from error

    def causes(self, pod):
        try:
            status = self.client.read_namespaced_pod(pod.metadata.name, pod.metadata.namespace).status
        except ApiException as error:
            if error.status != 404:
                return [f"Kubernetes does not say why: {error.status} {error.reason}."]
            return [GONE]
        states = [container.state for container in status.container_statuses or []]
        found = [status, *(one for one in status.conditions or [] if one.type in ("PodScheduled", "DisruptionTarget"))]
        found += [state.waiting for state in states if state.waiting]
        ended = [state.terminated for state in states if state.terminated]
        return [
            *(f"{one.reason}: {one.message}" for one in found if one.reason),
            *(f"{one.reason}, exit code {one.exit_code}" for one in ended),
        ]


with DAG(
    dag_id='reporting_seeder_refresh_agency',
    description='Makes the reports of one agency anew, on demand: conf {"agency": "SE"}. When it fails, its reports are those of before.',
    doc_md='Makes the reports of one agency anew, on demand: conf {"agency": "SE"}. When it fails, its reports are those of before.\n\nRuns 123456789012.dkr.ecr.eu-west-1.amazonaws.com/reporting_seeder@sha256:77a0c298fdd889d25da27fecf40c7b0f128e12d56f4354863b025ddaca994260 in namespace etl-jobs. Package: reporting_seeder.',
    schedule=None,
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=['reporting_seeder'],
    default_args={
        "owner": 'reporting',
        "retries": 2,
        "retry_delay": timedelta(seconds=60),
        "retry_exponential_backoff": True,
        "execution_timeout": timedelta(minutes=360),
        "on_failure_callback": [alert],
    },
):
    JobPod(
        task_id='refresh_agency',
        name='refresh-agency',
        namespace='etl-jobs',
        image='123456789012.dkr.ecr.eu-west-1.amazonaws.com/reporting_seeder@sha256:77a0c298fdd889d25da27fecf40c7b0f128e12d56f4354863b025ddaca994260',
        image_pull_policy="IfNotPresent",
        cmds=['python', '-m', 'reporting_seeder', '--agency', "{{ dag_run.conf['agency'] }}"],
        env_vars=[
            k8s.V1EnvVar(
                name='WAREHOUSE_URL',
                value_from=k8s.V1EnvVarSource(
                    secret_key_ref=k8s.V1SecretKeySelector(name='reporting-seeder', key='warehouse-url')
                ),
            ),
        ],
        container_resources=k8s.V1ResourceRequirements(
            requests={'cpu': '250m', 'memory': '256Mi'},
            limits={'cpu': '250m', 'memory': '256Mi'},
        ),
        service_account_name=None,
        labels={'package': 'reporting-seeder', 'job': 'refresh-agency'},
        get_logs=True,
        log_events_on_failure=True,
        log_pod_spec_on_failure=False,
        termination_message_policy="FallbackToLogsOnError",
        on_finish_action="delete_pod",
        startup_timeout_seconds=600,
        do_xcom_push=False,
        outlets=[Asset('postgres://warehouse.example.com:5432/warehouse/reporting/agency_revenue')],
    )
