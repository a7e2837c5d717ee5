# Written by `airflow-dag-publisher generate`. Generate it anew rather than edit it: equal options give equal bytes.
from datetime import UTC, datetime, timedelta

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.slack.notifications.slack import SlackNotifier
from airflow.sdk import DAG, Asset
from kubernetes.client import models as k8s

alert = SlackNotifier(
    slack_conn_id='slack_default',
    channel='#data-alerts',
    text="{{ dag.dag_id }}.{{ ti.task_id }} failed in run {{ run_id }}: {{ ti.log_url }}",
)

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
    KubernetesPodOperator(
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
        on_finish_action="delete_pod",
        startup_timeout_seconds=600,
        do_xcom_push=False,
        outlets=[Asset('postgres://warehouse.example.com:5432/warehouse/reporting/agency_revenue')],
    )
