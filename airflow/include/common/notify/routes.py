"""Who is told of what: `notifications/routes.yaml` in the folder of the domains, or else one channel of Slack."""

from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from common.contracts.catalogue import contract_of, contracts, domains
from common.contracts.document import parse
from common.core.errors import ConfigError, ContractError
from common.core.nouns import Dataset
from common.core.settings import channels, domains_dir
from common.ledger.outbox import Recipient
from common.notify.channels import CHANNELS
from common.notify.kinds import KINDS, kind_of
from common.notify.message import Severity

FOLDER, FILE = "notifications", "routes.yaml"


class Route(BaseModel):
    """Whom to tell, `channel:recipient`, of incidents that are at least so bad, and of an owner, domain or kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    to: str
    fallback: str = ""
    at_least: Severity = Severity.INFO
    owner: str = ""
    domain: str = ""
    kind: str = ""

    @model_validator(mode="after")
    def _known(self) -> Self:
        recipient_of(self.to)
        if self.fallback:
            recipient_of(self.fallback)
        if self.fallback == self.to:
            raise ValueError(f"falls back to itself, '{self.to}': name another channel.")
        _require_kind(self.kind)
        return self

    def fits(self, about: "About") -> bool:
        """Return whether it is told of an incident."""
        asked = ((self.owner, about.owner), (self.domain, about.domain), (self.kind, about.kind))
        return about.severity.rank >= self.at_least.rank and all(wanted in ("", is_) for wanted, is_ in asked)


class Routes(BaseModel):
    """Every route, what kinds of incidents are less or more severe than usual, and when to tell of them again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    routes: Annotated[tuple[Route, ...], Field(min_length=1)]
    severity: Mapping[str, Severity] = {}
    repeat_after_hours: Annotated[float, Field(gt=0)] = 24

    @model_validator(mode="after")
    def _kinds_are_known(self) -> Self:
        for kind in self.severity:
            _require_kind(kind)
        return self

    @property
    def repeat_after(self) -> timedelta:
        """Return how long after a message the next one is due, while nothing changes."""
        return timedelta(hours=self.repeat_after_hours)

    def severity_of(self, kind: str) -> Severity:
        """Return how bad a kind of incident is."""
        return self.severity.get(kind, kind_of(kind).severity)

    def of(self, about: "About") -> list[Recipient]:
        """Return who is told of an incident; one that fits no route goes to the first, for somebody must know."""
        fitting = [route for route in self.routes if route.fits(about)] or [self.routes[0]]
        found: dict[tuple[str, str], Recipient] = {}
        for route in fitting:
            channel, recipient = recipient_of(route.to)
            found.setdefault((channel, recipient), Recipient(channel, recipient, route.fallback))
        return list(found.values())


class About(BaseModel):
    """What routes ask of an incident."""

    model_config = ConfigDict(frozen=True)

    kind: str
    severity: Severity
    owner: str
    domain: str


def recipient_of(text: str) -> tuple[str, str]:
    """Read `channel:recipient`; raises ValueError naming the channels."""
    channel, colon, recipient = text.partition(":")
    if channel not in CHANNELS:
        raise ValueError(f"'{text}' names no channel. Known: {', '.join(CHANNELS)}.")
    if not (colon and recipient.strip()):
        raise ValueError(f"'{text}' names nobody: expected {channel}:RECIPIENT.")
    return channel, recipient.strip()


def _require_kind(kind: str) -> None:
    if kind and kind not in KINDS:
        near = get_close_matches(kind, KINDS, 1)
        hint = f" Is '{near[0]}' meant?" if near else ""
        raise ValueError(f"no kind of incident '{kind}'.{hint} Known: {', '.join(KINDS)}.")


def routes_file() -> Path:
    """Return where the routes are, if there are any."""
    return domains_dir() / FOLDER / FILE


def routes() -> Routes:
    """Read the routes; raises ConfigError naming what is wrong. Without a file, all goes to one channel of Slack."""
    path = routes_file()
    if not path.exists():
        return Routes(routes=(Route(to=f"slack:{channels().slack_channel}"),))
    try:
        document = parse(path.read_text(encoding="utf-8"), str(path))
        if document.faults:
            raise ConfigError(f"{path}: {'; '.join(map(str, document.faults))}")
        return Routes.model_validate(document.data or {})
    except ValidationError as error:
        faults = [f"{_place(item['loc'])}{item['msg'].removeprefix('Value error, ')}" for item in error.errors()]
        raise ConfigError(f"{path}: {'; '.join(faults)}.".replace("..", ".")) from None
    except ContractError as error:
        raise ConfigError(str(error)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}.") from None


def _place(place: tuple[int | str, ...]) -> str:
    return f"{'.'.join(map(str, place))}: " if place else ""


def safe_routes() -> Routes:
    """Read the routes; where they have a fault, which lint tells of, all goes to one channel of Slack."""
    try:
        return routes()
    except ConfigError:
        return Routes(routes=(Route(to=f"slack:{channels().slack_channel}"),))


def route_faults() -> list[str]:
    """List what is wrong with the routes, and the owners and domains in them that no contract has."""
    if (other := routes_file().with_suffix(".yml")).exists():
        return [f"{other}: is not read; call it {FILE}."]
    try:
        found = routes().routes if routes_file().exists() else ()
    except ConfigError as error:
        return [str(error)]
    known = domains()
    owners = {contract.owner for domain in known for contract in contracts(domain).values()}
    return [
        f"{routes_file()}: no {word} '{given}'. Known: {', '.join(sorted(there)) or 'none'}."
        for route in found
        for word, given, there in (("owner", route.owner, owners), ("domain", route.domain, known))
        if given and given not in there
    ]


def require_known() -> None:
    """Raise ConfigError with every fault of the routes."""
    if found := route_faults():
        raise ConfigError("\n".join(found))


def owner_of(domain: str, name: str = "") -> str:
    """Return the owner of a dataset, or the one that most contracts of the domain name."""
    try:
        if name in contracts(domain):
            return contract_of(Dataset(domain, name)).owner
        owners = [contract.owner for contract in contracts(domain).values()]
    except (ConfigError, ContractError):
        owners = []
    return max(sorted(set(owners)), key=owners.count, default="data-platform")
