"""Judge DAG files of a package: their text, and what two readings by the Airflow in use gave."""

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dag_publisher.names import belongs, is_file, is_id
from dag_publisher.validation.faults import Fault
from dag_publisher.validation.shut_in import Reading, read
from dag_publisher.validation.static import imported, static_faults

LIMIT = 30.0  # seconds for one file
BUDGET = 5.0  # seconds of CPU for one file, once Airflow and the providers it names are loaded
SEEDS = (1, 2)
NOT_STORED = ("content", "owners", "tags", "doc")


@dataclass(frozen=True)
class Judged:
    """What files hold, and what is wrong with them."""

    faults: list[Fault]
    dags: list[dict[str, Any]]
    airflow: str
    isolation: str


def judge(package: str, contents: Mapping[str, bytes], limit: float = LIMIT, budget: float = BUDGET) -> Judged:
    """Judge files by name and content; all faults are gathered, and nothing is raised for them."""
    trees, faults = _parsed(contents)
    for file, tree in trees.items():
        faults += static_faults(file, tree)
    if not trees:
        return Judged(faults, [], "", "nothing was imported")
    first, second = read({file: contents[file] for file in trees}, _preload(trees), limit, SEEDS)
    for file in trees:
        faults += _of_reading(file, first.files.get(file, _LOST), budget)
        faults += _compared(file, first.files.get(file, _LOST), second.files.get(file, _LOST))
    faults += _of_names(package, contents, first)
    dags = [_stored(file, dag) for file in sorted(trees) for dag in first.files.get(file, _LOST).get("dags", [])]
    return Judged(_once(faults), dags, _range(first.airflow), first.isolation)


_LOST: dict[str, Any] = {"error": "the process that imported the files died before this one", "line": 0}


def _parsed(contents: Mapping[str, bytes]) -> tuple[dict[str, ast.Module], list[Fault]]:
    trees, faults = dict[str, ast.Module](), list[Fault]()
    for file, content in contents.items():
        try:
            trees[file] = ast.parse(content)
        except (SyntaxError, ValueError) as error:
            faults.append(Fault(file, getattr(error, "lineno", None) or 1, "syntax", str(getattr(error, "msg", error))))
    return trees, faults


def _preload(trees: Mapping[str, ast.Module]) -> list[str]:
    """Name the providers' modules that files import: loaded once, as by a DAG processor that has forked before."""
    found = {module for tree in trees.values() for _, module, _ in imported(tree)}
    return sorted(module for module in found if module.startswith("airflow."))


def _of_reading(file: str, record: Mapping[str, Any], budget: float) -> Iterator[Fault]:
    for seen in record.get("seen", []):
        yield Fault(file, seen["line"], seen["rule"], seen["found"])
    made = record.get("made", [])
    if record["error"]:
        illegal = next((one for one in made if not is_id(one["dag_id"])), None)
        if record.get("timeout"):
            yield Fault(file, 1, "time-budget", record["error"])
        elif not record.get("seen") and not (illegal and "has to be made of" in record["error"]):
            yield Fault(file, record["line"] or 1, "import-error", record["error"])
    elif not record["dags"]:
        yield Fault(file, 1, "no-dag", "it was imported and holds no DAG")
    if record.get("seconds", 0) > budget:
        yield Fault(file, 1, "time-budget", f"its import took {record['seconds']:.1f} s of CPU, more than {budget:g}")
    for dag in record.get("dags", []):
        line = _line(record, dag["dag_id"])
        lacks = {"owner": not set(dag["owners"]) - {"airflow"}, "tags": not dag["tags"], "docs": not dag["doc"]}
        yield from (Fault(file, line, rule, f"DAG {dag['dag_id']} has none") for rule, lack in lacks.items() if lack)


def _line(record: Mapping[str, Any], dag_id: str) -> int:
    return next((int(one["line"]) for one in record.get("made", []) if one["dag_id"] == dag_id), 0) or 1


def _compared(file: str, one: Mapping[str, Any], two: Mapping[str, Any]) -> Iterator[Fault]:
    if late := next((record for record in (one, two) if record.get("timeout")), None):
        yield Fault(file, 1, "time-budget", late["error"])  # whose DAGs nobody has seen
        return
    hashes = [{dag["dag_id"]: dag["hash"] for dag in record.get("dags", [])} for record in (one, two)]
    different = sorted(set(hashes[0].items()) ^ set(hashes[1].items()))
    for dag_id in dict.fromkeys(dag_id for dag_id, _ in different):
        yield Fault(file, _line(one, dag_id), "not-deterministic", f"DAG {dag_id} differs between two readings")


def _of_names(package: str, contents: Mapping[str, bytes], reading: Reading) -> Iterator[Fault]:
    for file in contents:
        if not (is_file(file) and belongs(file, package)):
            yield Fault(file, 1, "file-name", f"'{file}' in package {package}")
    made = [(file, one) for file, record in reading.files.items() for one in record.get("made", [])]
    times = Counter(one["dag_id"] for _, one in made)
    for file, one in made:
        line, dag_id = one["line"] or 1, one["dag_id"]
        if not is_id(dag_id):
            yield Fault(file, line, "dag-id-charset", f"id '{dag_id}'")
        if not belongs(dag_id, package):
            yield Fault(file, line, "dag-id-prefix", f"id '{dag_id}' in package {package}")
        if times[dag_id] > 1:
            yield Fault(file, line, "dag-id-unique", f"id '{dag_id}' is there {times[dag_id]} times")


def _stored(file: str, dag: Mapping[str, Any]) -> dict[str, Any]:
    return {"file": file, **{name: value for name, value in dag.items() if name not in NOT_STORED}}


def _once(faults: list[Fault]) -> list[Fault]:
    """Leave a rule once on a line: text and reading often see the same."""
    return sorted({(fault.file, fault.line, fault.rule): fault for fault in sorted(faults, reverse=True)}.values())


def _range(version: str) -> str:
    """Return for which Airflow a release is: from the minor version that has read it to the end of the major one."""
    major, minor, *_ = version.split(".")
    return f">={major}.{minor},<{int(major) + 1}"
