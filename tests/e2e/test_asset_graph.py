"""The asset graph in Airflow's UI, looked at with a real browser."""

import shutil
from pathlib import Path

import httpx
from playwright.sync_api import sync_playwright

from tests.e2e.conftest import Shop

PICTURE = Path(__file__).parents[2] / "var" / "test" / "asset-graph.png"


def test_the_asset_graph_shows_the_way_from_raw_to_the_warehouse(shop: Shop) -> None:
    api = shop.stack.plan.address("api-server")
    token = httpx.get(f"{api}/auth/token").json()["access_token"]
    assets = httpx.get(f"{api}/api/v2/assets?limit=100", headers={"Authorization": f"Bearer {token}"}).json()["assets"]
    ids = {asset["name"]: asset["id"] for asset in assets}
    assert {"ecommerce.raw", "ecommerce.transactions.bronze", "ecommerce.fact_transactions@warehouse"} <= set(ids)
    wanted = ("ecommerce.transactions.bronze", "ecommerce_transactions_to_silver", "ecommerce.transactions.silver")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": 1800, "height": 1000})
        page.goto(f"{api}/assets/{ids['ecommerce.transactions.silver']}")
        for name in wanted:
            page.get_by_text(name, exact=True).first.wait_for(timeout=60_000)
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURE)
        browser.close()
    assert PICTURE.stat().st_size > 10_000
