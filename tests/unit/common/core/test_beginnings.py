"""Names that are given by their beginning."""

import pytest

from common.core.beginnings import meant
from common.core.errors import ConfigError

KNOWN = ("shop.users", "shop.users_by_day", "shop.orders")


@pytest.mark.parametrize(
    ("text", "found"),
    [("shop.users", "shop.users"), ("shop.users_", "shop.users_by_day"), ("shop.o", "shop.orders")],
)
def test_a_name_is_meant_by_itself_or_by_a_beginning_that_no_other_has(text: str, found: str) -> None:
    assert meant("table", text, KNOWN) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("shop.u", "Several tables begin with 'shop.u': shop.users, shop.users_by_day. Give more of the name."),
        ("shop.x", "No table 'shop.x'. Known: shop.users, shop.users_by_day, shop.orders."),
        ("", "No table ''. Known: shop.users, shop.users_by_day, shop.orders."),
    ],
)
def test_one_that_may_be_several_or_none_is_answered_with_the_names(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        meant("table", text, KNOWN)
    assert str(refused.value) == said
