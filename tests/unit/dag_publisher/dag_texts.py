"""DAG files as people write them: good ones, and bad ones that break one rule each."""

HEAD = """from datetime import datetime, timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, chain, dag, task, task_group

"""
OWNED = 'tags=["shop"], doc_md="What it does.", default_args={"owner": "shop"}'


def one(dag_id: str, more: str = "", inside: str = "    EmptyOperator(task_id='end')\n", before: str = "") -> str:
    """Write a file with one DAG."""
    return f'{HEAD}{before}with DAG("{dag_id}", {OWNED}{more}):\n{inside}'


def body(dag_id: str, text: str) -> str:
    """Write a DAG whose only task does something."""
    lines = "".join(f"        {line}\n" for line in text.splitlines())
    return one(dag_id, inside=f"    @task\n    def work():\n{lines}    work()\n")


DECORATED = HEAD + "@dag(schedule=None, {owned})\ndef {name}():\n    EmptyOperator(task_id='end')\n\n{name}()\n"
SECOND = f'\nwith DAG("shop x!", {OWNED}):\n    EmptyOperator(task_id="end")\n'

# The eight that an earlier validator let through, each with the rule by which it is refused here.
EIGHT = {
    "shop_foreign.py": ("dag-id-prefix", one("sales_daily")),
    "shop_second.py": ("dag-id-charset dag-id-prefix", one("shop_first") + SECOND),
    "shop_positional.py": ("dag-id-charset", one("shop_Daily.v1")),
    "shop_call.py": ("network", HEAD + "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:9/')\n"),
    "shop_missing.py": ("import-error", one("shop_missing", before="from airflow.sdk import NoSuchThing\n")),
    "shop_airflow2.py": ("airflow2-argument import-error", one("shop_two", ', schedule_interval="@daily"')),
    "shop_none.py": ("no-dag", HEAD + "def later():\n    return DAG('shop_none')\n"),
    "shop_syntax.py": ("syntax", one("shop_syntax") + "with DAG(:\n"),
}
ANTI_PATTERNS = {
    "shop_monolith.py": (
        "monolith",
        body("shop_monolith", "for job in ('a', 'b'):\n    EmptyOperator(task_id=job).execute({})"),
    ),
    "shop_monolith_pods.py": (
        "monolith",
        body(
            "shop_monolith_pods",
            "from kubernetes.client import CoreV1Api\nCoreV1Api().create_namespaced_pod('etl-jobs', {})",
        ),
    ),
    "shop_polling.py": ("polling-loop", body("shop_polling", "import time\nwhile True:\n    time.sleep(30)")),
    "shop_registers.py": (
        "api-registration",
        body("shop_registers", "import urllib.request as r\nr.urlopen('http://airflow/api/v2/dags/x')"),
    ),
    "shop_client.py": ("api-registration import-error", HEAD + "import airflow_client.client\n"),
    "shop_source.py": ("package-source", one("shop_source", before="import sys\nsys.path.append('/opt/shop')\n")),
    "shop_code.py": ("package-import import-error", HEAD + "from shop_pipeline.jobs import run\n"),
    "shop_relative.py": ("package-import import-error", HEAD + "from .jobs import run\n"),
    "shop_rebuild.py": (
        "image-rebuild",
        body("shop_rebuild", "import subprocess\nsubprocess.run('docker build -t shop .', shell=True)"),
    ),
}
WORK = {
    "shop_socket.py": (
        "network",
        one(
            "shop_s",
            before="import socket\ntry:\n    socket.create_connection(('127.0.0.1', 9))\nexcept OSError:\n    pass\n",
        ),
    ),
    "shop_hidden.py": (
        "network",
        one(
            "shop_h",
            before="from socket import create_connection as c\ntry:\n    c(('127.0.0.1', 9))\nexcept OSError:\n    pass\n",
        ),
    ),
    "shop_process.py": (
        "subprocess",
        one("shop_p", before="from subprocess import run as r\ntry:\n    r(['true'])\nexcept OSError:\n    pass\n"),
    ),
    "shop_ctypes.py": (
        "native-code",
        one(
            "shop_c",
            before="from ctypes import CDLL as lib\ntry:\n    lib(None).system(b'true')\nexcept OSError:\n    pass\n",
        ),
    ),
    "shop_writes.py": (
        "write",
        one(
            "shop_w",
            before="from pathlib import Path\ntry:\n    Path('/tmp/shop').write_text('x')\nexcept OSError:\n    pass\n",
        ),
    ),
    "shop_database.py": (
        "database",
        one("shop_db", before="from sqlite3 import connect as c\ntry:\n    c(':memory:')\nexcept OSError:\n    pass\n"),
    ),
    "shop_metadata.py": ("database", body("shop_metadata", "from airflow.models import DagRun\nDagRun.find()")),
    "shop_variable.py": (
        "variable-get",
        one(
            "shop_v", before="from airflow.sdk import Variable as V\ntry:\n    V.get('x')\nexcept OSError:\n    pass\n"
        ),
    ),
    "shop_sleeps.py": ("top-level-call", one("shop_sl", before="import time\ntime.sleep(0.01)\n")),
    "shop_busy.py": (
        "time-budget",
        one(
            "shop_b",
            before="import time\nbegan = time.process_time()\nwhile time.process_time() - began < 1.2:\n    pass\n",
        ),
    ),
    "shop_hangs.py": ("time-budget", one("shop_hangs", before="while True:\n    pass\n")),
    "shop_dies.py": ("import-error", HEAD + "import os\nos._exit(0)\n"),
}
FORM = {
    "shop_owner.py": ("owner", one("shop_o").replace('"owner": "shop"', "")),
    "shop_tags.py": ("tags", one("shop_t").replace('tags=["shop"], ', "")),
    "shop_docs.py": ("docs", one("shop_d").replace('doc_md="What it does.", ', "")),
    "shop_twice.py": ("dag-id-unique", one("shop_twice") + one("shop_twice").replace(HEAD, "")),
    "shop_clock.py": ("not-deterministic", one("shop_clock", ", start_date=datetime.now()")),
    "shop_set.py": (
        "not-deterministic",
        one("shop_set", inside="    chain(*[EmptyOperator(task_id=name) for name in {'a', 'b', 'c', 'd', 'e'}])\n"),
    ),
    "Shop_file.py": ("file-name", one("shop_file")),
    "other.py": ("file-name", one("shop_other")),
    "shop_old_operator.py": (
        "airflow2-argument import-error",
        HEAD + "from airflow.operators.dummy_operator import DummyOperator\n",
    ),
}
BAD = EIGHT | ANTI_PATTERNS | WORK | FORM

