"""The README's pictures, taken of a stack on which the demo has run: the asset graph and an alert."""

import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import httpx
from playwright.sync_api import FloatRect, Locator, Page, sync_playwright
from rich.console import Console

from common.core.settings import BESIDE_US
from devstack.folder import REPOSITORY
from devstack.progress import Progress
from devstack.stack import Stack
from devstack.summary import show_summary
from devstack.tour import api, slack, tour

PICTURES = REPOSITORY / "docs" / "pictures"
STATE = REPOSITORY / "var" / "pictures" / "stack"
ASSET = "ecommerce.transactions.silver"
NODE = ".react-flow__node"
PATIENCE = 60_000  # milliseconds
MARGIN = 20
CHANNELS = {
    "slack": "#data-alerts",
    "mail": "duty@example.org",
    "teams": "msteams_default",
    "telegram": "-1001234567890",
    "pagerduty": "pagerduty_default",
}
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def opened(width: int, height: int) -> Iterator[Page]:
    """Open a page in headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        yield browser.new_page(viewport={"width": width, "height": height})
        browser.close()


def take_asset_graph(path: Path, names: Sequence[str]) -> list[str]:
    """Take a picture of the graph around an asset once all names are to be read in it; return what its nodes say."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with opened(2800, 1100) as page:
        page.goto(f"{api()}/assets/{assets()[ASSET]}")
        for name in names:
            page.locator(NODE, has_text=name).first.wait_for(timeout=PATIENCE)
        nodes = page.locator(NODE).all()
        page.add_style_tag(content=".react-flow__minimap { display: none }")  # it lies over nodes
        page.screenshot(path=path, clip=_around(nodes))
        return [node.inner_text() for node in nodes]


def take_message(service: str, path: Path, words: str = "") -> None:
    """Take a picture of the newest message of a service, or of the newest that says some words, once there is one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with opened(900, 600) as page:
        page.goto(f"{slack()}/{service}")
        message = page.locator("article", has_text=words).first
        message.wait_for(timeout=PATIENCE)
        message.screenshot(path=path)


def _around(elements: Sequence[Locator]) -> FloatRect:
    boxes = [box for element in elements if (box := element.bounding_box())]
    left, top = (min(box[side] for box in boxes) - MARGIN for side in ("x", "y"))
    right = max(box["x"] + box["width"] for box in boxes) + MARGIN
    bottom = max(box["y"] + box["height"] for box in boxes) + MARGIN
    return {"x": left, "y": top, "width": right - left, "height": bottom - top}


def assets() -> dict[str, int]:
    """List the assets that Airflow knows, with their ids."""
    with httpx.Client(base_url=api(), timeout=30) as http:
        token = http.get("/auth/token").raise_for_status().json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        found = http.get("/api/v2/assets?limit=100").raise_for_status().json()["assets"]
    return {asset["name"]: asset["id"] for asset in found}


def _told_by_all() -> Path:
    """Copy the domains, with routes to every channel."""
    domains = STATE.parent / "domains"
    shutil.copytree(BESIDE_US, domains, dirs_exist_ok=True)
    (domains / "notifications").mkdir(exist_ok=True)
    routes = {"routes": [{"to": f"{channel}:{recipient}"} for channel, recipient in CHANNELS.items()]}
    (domains / "notifications" / "routes.yaml").write_text(json.dumps(routes), encoding="utf-8")
    return domains


def main() -> None:
    """Run the demo on a stack and take the pictures."""
    console, stack = Console(), Stack(STATE, overrides={"WATERSHED_DOMAINS_DIR": str(_told_by_all())})
    shown = Console(record=True, file=StringIO(), width=110)
    try:
        with Progress(console) as progress:
            stack.start(watch=progress.show, owned=True)
        os.environ.update(stack.env)
        show_summary(shown, tour(console))
        own_fonts = re.sub(r"@font-face {.*?}", "", shown.export_svg(title="make demo"), flags=re.DOTALL)
        (PICTURES / "demo.svg").write_text(own_fonts, encoding="utf-8")
        take_asset_graph(PICTURES / "asset-graph.png", (ASSET, "ecommerce_gold"))
        take_message("slack", PICTURES / "alert.png", "No stage")
        for service in CHANNELS:
            take_message(service, PICTURES / f"message-{service}.png", "No stage")
    finally:
        stack.stop()


if __name__ == "__main__":
    main()
