"""Two made-up studies: their designs put into the stand-in of a Vault, their files followed until it has the forms."""

import time
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any

import httpx
from rich.console import Console

from common.core.errors import ConfigError
from devstack.follow import Following, settled
from devstack.summary import show_arrived, summarise
from devstack.tour import SLOW, put, wait_for, why
from domains.clinical.samples.study import Deliveries, deliveries

DOMAIN, SEED = "clinical", 2026
CONNECTION, STAND_IN = "veeva_default", "/veeva"


def vault() -> str:
    """Return the address of the stand-in; raises ConfigError where the connection leads to a Vault itself."""
    from airflow.sdk import BaseHook

    host = str(BaseHook.get_connection(CONNECTION).host or "")
    if not host.endswith(STAND_IN):
        raise ConfigError(f"Connection '{CONNECTION}' leads to {host}; sample studies are for the stand-in.")
    return host


def hand_over(found: Deliveries) -> int:
    """Let CDMS have the studies and raw the files; tell how many files were put."""
    for name, design in found.studies.items():
        httpx.put(f"{vault()}/studies/{name}", json=design, timeout=SLOW).raise_for_status()
    return put(DOMAIN, found.drops)


def tour(console: Console) -> dict[str, Any]:
    """Hand the studies over to the stack that the environment reaches, and give the summary of what arrived.

    Raises TourFailed where patience ends.
    """
    began = time.monotonic()
    files = hand_over(deliveries(SEED))
    last_put = time.time()
    with Following(console, DOMAIN, files) as following:
        wait_for(partial(settled, DOMAIN), following.show, "the forms to arrive in CDMS", partial(why, DOMAIN))
    return summarise(DOMAIN, last_put, {"pipelines": time.monotonic() - began}) | {"answers": answers()}


def answers() -> dict[str, Any]:
    """Count what the change log of CDMS has: items set, those set more than once, subjects of each study."""
    log = httpx.get(f"{vault().removesuffix(STAND_IN)}/messages", params={"service": "veeva"}, timeout=SLOW).json()
    changes = [one for one in log if one["kind"] == "change"]
    times = Counter(_place(one) for one in changes)
    subjects = {(one["study_name"], one["subject"]) for one in changes}
    return {
        "items": len(times),
        "set_again": sum(count > 1 for count in times.values()),
        "forms": len({place[:-1] for place in times}),
        "subjects": dict(sorted(Counter(study for study, _ in subjects).items())),
    }


def _place(change: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("study_name", "subject", "event_name", "form_name", "form_sequence", "item_name")
    return tuple(change[name] for name in names)


def show_summary(console: Console, found: dict[str, Any]) -> None:
    """Tell a person what arrived in CDMS, what was refused, and where to look."""
    show_arrived(console, found)
    answers = found["answers"]
    subjects = ", ".join(f"{study} {count} subjects" for study, count in answers["subjects"].items())
    console.print(
        f"\n[bold]{answers['forms']:,} forms[/] in CDMS with {answers['items']:,} items ({subjects}); "
        f"{answers['set_again']:,} of them set again, as corrections came.\n"
        f"From the last file put to the last form: {found['seconds']['put_to_warehouse']:.1f} s.",
        highlight=False,
    )
