"""Rules that are judged on the text of a DAG file: what only shows when a task runs, too."""

import ast
import sys
from collections.abc import Iterator

from dag_publisher.validation.faults import Fault

Found = Iterator[tuple[int, str, str]]

MODULES = {*sys.stdlib_module_names, "airflow", "pendulum", "kubernetes"}
AIRFLOW_2_ARGUMENTS = {
    "schedule_interval", "timetable", "sla", "sla_miss_callback", "provide_context", "concurrency", "default_view",
    "orientation", "fail_stop", "is_delete_operator_pod", "task_concurrency", "execution_timeout_seconds",
}  # fmt: skip
AIRFLOW_2_MODULES = ("airflow.operators", "airflow.sensors", "airflow.hooks", "airflow.contrib", "airflow.datasets")
AIRFLOW_2_NAMES = {("airflow", "Dataset"), ("airflow.utils.dates", "days_ago"), ("airflow.models", "DAG")}
INTERNALS = ("airflow.models", "airflow.settings", "airflow.utils.session", "airflow.api", "airflow.jobs", "sqlalchemy")
REGISTRATION = ("/api/v1/dags", "/api/v2/dags", "/api/experimental/dags", "api/v2/parseDagFile")
BUILDS = ("docker build", "docker buildx", "podman build", "buildah bud", "kaniko", "docker push")
STARTS = {
    "trigger_dag", "create_namespaced_pod", "create_namespaced_job", "create_namespaced_custom_object",
}  # fmt: skip
SOURCE = {"exec", "eval", "compile", "__import__"}
SOURCE_CALLS = {"importlib.import_module", "runpy.run_path", "runpy.run_module", "site.addsitedir", "sys.path.append"}
SOURCE_CALLS |= {"sys.path.insert", "sys.path.extend", "importlib.util.spec_from_file_location"}
VARIABLES = {"Variable.get", "Connection.get", "BaseHook.get_connection"}
AT_TOP = {
    "time.sleep": "top-level-call", "print": "top-level-call", "open": "top-level-call", "input": "top-level-call",
    "os.system": "subprocess", "os.popen": "subprocess",
} | dict.fromkeys(VARIABLES, "variable-get")  # fmt: skip
TOP_MODULES = {"requests": "network", "urllib": "network", "http": "network", "socket": "network", "boto3": "network"}
TOP_MODULES |= {"subprocess": "subprocess", "sqlite3": "database", "ctypes": "native-code", "shutil": "write"}


def static_faults(file: str, tree: ast.Module) -> list[Fault]:
    """Judge a file's text."""
    checks = (_imports, _arguments, _texts, _calls, _loops, _top_level)
    return sorted({Fault(file, line, rule, found) for check in checks for line, rule, found in check(tree)})


def imported(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """List what a file imports: line, module and name in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((node.lineno, module, alias.name) for alias in node.names)


def _imports(tree: ast.Module) -> Found:
    for line, module, name in imported(tree):
        what = f"from {module} import {name}" if name else f"import {module}"
        if (module, name) in AIRFLOW_2_NAMES or _below(module, AIRFLOW_2_MODULES):
            yield line, "airflow2-argument", what
        elif _below(module, INTERNALS):
            yield line, "database", what
        elif module.partition(".")[0] in ("airflow_client", "docker"):
            yield line, "api-registration" if module.startswith("airflow_client") else "image-rebuild", what
        elif module.partition(".")[0] not in MODULES:
            yield line, "package-import", what


def _below(module: str, parents: tuple[str, ...]) -> bool:
    return any(module == parent or module.startswith(f"{parent}.") for parent in parents)


def _arguments(tree: ast.Module) -> Found:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg in AIRFLOW_2_ARGUMENTS:
                    yield node.lineno, "airflow2-argument", f"argument {keyword.arg}"


def _texts(tree: ast.Module) -> Found:
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            for rule, words in (("api-registration", REGISTRATION), ("image-rebuild", BUILDS)):
                if word := next((word for word in words if word.lower() in node.value.lower()), ""):
                    yield node.lineno, rule, f"'{word}'"


def _calls(tree: ast.Module) -> Found:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        last = node.func.attr if isinstance(node.func, ast.Attribute) else name
        if name in SOURCE or name in SOURCE_CALLS:
            yield node.lineno, "package-source", f"{name}()"
        if last in STARTS or (last == "execute" and isinstance(node.func, ast.Attribute) and _made(node.func.value)):
            yield node.lineno, "monolith", f"{name or last}() starts a job inside of a task"
        if name.endswith("images.build"):
            yield node.lineno, "image-rebuild", f"{name}()"


def _made(node: ast.expr) -> bool:
    """Tell whether an expression makes an operator on the spot: `SomeOperator(...).execute(...)`."""
    return isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2].endswith(("Operator", "Sensor"))


def _loops(tree: ast.Module) -> Found:
    for loop in ast.walk(tree):
        if isinstance(loop, ast.While | ast.For):
            for node in ast.walk(loop):
                if isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] == "sleep":
                    yield node.lineno, "polling-loop", "sleep() in a loop"


def _top_level(tree: ast.Module) -> Found:
    for node in executed(tree):
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            rule = AT_TOP.get(name) or TOP_MODULES.get(name.partition(".")[0] if "." in name else "")
            if rule and not name.startswith("urllib.parse"):
                yield node.lineno, rule, f"{name}() at module level"


def executed(node: ast.AST) -> Iterator[ast.AST]:
    """List what is executed when a file is imported: all but the bodies of functions."""
    for below in ast.iter_child_nodes(node):
        if not isinstance(below, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield below
            yield from executed(below)
        elif not isinstance(below, ast.Lambda):
            for decorator in below.decorator_list:
                yield decorator
                yield from executed(decorator)


def dotted(node: ast.AST) -> str:
    """Write a name with its dots, or nothing where an expression is none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (begin := dotted(node.value)):
        return f"{begin}.{node.attr}"
    return ""
