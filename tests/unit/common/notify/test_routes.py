"""Who is told of what: the first route, the fitting ones, and what is wrong with a file of routes."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from common.cli.main import app
from common.core.settings import BESIDE_US
from common.ledger import incidents
from common.notify.kinds import KINDS, cause_of
from common.notify.message import Severity
from common.notify.routes import FILE, FOLDER, About, Routes, route_faults, safe_routes

DOCS = Path(__file__).parents[4] / "docs" / "notifications.md"


class Found:
    """An incident, as far as its cause goes."""

    def __init__(self, kind: str, consumer: str, detail: str) -> None:
        self.kind, self.consumer, self.detail = kind, consumer, detail


def told(
    routes: str, *, severity: str = "error", owner: str = "me", domain: str = "shop", kind: str = "parked"
) -> list[str]:
    import yaml

    about = About(kind=kind, severity=Severity(severity), owner=owner, domain=domain)
    return [f"{to.channel}:{to.recipient}" for to in Routes.model_validate(yaml.safe_load(routes)).of(about)]


def test_each_route_that_fits_is_taken_once_and_none_means_the_first() -> None:
    routes = """
    routes:
      - {to: "slack:#all", at_least: warning}
      - {to: "pagerduty:duty", at_least: critical}
      - {to: "teams:shop", domain: shop, owner: me}
      - {to: "slack:#all"}
    """
    assert told(routes) == ["slack:#all", "teams:shop"]
    assert told(routes, severity="critical", domain="else") == ["slack:#all", "pagerduty:duty"]
    assert told('routes: [{to: "mail:a@b.org", kind: stopped}, {to: "slack:#x", kind: stale}]') == ["mail:a@b.org"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("routes: []", "routes: .*at least 1 item"),
        ("{}", "routes: Field required"),
        ("", "is empty"),
        ('routes: [{to: "pigeon:me"}]', "'pigeon:me' names no channel. Known: slack, mail, teams, telegram, pagerduty"),
        ('routes: [{to: "slack:"}]', "'slack:' names nobody: expected slack:RECIPIENT"),
        ('routes: [{to: "slack:#a", fallback: "slack:#a"}]', "falls back to itself"),
        ('routes: [{to: "slack:#a", fallback: "smoke:a"}]', "'smoke:a' names no channel"),
        (
            'routes: [{to: "slack:#a", at_least: bad}]',
            "at_least: Input should be 'info', 'warning', 'error' or 'critical'",
        ),
        ('routes: [{to: "slack:#a", kind: stoped}]', "no kind of incident 'stoped'. Is 'stopped' meant"),
        ('routes: [{to: "slack:#a", onwer: x}]', "onwer: Extra inputs are not permitted"),
        ('{severity: {prked: info}, routes: [{to: "slack:#a"}]}', "Is 'parked' meant"),
        ('{repeat_after_hours: 0, routes: [{to: "slack:#a"}]}', "repeat_after_hours: .*greater than 0"),
        ('routes: [{to: "slack:#a", owner: nobody}]', "no owner 'nobody'. Known: .*shop-team"),
        ('routes: [{to: "slack:#a", domain: nowhere}]', "no domain 'nowhere'. Known: .*ecommerce"),
        ("routes: [", "not YAML"),
        ('{routes: [{to: "slack:#a"}], routes: [{to: "slack:#b"}]}', "'routes' stands more than once"),
    ],
)
def test_lint_names_what_is_wrong_with_the_routes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, wanted: str
) -> None:
    (tmp_path / "ecommerce").symlink_to(BESIDE_US / "ecommerce")
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / FILE).write_text(text, encoding="utf-8")
    monkeypatch.setenv("WATERSHED_DOMAINS_DIR", str(tmp_path))
    (fault,) = route_faults()
    assert re.search(wanted, fault), fault
    assert str(tmp_path / FOLDER / FILE) in fault
    result = CliRunner().invoke(app, ["contract", "lint"])
    assert result.exit_code == 1
    assert " ".join(fault.split()) in " ".join(result.output.split())
    if "nobody" not in text and "nowhere" not in text:
        assert safe_routes().routes[0].to == "slack:#data-alerts", "no message is lost meanwhile"


def test_lint_tries_templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ecommerce").symlink_to(BESIDE_US / "ecommerce")
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "mail.txt.j2").write_text("{{ titel }}", encoding="utf-8")
    monkeypatch.setenv("WATERSHED_DOMAINS_DIR", str(tmp_path))
    result = CliRunner().invoke(app, ["contract", "lint"])
    assert result.exit_code == 1
    assert "titel" in result.output


def test_every_kind_is_known_and_told_of_in_the_docs() -> None:
    words = {value for name, value in vars(incidents).items() if name.isupper() and isinstance(value, str)}
    ends = {"released", "refused", "resolved", "changed", "elsewhere", "told"}
    assert set(KINDS) == words - ends
    rows = dict(
        re.findall(r"^\| `(\w+)` \| (info|warning|error|critical) \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert rows == {word: kind.severity.value for word, kind in KINDS.items()}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("3 rows of 'a' are bad", "41 rows of 'it''s' are bad", True),
        ("batch 0f3c9a77bbcd is gone", "batch 77bbcd0f3c9a is gone", True),
        ("no column id", "no column name", False),
        ("a\n  b", "a b", True),
    ],
)
def test_a_cause_is_what_two_incidents_have_in_common(one: str, other: str, same: bool) -> None:
    parked = [cause_of(Found("parked", "a.b.silver", detail)) for detail in (one, other)]
    assert (parked[0] == parked[1]) == same
    assert cause_of(Found("parked", "a.c.silver", one)) != parked[0], "another consumer"
    assert cause_of(Found("failed", "x.y", one)) == cause_of(Found("failed", "x.z", one)), "wherever it fails"
