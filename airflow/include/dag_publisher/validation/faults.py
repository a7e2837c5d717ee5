"""The rules that a DAG file is judged by, and what is said where it breaks one."""

from dataclasses import asdict, dataclass

from dag_publisher.names import ID_RULE

# Each rule, and what is allowed instead.
RULES = {
    "syntax": "a file that the Python in use can read",
    "import-error": "a file that the Airflow in use imports without an error",
    "no-dag": "at least one DAG in each file, at module level or made by a call there",
    "file-name": "<package>.py or <package>_<anything>.py, in lower case",
    "dag-id-prefix": "an id that begins with the package's name and an underscore",
    "dag-id-charset": ID_RULE,
    "dag-id-unique": "each id once in a package",
    "airflow2-argument": "the arguments and modules of Airflow 3: schedule, on_finish_action, airflow.sdk",
    "owner": "default_args with an owner: the team that answers for the DAG",
    "tags": "tags=[...], by which people find the DAG",
    "docs": "doc_md or description: what it does, and what to do when it fails",
    "not-deterministic": "the same DAG each time the file is read: no clock, chance, or order of a set",
    "time-budget": "an import within the time budget: definitions only, no work",
    "top-level-call": "definitions at module level; work belongs into a task's container",
    "network": "no connection while the file is imported; the task's container makes them",
    "subprocess": "no program started while the file is imported",
    "write": "no file written while the file is imported",
    "native-code": "no ctypes in a DAG file",
    "database": "no database while the file is imported, and none of Airflow's at any time",
    "variable-get": "templates ({{ var.value.name }}), which are read when the task runs",
    "package-import": "imports of the standard library, airflow and pendulum; the package's code is in its image",
    "package-source": "KubernetesPodOperator with the package's image: the scheduler has no source of a package",
    "monolith": "one DAG for each job with a schedule of its own (`generate` writes it), not one that starts them all",
    "polling-loop": "an asset schedule, or a deferrable sensor: nothing waits in a loop",
    "api-registration": "`airflow-dag-publisher publish`: Airflow finds DAGs by itself, nobody registers them",
    "image-rebuild": "images that CI has built; a DAG names one by tag or digest",
}


@dataclass(frozen=True, order=True)
class Fault:
    """A rule that is broken: where, and what was found there."""

    file: str
    line: int
    rule: str
    found: str

    @property
    def allowed(self) -> str:
        """Say what is allowed instead."""
        return RULES[self.rule]

    def __str__(self) -> str:
        """Write it as a line that editors can jump to."""
        return f"{self.file}:{self.line}: {self.rule}: {self.found}. Allowed: {self.allowed}."

    def row(self) -> dict[str, object]:
        """Give it for --json."""
        return {**asdict(self), "allowed": self.allowed}
