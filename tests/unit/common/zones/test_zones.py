"""Where zones live, what their assets are called, and what wakes a DAG."""

import pytest
from airflow.sdk import AssetAny

from common.core.assets import Zone
from common.core.caches import forget
from common.core.errors import ConfigError
from common.core.nouns import Dataset
from common.core.settings import settings
from common.dags.assets import doorbell, landing_asset, zone_asset
from common.zones.store import ZoneStore
from common.zones.zone import place

ORDERS = Dataset("shop", "orders")
pytestmark = pytest.mark.usefixtures("fresh_settings")


def test_a_zone_is_a_prefix_or_a_bucket_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATERSHED_ZONE_BUCKETS", '{"raw": "acme-raw"}')
    assert place(Zone.RAW, settings()).uri("a/b") == "s3://acme-raw/a/b"
    assert place(Zone.SILVER, settings()).uri("a/b") == "s3://watershed/silver/a/b"


def test_an_asset_is_named_after_dataset_and_zone() -> None:
    asset = zone_asset(ORDERS, Zone.SILVER)
    assert (asset.name, asset.uri, asset.group) == ("shop.orders.silver", "s3://watershed/silver/shop/orders", "silver")


def test_landing_is_watched_only_where_a_queue_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert landing_asset("shop").watchers == []
    forget()
    monkeypatch.setenv("WATERSHED_QUEUE_BASE_URL", "http://127.0.0.1:1/0")
    (watcher,) = landing_asset("shop").watchers
    assert watcher.name == "watershed-shop-raw"


@pytest.mark.parametrize(("bells", "kind"), [("true", AssetAny), ("false", type(None))])
def test_bells_make_the_schedule(monkeypatch: pytest.MonkeyPatch, bells: str, kind: type) -> None:
    monkeypatch.setenv("WATERSHED_BELLS", bells)
    assert isinstance(doorbell([zone_asset(ORDERS, Zone.SILVER)]), kind)


def test_a_domain_may_have_a_place_of_its_own_below_a_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATERSHED_ZONE_BUCKETS", '{"shop.raw": "forms/incoming/", "gold": "acme-gold/lake"}')
    raw, gold = ZoneStore(Zone.RAW), ZoneStore(Zone.GOLD)
    assert raw.uri("shop/orders/a.csv") == "s3://forms/incoming/orders/a.csv"
    assert raw.uri("shops/orders/a.csv") == "s3://watershed/raw/shops/orders/a.csv"
    assert gold.uri("shop/orders") == "s3://acme-gold/lake/shop/orders"
    for key in ("shop/orders/a.csv", "shops/orders/a.csv", "shop/x"):
        assert raw.key_of(raw.uri(key)) == key
    assert raw.key_of(gold.uri("shop/orders")) is None
    assert landing_asset("shop").uri == "s3://forms/incoming"
    assert zone_asset(ORDERS, Zone.GOLD).uri == "s3://acme-gold/lake/shop/orders"


@pytest.mark.parametrize(
    ("places", "told"),
    [
        ('{"brnze": "acme-bronze"}', "'brnze' is no zone. Known: raw, bronze"),
        ('{"shop.quarantine": "acme-bad"}', "'shop.quarantine' is no zone"),
        ('{"raw": "s3://acme-raw"}', "'s3://acme-raw' of 'raw' is no bucket, nor BUCKET/PREFIX"),
        ('{"shop.raw": "watershed/raw/shop"}', "shop.raw would lie in raw of all"),
        ('{"raw": "acme", "silver": "acme/silver"}', "silver would lie in raw"),
        ('{"raw": "acme", "silver": "acme"}', "raw would lie in silver"),
    ],
)
def test_places_that_are_none_or_lie_in_others_are_refused(
    monkeypatch: pytest.MonkeyPatch, places: str, told: str
) -> None:
    monkeypatch.setenv("WATERSHED_ZONE_BUCKETS", places)
    with pytest.raises(ConfigError, match="zone_buckets") as caught:
        settings()
    assert told in str(caught.value)
