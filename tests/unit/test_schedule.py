"""Which tests are given to one worker together."""

from tests.schedule import group_of


def test_two_workers_do_all_tests_that_start_a_whole_stack() -> None:
    shops = ("tests/e2e/test_demo.py::test_the_answers_are_exact", "tests/e2e/test_sweeps.py::test_sweeps_alone")
    mills = ("tests/e2e/test_mill.py::test_messages_of_the_queue_lost", "tests/e2e/test_mill.py::test_whatever_dies[7]")
    assert [set(map(group_of, stacks)) for stacks in (shops, mills)] == [{"shops"}, {"tests/e2e/test_mill.py"}]


def test_a_file_of_short_tests_is_done_as_a_whole() -> None:
    assert group_of("tests/unit/a/test_b.py::test_c[x::y]") == group_of("tests/unit/a/test_b.py::test_d")


def test_a_long_test_may_be_done_by_any_worker() -> None:
    first, second = (f"tests/faults/test_zombies.py::test_a_zombie_writes_nothing[{n}]" for n in "12")
    assert group_of(first) != group_of(second)
