"""A domain for which no DAG file makes DAGs is named, and none that may have some."""

from collections.abc import Callable
from pathlib import Path

import pytest

from common.core.caches import forget
from common.pipelines.dag_files import domains_without_dags


@pytest.fixture
def dags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Write DAG files; the domains are `shop` and `mill`."""
    for domain in ("shop", "mill"):
        (tmp_path / "domains" / domain / "contracts").mkdir(parents=True)
    folder = tmp_path / "dags"
    folder.mkdir()
    monkeypatch.setenv("WATERSHED_DOMAINS_DIR", str(tmp_path / "domains"))
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(folder))
    forget()

    def write(**files: str) -> None:
        for name, text in files.items():
            (folder / f"{name}.py").write_text(text)

    return write


def test_a_domain_that_no_file_calls_for_is_named(dags: Callable[..., None]) -> None:
    dags(a='from common.dags.stages import domain_dags\ndomain_dags("shop")\n', other="# domain_dags('mill')\n")
    (found,) = domains_without_dags().items()
    assert found[0] == "mill"
    assert 'call domain_dags("mill")' in found[1]


@pytest.mark.parametrize(
    "call",
    ['stages.domain_dags("mill")', 'domain_dags(domain="mill")', "[domain_dags(d) for d in domains()]"],
)
def test_every_way_to_call_counts(dags: Callable[..., None], call: str) -> None:
    dags(a='domain_dags("shop")\n', b=f"{call}\n")
    assert domains_without_dags() == {}


def test_a_file_that_cannot_be_parsed_says_nothing_of_others(dags: Callable[..., None]) -> None:
    dags(a='domain_dags("shop")\n', b="def (\n")
    assert list(domains_without_dags()) == ["mill"]


def test_a_linked_folder_is_looked_into(dags: Callable[..., None], tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "all.py").write_text('domain_dags("shop"); domain_dags("mill")\n')
    (tmp_path / "dags" / "link").symlink_to(elsewhere)
    assert domains_without_dags() == {}


def test_without_a_folder_of_dags_nothing_is_said(dags: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", "/nowhere")
    assert domains_without_dags() == {}
