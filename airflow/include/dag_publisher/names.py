"""Names that a package may use: its own, its files', its DAGs' ids, its environments."""

import re

from dag_publisher.errors import Refused

ENVIRONMENTS = ("dev", "staging", "prod")
PACKAGE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
DAG_ID = re.compile(r"[a-z][a-z0-9_]*")
FILE = re.compile(r"[a-z][a-z0-9_]*\.py")
LONGEST_PACKAGE, LONGEST_ID = 40, 200  # Airflow cuts ids at 250, and a bundle's version names its packages
PACKAGE_RULE = f"lower-case words of letters and digits, joined by single underscores, at most {LONGEST_PACKAGE} long"
ID_RULE = f"lower-case letters, digits and underscores, begun by a letter, at most {LONGEST_ID} long"


def is_package(name: str) -> bool:
    """Return whether a package may have such a name."""
    return bool(PACKAGE.fullmatch(name)) and len(name) <= LONGEST_PACKAGE


def require_package(name: str) -> str:
    """Return a package's name; raises Refused where it may not be one."""
    if not is_package(name):
        raise Refused(f"'{name}' is no name of a package. Allowed: {PACKAGE_RULE}, such as reporting_seeder.")
    return name


def require_environment(name: str) -> str:
    """Return an environment's name; raises Refused where it is none of the known ones."""
    if name not in ENVIRONMENTS:
        raise Refused(f"No environment '{name}'. Known: {', '.join(ENVIRONMENTS)}.")
    return name


def is_id(text: str) -> bool:
    """Return whether a DAG may have such an id, whatever its package."""
    return bool(DAG_ID.fullmatch(text)) and len(text) <= LONGEST_ID


def is_file(text: str) -> bool:
    """Return whether a DAG file may have such a name, whatever its package."""
    return bool(FILE.fullmatch(text)) and len(text) <= LONGEST_ID


def belongs(name: str, package: str) -> bool:
    """Return whether an id or a file's name begins with that of its package."""
    return name.startswith(f"{package}_") or name == f"{package}.py"
