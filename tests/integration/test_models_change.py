"""Models and contracts that change between hops, joins, and files that vanish while they are read."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from common.core.errors import ConservationError, ModelError, StoreUnavailable
from common.ledger.claims import Claim
from common.pipelines.commit_objects import CommitObjects
from common.pipelines.hop import drain
from common.upkeep.apply import apply
from common.zones.store import ZoneStore, client
from tests.fake_step import FakeStep, arrive, incidents
from tests.world import World, forget, new_world, small_shop

USER = "{},Ann,a@x.com,us,1996-01-01,1997-01-01T00:00:00Z"
BY_CUSTOMER = "slice: customer_id\ninputs: {ecommerce.transactions: customer_id, ecommerce.users: customer_id}"


@pytest.fixture
def shop(stack: Mapping[str, str], tmp_path: Path) -> Iterator[World]:
    """A copy of the e-commerce domain that a test may change."""
    domains = tmp_path / "domains"
    shutil.copytree(small_shop(), domains)
    with new_world(stack, tmp_path, "ecommerce", domains) as made:
        yield made


def model(world: World, name: str, header: str, sql: str) -> None:
    path = world.folder / "domains" / "ecommerce" / "gold" / f"{name}.sql"
    path.write_text(
        f"/*\ndescription: For the test.\n{header}\nload: [{{to: warehouse, strategy: incremental}}]\n*/\n{sql}\n"
    )
    forget()
    apply()


def buy(world: World, customer: str, days: int) -> None:
    lines = "".join(f"{customer},1997010{day},1,{day}.00\n" for day in range(1, days + 1))
    world.land(f"transactions/{customer}.csv", f"customer_id,date,number_of_cds,dollar_value\n{lines}".encode())


def sign_up(world: World, customer: str) -> None:
    world.land(
        f"users/{customer}.csv",
        f"customer_id,name,email,country,signed_up_on,updated_at\n{USER.format(customer)}\n".encode(),
    )


def test_one_changed_record_may_complete_many_joined_rows(shop: World) -> None:
    model(
        shop,
        "enriched",
        f"key: [file, record]\n{BY_CUSTOMER}",
        "SELECT t._file AS file, t._record AS record, customer_id, country FROM ecommerce.transactions t JOIN ecommerce.users u USING (customer_id)",
    )
    buy(shop, "00001", 3)
    shop.flow()
    sign_up(shop, "00001")
    shop.flow()
    assert shop.rows("SELECT count(*) FROM ecommerce.enriched") == [(3,)]


def test_a_stopped_model_is_mended_by_another_input(shop: World) -> None:
    wrong = "key: [customer_id]\nslice: customer_id\ninputs: {ecommerce.transactions: customer_id}\n"
    wrong += "controls: [{result: sum(n), input: ecommerce.transactions, equals: 2 * count(*)}]"
    select = "SELECT customer_id, count(*) AS n FROM ecommerce.transactions"
    model(shop, "m", wrong, f"{select} GROUP BY ALL")
    buy(shop, "00001", 3)
    sign_up(shop, "00001")
    shop.flow("bronze", "silver")
    with pytest.raises(ConservationError):
        shop.flow("gold")
    mended = "SELECT customer_id, count(*) AS n FROM ecommerce.transactions JOIN ecommerce.users USING (customer_id) GROUP BY ALL"
    model(shop, "m", f"key: [customer_id]\n{BY_CUSTOMER}", mended)
    for _ in range(2):
        with suppress(ConservationError, ModelError):
            shop.flow()
    shop.flow()
    assert shop.rows("SELECT customer_id, n FROM ecommerce.m") == [("00001", 3)]


def test_a_changed_model_is_recomputed_whole_and_may_drop_a_column(shop: World) -> None:
    for customer in ("00001", "00002"):
        sign_up(shop, customer)
    shop.flow()
    path = shop.folder / "domains" / "ecommerce" / "gold" / "dim_users.sql"
    path.write_text(
        path.read_text().replace("name, email, country, signed_up_on", "upper(name) AS name, email, country")
    )
    forget()
    apply()
    sign_up(shop, "00003")
    shop.flow()
    found = shop.rows("SELECT customer_id, name FROM ecommerce.dim_users ORDER BY 1")
    assert found == [("00001", "ANN"), ("00002", "ANN"), ("00003", "ANN")]


def test_a_column_that_came_later_is_null_in_older_versions(shop: World) -> None:
    sign_up(shop, "00001")
    shop.flow()
    contract = shop.folder / "domains" / "ecommerce" / "contracts" / "users.yaml"
    old, new = "customProperties:\n  - {property: owner", "      - {name: tier, logicalType: string}\n"
    contract.write_text(contract.read_text().replace(old, new + old, 1))
    header = "key: [customer_id]\nslice: customer_id\ninputs: {ecommerce.users: customer_id}"
    model(shop, "m", header, "SELECT customer_id, tier FROM ecommerce.users")
    shop.flow()
    assert shop.rows("SELECT customer_id, tier FROM ecommerce.m") == [("00001", None)]


def test_every_slice_has_a_column_that_an_input_has_got(shop: World) -> None:
    """A model that names no column reads whole rows: those of untouched slices have changed as well."""
    header = "key: [customer_id]\nslice: customer_id\ninputs: {ecommerce.users: customer_id}"
    model(shop, "m", header, "SELECT customer_id, u::VARCHAR AS row FROM ecommerce.users u")
    sign_up(shop, "00001")
    shop.flow()
    contract = shop.folder / "domains" / "ecommerce" / "contracts" / "users.yaml"
    old, new = "customProperties:\n  - {property: owner", "      - {name: tier, logicalType: string}\n"
    contract.write_text(contract.read_text().replace(old, new + old, 1))
    forget()
    apply()
    sign_up(shop, "00002")
    shop.flow()
    found = shop.rows("SELECT customer_id, row FROM ecommerce.m ORDER BY 1")
    assert [(name, "'tier': NULL" in row) for name, row in found] == [("00001", True), ("00002", True)]


def test_slices_may_be_times(shop: World) -> None:
    header = "key: [updated_at]\nslice: updated_at\ninputs: {ecommerce.users: updated_at}"
    model(shop, "m", header, "SELECT updated_at, count(*) AS users FROM ecommerce.users GROUP BY 1")
    sign_up(shop, "00001")
    shop.flow()
    assert shop.rows("SELECT users FROM ecommerce.m") == [(1,)]


def test_rows_outside_of_the_touched_slices_are_refused(shop: World) -> None:
    """Made-up rows would have told, but have no numbers in that column."""
    header = "key: [country]\nslice: country\ninputs: {ecommerce.users: CAST(customer_id AS INTEGER)}"
    model(shop, "m", header, "SELECT country, count(*) AS n FROM ecommerce.users GROUP BY 1")
    sign_up(shop, "00001")
    with pytest.raises(ModelError, match="which its `inputs` name for no changed row"):
        shop.flow()


def test_an_outage_that_hides_the_head_parks_nothing(world: World) -> None:
    step, down = FakeStep(), False
    arrive(step, "a")
    real = step.head

    def head() -> Any:
        if down:
            raise StoreUnavailable("503")
        return real()

    def out(at: str, _held: object) -> None:
        nonlocal down
        down = True
        raise StoreUnavailable("503")

    step.head, step.fault = head, out  # type: ignore[method-assign]
    for _ in range(8):
        down = False
        with pytest.raises(StoreUnavailable):
            drain(step, "me")
    down, step.fault = False, None
    drain(step, "me")
    assert step.taken == ["a"]
    assert incidents(world) == []


def test_bytes_that_come_back_after_they_were_missed_are_not_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    buy(world, "00001", 2)
    at = {"Bucket": world.env["WATERSHED_BUCKET"], "Key": "raw/ecommerce/transactions/00001.csv"}
    body = client().get_object(**at)["Body"].read()
    download, commit = ZoneStore.download, CommitObjects.commit

    def vanish(self: ZoneStore, key: str, to: Path, etag: str) -> None:
        client().delete_object(**at)
        download(self, key, to, etag)

    def come_back(self: CommitObjects, held: Claim) -> None:
        commit(self, held)
        client().put_object(**at, Body=body)

    with monkeypatch.context() as patch:
        patch.setattr(ZoneStore, "download", vanish)
        patch.setattr(CommitObjects, "commit", come_back)
        world.flow("bronze")
    world.flow()
    assert world.rows("SELECT count(*) FROM ecommerce.fact_transactions") == [(2,)]
    assert world.keys("raw/") == []
