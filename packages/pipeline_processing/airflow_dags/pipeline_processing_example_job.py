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
    dag_id='pipeline_processing_example_job',
    description='Sums a month of purchases up, day by day. When it fails, see the pod\'s log; run it again with the conf {"partition": "1997-01"}.',
    doc_md='Sums a month of purchases up, day by day. When it fails, see the pod\'s log; run it again with the conf {"partition": "1997-01"}.\n\nRuns 123456789012.dkr.ecr.eu-west-1.amazonaws.com/pipeline_processing@sha256:29a5b8192a2d907ec9e407ad85843342c5943f1c6b908b3f3f3e782df7d62cb4 in namespace etl-jobs. Package: pipeline_processing.',
    schedule=[Asset('s3://watershed/silver/ecommerce/transactions')],
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=['pipeline_processing'],
    default_args={
        "owner": 'data-science',
        "retries": 2,
        "retry_delay": timedelta(seconds=60),
        "retry_exponential_backoff": True,
        "execution_timeout": timedelta(minutes=360),
        "on_failure_callback": [alert],
    },
):
    KubernetesPodOperator(
        task_id='example_job',
        name='example-job',
        namespace='etl-jobs',
        image='123456789012.dkr.ecr.eu-west-1.amazonaws.com/pipeline_processing@sha256:29a5b8192a2d907ec9e407ad85843342c5943f1c6b908b3f3f3e782df7d62cb4',
        image_pull_policy="IfNotPresent",
        cmds=['python', '-m', 'pipeline_processing', '--table', 's3://watershed/silver/ecommerce/transactions', '--partition', "{{ (dag_run.conf or {}).get('partition', 'newest') }}", '--output', 's3://watershed/exports/pipeline_processing'],
        env_vars=[
            k8s.V1EnvVar(name='AWS_REGION', value='eu-west-1'),
        ],
        container_resources=k8s.V1ResourceRequirements(
            requests={'cpu': '500m', 'memory': '512Mi'},
            limits={'cpu': '500m', 'memory': '512Mi'},
        ),
        service_account_name='pipeline-processing',
        labels={'package': 'pipeline-processing', 'job': 'example-job'},
        get_logs=True,
        on_finish_action="delete_pod",
        startup_timeout_seconds=600,
        do_xcom_push=False,
        outlets=[Asset('s3://watershed/exports/pipeline_processing')],
    )
