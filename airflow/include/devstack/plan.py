"""What a stack is asked to start: settled by `up`, read by the supervisor and by every unit."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from devstack.certificates import certify
from devstack.environment import chosen_by_user, environment
from devstack.folder import StateFolder, read_json, write_json
from devstack.keys import keys_of
from devstack.ports import HOST, PREFERRED, Claims, choose_ports


@dataclass(frozen=True)
class Plan:
    """Ports by service, the units in their order, and the environment that reaches them."""

    ports: dict[str, int]
    units: tuple[str, ...]
    env: dict[str, str]

    def address(self, service: str) -> str:
        """Return where a service listens, or nothing for one that does not."""
        if service not in self.ports:
            return ""
        scheme = {"postgres": "postgresql", "smtp": "smtp"}.get(service, "http")
        return f"{scheme}://{HOST}:{self.ports[service]}"


def make_plan(folder: StateFolder, units: Sequence[str], overrides: Mapping[str, str], claims: Claims) -> Plan:
    """Claim ports, read keys and settle the environment; keep all of it in the state folder."""
    last = read_json(folder.plan) or {}
    ports = choose_ports(PREFERRED, last.get("ports", {}), claims.take)
    env = environment(folder, ports, keys_of(folder), {**chosen_by_user(), **overrides})
    plan = Plan(ports, tuple(units), env | _trust(folder, units))
    write_json(folder.plan, asdict(plan))
    return plan


def _trust(folder: StateFolder, units: Sequence[str]) -> dict[str, str]:
    """Let clients trust the one stand-in that speaks TLS, beside whom they trust anyway."""
    if "snowflake" not in units:
        return {}
    return {"REQUESTS_CA_BUNDLE": str(certify(folder.path / "snowflake", "localhost", HOST))}


def read_plan(folder: StateFolder) -> Plan | None:
    """Read the plan that the folder's last `up` made, if any."""
    content = read_json(folder.plan)
    return Plan(**{**content, "units": tuple(content["units"])}) if content else None