INSIDES = [
    "    EmptyOperator(task_id='end')\n",
    "    EmptyOperator(task_id='a') >> EmptyOperator(task_id='b')\n",
    "    chain(*[EmptyOperator(task_id=f't{n}') for n in range(5)])\n",
    "    EmptyOperator(task_id='a', outlets=[Asset('s3://bucket/gold/a')])\n",
    "    @task\n    def work(n):\n        return n\n    work.expand(n=[1, 2])\n",
    "    @task\n    def work():\n        import time\n        time.sleep(1)\n        print(open('/dev/null').read())\n    work()\n",
    "    @task_group\n    def part():\n        EmptyOperator(task_id='a')\n    part()\n",
    "    @task(retries=3, retry_delay=timedelta(minutes=1))\n    def work():\n        'Never docker build here.'\n    work()\n",
]
SCHEDULES = [
    "",
    ', schedule="@daily"',
    ', schedule="0 5 * * *", start_date=datetime(2026, 1, 1)',
    ', schedule=[Asset("s3://bucket/a")]',
]
GOOD = {
    **{
        f"shop_good_{n}_{m}.py": one(f"shop_good_{n}_{m}", schedule, inside)
        for n, inside in enumerate(INSIDES)
        for m, schedule in enumerate(SCHEDULES)
    },
    "shop_decorated.py": DECORATED.format(owned=OWNED, name="shop_decorated"),
    "shop_many.py": HEAD + f"for n in range(3):\n    with DAG(f'shop_many_{{n}}', {OWNED}):\n        EmptyOperator(task_id='end')\n",
    "shop.py": one("shop_itself", before="import os\nfrom urllib.parse import quote\nPART = os.path.join('a', quote('b c'))\n"),
}  # fmt: skip
