"""Every setting of Watershed, read once from the environment into a frozen object."""

import os
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from itertools import permutations
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from common.core.caches import per_process
from common.core.errors import ConfigError

OFF = "off"
PREFIX, DOMAINS_DIR = "WATERSHED_", "WATERSHED_DOMAINS_DIR"
OF_KUBERNETES = re.compile(r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$")
BESIDE_US = Path(__file__).resolve().parents[2] / "domains"
S = TypeVar("S", bound=BaseSettings)
# The engines, and what the addresses of their tables begin with: scheme, host or account, database.
ADDRESSES = {
    "postgres": r"^postgres://[^/]+/[^/]+$",
    "duckdb": r"^duckdb://[^/]+/[^/]+$",
    "redshift": r"^redshift://[^/]+/[^/]+$",
    "snowflake": r"^snowflake://[^/]+/[^/]+$",
}


class WarehouseAt(BaseModel):
    """One warehouse: its engine, its Airflow Connection, and where the addresses of its assets begin."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: str
    conn: str
    uri: str

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.engine not in ADDRESSES:
            raise ValueError(f"no engine '{self.engine}'. Known: {', '.join(ADDRESSES)}.")
        if not re.search(ADDRESSES[self.engine], self.uri):
            raise ValueError(f"'{self.uri}' is no address of {self.engine}: {self.engine}://HOST/DATABASE.")
        return self


# Zones that a domain may have in a place of its own, for their keys begin with its name; and all of them.
OF_DOMAINS = ("raw", "bronze", "silver", "gold")
ZONES = (*OF_DOMAINS, "quarantine", "manifests", "staging")
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^/]+)*/?")  # and a prefix in it
Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
# What others host has one connection each until somebody says more; it is asked for where a contract loads it.
HOSTED = {
    "redshift": WarehouseAt(engine="redshift", conn="warehouse_redshift", uri="redshift://warehouse/dev"),
    "snowflake": WarehouseAt(engine="snowflake", conn="warehouse_snowflake", uri="snowflake://warehouse/DEV"),
}


class Limits(BaseSettings):
    """What commands know that reach nothing: what a file may take, and which warehouses there are."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    max_columns: Annotated[int, Field(gt=0)] = 20_000
    max_record_bytes: Annotated[int, Field(ge=1024)] = 16 * 1024 * 1024
    max_depth: Annotated[int, Field(gt=0, le=200)] = 100
    max_inflated_bytes: Annotated[int, Field(gt=0)] = 1024 * 1024 * 1024
    max_inflation: Annotated[int, Field(gt=0)] = 200
    warehouse_conn: str = "warehouse"
    duckdb_conn: str = "warehouse_duckdb"
    warehouse_uri: str = Field("postgres://warehouse/warehouse", pattern=ADDRESSES["postgres"])
    duckdb_uri: str = Field("duckdb://warehouse/main", pattern=ADDRESSES["duckdb"])
    warehouses: dict[Word, WarehouseAt] = {}

    @property
    def all_warehouses(self) -> dict[str, WarehouseAt]:
        """Return the warehouses by the words that contracts use: one of each engine, and what the mapping adds."""
        return {
            "warehouse": WarehouseAt(engine="postgres", conn=self.warehouse_conn, uri=self.warehouse_uri),
            "duckdb": WarehouseAt(engine="duckdb", conn=self.duckdb_conn, uri=self.duckdb_uri),
            **HOSTED,
            **self.warehouses,
        }

    @model_validator(mode="after")
    def _addresses_are_unique(self) -> Self:
        words: dict[str, str] = {}
        for word, at in self.all_warehouses.items():
            if other := words.get(at.uri):
                raise ValueError(f"'{other}' and '{word}' have one address, {at.uri}: give each its own.")
            words[at.uri] = word
        return self


class Channels(BaseSettings):
    """How people are told; a DAG that uses nothing else of Watershed needs no other setting."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    slack_conn: str = "slack_default"
    slack_channel: str = "#data-alerts"
    mail_conn: str = "smtp_default"
    telegram_conn: str = "telegram_default"


class Settings(Channels, Limits):
    """What may differ between a laptop and a cloud; `.env.example` lists each with its meaning."""

    bucket: str = Field(min_length=3)
    zone_buckets: dict[str, str] = {}
    ledger_url: str = Field(pattern=r"^postgresql(\+psycopg)?://")
    queue_base_url: str = OFF
    sweep_cron: str = "*/5 * * * *"
    bells: bool | Literal["sensor"] = True
    watch_cron: str = "*/5 * * * *"
    wait_minutes: Annotated[int, Field(gt=0)] = 60
    run_deadline_minutes: Annotated[int, Field(gt=0)] = 120
    heartbeat_url: str = ""
    actor: str = ""
    engine: Literal["polars", "spark"] = "polars"
    spark_url: str = Field("", pattern=r"^(sc://[^/\s]+(/\S*)?)?$")
    spark_wait_seconds: Annotated[int, Field(gt=0)] = 300
    hop_max_bytes: Annotated[int, Field(gt=0)] = 512 * 1024 * 1024
    hop_max_batches: Annotated[int, Field(gt=0)] = 500
    run_budget_seconds: Annotated[int, Field(gt=0)] = 600
    lease_seconds: Annotated[int, Field(ge=3)] = 60
    retention_hours: Annotated[int, Field(ge=24)] = 168

    @model_validator(mode="after")
    def _places_are_apart(self) -> Self:
        found = {f"{zone} of all": f"{self.bucket}/{zone}/" for zone in ZONES if zone not in self.zone_buckets}
        for name, address in self.zone_buckets.items():
            domain, dot, zone = name.rpartition(".")
            if zone not in (OF_DOMAINS if dot else ZONES) or (dot and not re.fullmatch(r"[a-z][a-z0-9_]*", domain)):
                known = f"{', '.join(ZONES)}, or DOMAIN.ZONE with {', '.join(OF_DOMAINS)}"
                raise ValueError(f"zone_buckets: '{name}' is no zone. Known: {known}.")
            if not BUCKET.fullmatch(address):
                raise ValueError(f"zone_buckets: '{address}' of '{name}' is no bucket, nor BUCKET/PREFIX.")
            found[name] = f"{address.rstrip('/')}/"
        for one, other in permutations(found, 2):
            if found[one].startswith(found[other]):
                raise ValueError(f"zone_buckets: {one} would lie in {other} ({found[one]}): give each a place apart.")
        return self

    @property
    def sweeps(self) -> bool:
        """Whether the scheduled wake-ups are on."""
        return self.sweep_cron.lower() != OFF

    @property
    def watches(self) -> bool:
        """Whether what did not happen is looked for."""
        return self.watch_cron.lower() != OFF

    @property
    def watches_queue(self) -> bool:
        """Whether landing is also woken by a queue of object notifications."""
        return self.bells is True and self.queue_base_url.lower() != OFF

    @property
    def senses_raw(self) -> bool:
        """Whether landing is woken by a sensor that looks at the raw prefix."""
        return self.bells == "sensor"

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
def channels() -> Channels:
    """Read how people are told; raises ConfigError as `settings` does."""
    return _read(Channels)


@per_process
def settings() -> Settings:
    """Read the settings of this process.

    Raises ConfigError naming each variable that is missing or malformed.
    """
    return _read(Settings)


def _read(kind: type[S]) -> S:
    faults = list(misspelt(os.environ))
    try:
        if not faults:
            return kind()
    except ValidationError as error:
        faults = [_about(fault["loc"]) + fault["msg"] for fault in error.errors()]
    except SettingsError as error:  # no JSON where JSON is wanted
        faults = [f"{error}: {error.__cause__}"]
    raise ConfigError(
        f"Watershed is not configured: {'; '.join(faults)}. See .env.example; in a checkout `make up` starts a "
        "stack that commands find by themselves."
    )


def _about(place: tuple[int | str, ...]) -> str:
    """Name a variable and the place in it; nothing for what concerns several."""
    if not place:
        return ""
    within = f" ({', '.join(map(str, place[1:]))})" if place[1:] else ""
    return f"{PREFIX}{str(place[0]).upper()}{within}: "


def misspelt(env: Mapping[str, str]) -> Iterator[str]:
    """Name each variable that looks like a setting and is none, with the one that was probably meant.

    Kubernetes makes variables of the services of a namespace, one of which may well be called watershed.
    """
    known = [*(f"{PREFIX}{name.upper()}" for name in Settings.model_fields), DOMAINS_DIR]
    for name in sorted(env):
        if name.startswith(PREFIX) and name not in known and not OF_KUBERNETES.search(name):
            close = get_close_matches(name, known, 1)
            yield f"there is no setting {name}" + (f" (did you mean {close[0]}?)" if close else "")
