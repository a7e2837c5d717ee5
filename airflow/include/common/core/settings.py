"""Every setting of Watershed, read once from the environment into a frozen object."""

import os
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from common.core.caches import per_process
from common.core.errors import ConfigError

OFF = "off"
PREFIX, DOMAINS_DIR = "WATERSHED_", "WATERSHED_DOMAINS_DIR"
OF_KUBERNETES = re.compile(r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$")
BESIDE_US = Path(__file__).resolve().parents[2] / "domains"
L = TypeVar("L", bound="Limits")


class Limits(BaseSettings):
    """What a file may take of time and memory; needed by commands that reach nothing."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    max_columns: Annotated[int, Field(gt=0)] = 20_000
    max_record_bytes: Annotated[int, Field(ge=1024)] = 16 * 1024 * 1024
    max_depth: Annotated[int, Field(gt=0, le=200)] = 100
    max_inflated_bytes: Annotated[int, Field(gt=0)] = 1024 * 1024 * 1024
    max_inflation: Annotated[int, Field(gt=0)] = 200


class Settings(Limits):
    """What may differ between a laptop and a cloud; `.env.example` lists each with its meaning."""

    bucket: str = Field(min_length=3)
    zone_buckets: dict[str, str] = {}
    ledger_url: str = Field(pattern=r"^postgresql(\+psycopg)?://")
    queue_base_url: str = OFF
    sweep_cron: str = "*/5 * * * *"
    bells: bool = True
    warehouse_conn: str = "warehouse"
    duckdb_conn: str = "warehouse_duckdb"
    warehouse_uri: str = Field("postgres://warehouse/warehouse", pattern=r"^postgres://[^/]+/[^/]+$")
    duckdb_uri: str = Field("duckdb://warehouse/main", pattern=r"^duckdb://[^/]+/[^/]+$")
    slack_conn: str = "slack_default"
    slack_channel: str = "#data-alerts"
    actor: str = ""
    hop_max_bytes: Annotated[int, Field(gt=0)] = 512 * 1024 * 1024
    hop_max_batches: Annotated[int, Field(gt=0)] = 500
    run_budget_seconds: Annotated[int, Field(gt=0)] = 600
    lease_seconds: Annotated[int, Field(ge=3)] = 60
    retention_hours: Annotated[int, Field(ge=24)] = 168

    @property
    def sweeps(self) -> bool:
        """Whether the scheduled wake-ups are on."""
        return self.sweep_cron.lower() != OFF

    @property
    def watches_queue(self) -> bool:
        """Whether landing is also woken by a queue of object notifications."""
        return self.bells and self.queue_base_url.lower() != OFF

    def queue_name(self, domain: str) -> str:
        """Name the queue that rings when something lands in the domain's raw prefix."""
        return f"watershed-{domain}-raw"

    def queue_url(self, domain: str) -> str:
        """Return the address of the domain's landing queue."""
        return f"{self.queue_base_url.rstrip('/')}/{self.queue_name(domain)}"


def domains_dir() -> Path:
    """Return where the contracts are; unlike the other settings it is needed by commands that reach nothing."""
    return Path(os.environ.get(DOMAINS_DIR) or BESIDE_US)


@per_process
def limits() -> Limits:
    """Read the limits of this process; raises ConfigError as `settings` does."""
    return _read(Limits)


@per_process
def settings() -> Settings:
    """Read the settings of this process.

    Raises ConfigError naming each variable that is missing or malformed.
    """
    return _read(Settings)


def _read(kind: type[L]) -> L:
    faults = list(misspelt(os.environ))
    try:
        if not faults:
            return kind()
    except ValidationError as error:
        faults = [
            f"{PREFIX}{'_'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}"
            for fault in error.errors()
        ]
    raise ConfigError(
        f"Watershed is not configured: {'; '.join(faults)}. See .env.example; in a checkout `make up` starts a "
        "stack that commands find by themselves."
    )


def misspelt(env: Mapping[str, str]) -> Iterator[str]:
    """Name each variable that looks like a setting and is none, with the one that was probably meant.

    Kubernetes makes variables of the services of a namespace, one of which may well be called watershed.
    """
    known = [*(f"{PREFIX}{name.upper()}" for name in Settings.model_fields), DOMAINS_DIR]
    for name in sorted(env):
        if name.startswith(PREFIX) and name not in known and not OF_KUBERNETES.search(name):
            close = get_close_matches(name, known, 1)
            yield f"there is no setting {name}" + (f" (did you mean {close[0]}?)" if close else "")
