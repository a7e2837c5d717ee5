"""Import DAG files in a process that is shut in, and say what came of each. Runs as a program, by itself.

It must not import anything of this package: the files shall find Airflow and nothing else. Standard input holds the job
as JSON, standard output gets a line of JSON for each file. Airflow is loaded once; each file has a fork of its own.
"""

import contextlib
import hashlib
import importlib
import json
import os
import re
import resource
import select
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

NETWORK = ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostby", "socket.sendto", "urllib.Request")
PROCESS = ("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "pty.spawn", "os.kill")
WRITES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.chmod", "os.chown", "os.truncate", "os.link", "shutil.")
NATIVE = ("ctypes.",)
DATABASE = ("sqlite3.connect",)
KINDS = {"network": NETWORK, "subprocess": PROCESS, "native-code": NATIVE, "database": DATABASE}
BY_LIBRARIES = ("native-code", "write")  # what a library may do while it is imported
SECRETS = (("airflow.sdk", "Variable", "get"), ("airflow.sdk", "BaseHook", "get_connection"))


class Watch:
    """What a file does while it is imported that no DAG file may do."""

    def __init__(self, path: Path) -> None:
        self.path, self.armed = str(path), True
        self.seen: list[dict[str, Any]] = []
        self.made: list[dict[str, Any]] = []

    def line(self, depth: int = 2) -> tuple[int, bool]:
        """Return the line of the file that is being executed, and whether a library is being imported from there."""
        frame: FrameType | None = sys._getframe(depth)
        importing = False
        while frame:
            if frame.f_code.co_filename == self.path:
                return frame.f_lineno, importing
            importing = importing or "importlib" in frame.f_code.co_filename
            frame = frame.f_back
        return 0, importing

    def refuse(self, rule: str, what: str, depth: int = 3) -> None:
        """Record what the file does, and stop it."""
        line, importing = self.line(depth)
        if line and not (importing and rule in BY_LIBRARIES):
            self.seen.append({"line": line, "rule": rule, "found": what})
            self.armed = False
            try:
                raise PermissionError(f"{what} is not allowed while a DAG file is imported")
            finally:
                self.armed = True

    def audit(self, event: str, args: tuple[Any, ...]) -> None:
        """Be the audit hook of the process."""
        if self.armed and (rule := _rule_of(event, args)):
            detail = next((str(arg) for arg in args if isinstance(arg, str | tuple | list)), "")
            self.refuse(rule, f"{event}({detail[:80]})")


def _rule_of(event: str, args: tuple[Any, ...]) -> str | None:
    if event == "open":
        mode, flags = args[1], args[2]
        writes = any(letter in str(mode or "") for letter in "wax+") if mode else flags & (os.O_WRONLY | os.O_RDWR)
        return "write" if writes and args[0] != os.devnull else None
    if event.startswith(WRITES):
        return "write"
    return next((rule for rule, events in KINDS.items() if event.startswith(events)), None)


def watched(path: Path) -> Watch:
    """Set up the watch over the import of one file."""
    watch = Watch(path)
    for module, owner, name in SECRETS:
        _forbid(watch, getattr(importlib.import_module(module), owner), name)
    _note_dags(watch)
    sys.addaudithook(watch.audit)
    return watch


def _forbid(watch: Watch, owner: type, name: str) -> None:
    def refused(*args: object, **_: object) -> None:
        asked = f"{owner.__name__}.{name}({', '.join(map(repr, args[:1]))})"
        watch.refuse("variable-get", asked)
        raise PermissionError(f"{asked}: there are no variables and connections while a DAG file is imported")

    setattr(owner, name, staticmethod(refused))


def _note_dags(watch: Watch) -> None:
    """Record each DAG that is made, illegal ones too, with its line: Airflow itself keeps one of two equal ids."""
    from airflow.sdk import DAG

    made = DAG.__init__

    def noted(self: DAG, *args: Any, **kwargs: Any) -> None:
        line, _ = watch.line()
        watch.made.append({"dag_id": str(args[0] if args else kwargs.get("dag_id", "")), "line": line})
        made(self, *args, **kwargs)

    DAG.__init__ = noted  # type: ignore[method-assign]


def probed(path: Path) -> dict[str, Any]:
    """Import one file as the DAG processor does, and tell what it holds."""
    from airflow.dag_processing.dagbag import DagBag

    watch, began = watched(path), time.process_time()
    with warnings.catch_warnings(record=True):
        bag = DagBag(path, safe_mode=False, bundle_path=path.parent, bundle_name="probe", collect_dags=False)
        bag.dagbag_import_error_tracebacks = True
        bag.collect_dags(path, safe_mode=False)
    seconds = time.process_time() - began
    watch.armed = False
    dags, errors = [], list(bag.import_errors.values())
    for dag in bag.dags.values():
        try:
            dags.append(facts(dag))
        except Exception as problem:  # noqa: BLE001 - of whatever kind, it is told
            errors.append(f"DAG {dag.dag_id} cannot be serialized: {problem}")
    error = errors[0] if errors else ""
    found = {"seconds": seconds, "seen": watch.seen, "made": watch.made, "dags": dags}
    places = re.findall(rf'File "{re.escape(str(path))}", line (\d+)', error)
    return {**found, "error": (error.strip().splitlines() or [""])[-1], "line": int(places[-1]) if places else 0}


def facts(dag: Any) -> dict[str, Any]:
    """Tell of a DAG what others must know, and what tells two readings of it apart."""
    from airflow.serialization.serialized_objects import DagSerialization

    content = DagSerialization.to_dict(dag)["dag"]
    for name in ("fileloc", "relative_fileloc", "_processor_dags_folder"):
        content.pop(name, None)
    text = json.dumps(content, sort_keys=True, default=str)
    tasks = list(dag.tasks)
    return {
        "dag_id": dag.dag_id,
        "schedule": schedule(dag),
        "schedule_assets": sorted({uri for uri in uris(content["timetable"]) if uri}),
        "outlet_assets": sorted({getattr(out, "uri", "") for task in tasks for out in task.outlets} - {""}),
        "owners": sorted({str(task.owner) for task in tasks}),
        "tags": sorted(map(str, dag.tags or [])),
        "doc": bool((dag.doc_md or dag.description or "").strip()),
        "images": sorted({str(task.image) for task in tasks if isinstance(getattr(task, "image", None), str)}),
        "tasks": len(tasks),
        "content": text,
        "hash": hashlib.sha256(text.encode()).hexdigest(),
    }


def schedule(dag: Any) -> str | None:
    """Say in words when a DAG runs."""
    return dag.schedule if isinstance(dag.schedule, str | None) else type(dag.timetable).__name__


def uris(content: Any) -> Iterator[str]:
    """Find the addresses of the assets in a serialized timetable."""
    if isinstance(content, dict):
        if isinstance(content.get("uri"), str):
            yield content["uri"]
        content = list(content.values())
    if isinstance(content, list):
        for part in content:
            yield from uris(part)


def in_a_fork(path: Path, limit: float) -> dict[str, Any]:
    """Import a file in a fork that is ended when its time is over."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.close(reading)
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 2))
        try:
            answer = json.dumps(probed(path))
        except BaseException:  # noqa: BLE001 - of whatever kind, it is told
            answer = json.dumps({"error": traceback.format_exc().strip().splitlines()[-1], "line": 0})
        with contextlib.suppress(BaseException), os.fdopen(writing, "w") as out:
            out.write(answer)
        os._exit(0)
    os.close(writing)
    found = _read(reading, limit)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if found is None:
        return {"error": f"it was not imported after {limit:g} s", "timeout": True, "line": 0}
    dead = {"error": "the process died while it imported the file", "line": 0}
    told: dict[str, Any] = json.loads(found) if found else dead
    return told


def _read(reading: int, limit: float) -> bytes | None:
    ends, chunks = time.monotonic() + limit, list[bytes]()
    with os.fdopen(reading, "rb") as pipe:
        while (left := ends - time.monotonic()) > 0:
            if not select.select([pipe], [], [], left)[0]:
                break
            if not (chunk := os.read(pipe.fileno(), 65536)):
                return b"".join(chunks)
            chunks.append(chunk)
    return None


def main() -> None:
    """Do the job that standard input holds."""
    job = json.load(sys.stdin)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what files print is no answer
    warnings.simplefilter("ignore")
    import airflow.dag_processing.dagbag
    import airflow.serialization.serialized_objects  # noqa: F401 - loaded before the forks, once for all

    for module in job["preload"]:
        with contextlib.suppress(Exception):
            importlib.import_module(module)
    importlib.import_module("airflow.sdk").Asset(name="first", uri="s3://first/one")  # loads the kinds of assets
    print(json.dumps({"airflow": importlib.import_module("airflow").__version__}), file=out, flush=True)
    for name in job["files"]:
        print(json.dumps({"file": name, **in_a_fork(Path(job["folder"]) / name, job["limit"])}), file=out, flush=True)


if __name__ == "__main__":
    main()
