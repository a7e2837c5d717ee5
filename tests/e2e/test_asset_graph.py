"""The asset graph in Airflow's UI and the alert, looked at with a real browser."""

from pathlib import Path

from devstack.pictures import assets, take_alert, take_asset_graph
from tests.e2e.conftest import Shop

PICTURES = Path(__file__).parents[2] / "var" / "test"
WANTED = ("ecommerce.transactions.bronze", "ecommerce_transactions_to_silver", "ecommerce.transactions.silver")


def test_the_asset_graph_shows_the_way_through_the_zones(shop: Shop) -> None:
    assert {"ecommerce.raw", "ecommerce.transactions.bronze", "ecommerce.fact_transactions@warehouse"} <= set(assets())
    picture = PICTURES / "asset-graph.png"
    take_asset_graph(picture, WANTED)
    assert picture.stat().st_size > 10_000


def test_the_alert_is_to_be_seen(shop: Shop) -> None:
    picture = PICTURES / "alert.png"
    take_alert(picture)
    assert picture.stat().st_size > 10_000
