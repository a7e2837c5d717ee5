"""Which units a stack has, and in which order."""

import pytest

from common.core.errors import ConfigError
from common.core.settings import HOSTED
from devstack.units import SERVICES, UNITS, units_for


def test_everything_starts_after_what_it_needs() -> None:
    seen: set[str] = set()
    for unit in UNITS:
        assert seen.issuperset(unit.after), unit.name
        seen.add(unit.name)


def test_all_services_need_all_units() -> None:
    assert units_for(SERVICES) == [unit for unit in UNITS if not unit.optional]
    assert units_for([*SERVICES, *HOSTED]) == list(UNITS)


def test_a_service_brings_what_it_needs_and_the_steps_that_make_it_useful() -> None:
    assert [unit.name for unit in units_for(["s3"])] == ["guardian", "s3", "infrastructure"]
    assert [unit.name for unit in units_for(["postgres"])] == ["guardian", "postgres", "databases"]


def test_tables_come_before_airflow() -> None:
    names = [unit.name for unit in units_for(["scheduler"])]
    assert names.index("apply") < names.index("api-server") < names.index("scheduler")


def test_an_unknown_service_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"No service named 'redis'. Known: postgres, s3, standins"):
        units_for(["redis"])
