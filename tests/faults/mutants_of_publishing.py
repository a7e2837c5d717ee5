"""The rules of publishing DAGs, each taken away."""

from tests.faults.mutant import Mutant

PUBLISH = "tests/integration/test_publish.py"
BUNDLE = "tests/integration/test_publish_bundle.py"
FAULTS = "tests/faults/test_publish.py"
FENCE = "tests/unit/dag_publisher/test_validate.py::test_the_fence_holds_where_no_hook_watches"


def _mutant(rule: str, file: str, texts: tuple[str, str], *tests: str) -> Mutant:
    return Mutant(rule, file, *texts, tests, "dag_publisher")


OF_PUBLISHING = (
    _mutant(
        "names are claimed before the neighbours are read",
        "activate.py",
        ("replace(old, claims=wanted,", "replace(old, claims=old.claims,"),
        f"{PUBLISH}::test_two_packages_that_want_one_id_at_once_do_not_both_win",
    ),
    _mutant(
        "a pointer moves only from where it was seen",
        "store.py",
        ('{"IfMatch": etag} if etag else {"IfNoneMatch": "*"}', "{}"),
        f"{FAULTS}::test_a_publisher_that_slept_through_another_ones_release_changes_nothing",
    ),
    _mutant(
        "the pointer is written after the release",
        "publish.py",
        (
            "    shelf.add(release)\n    shelf.contents(release)\n    activate(shelf, release, before, who)\n",
            "    activate(shelf, release, before, who)\n    shelf.add(release)\n",
        ),
        f"{FAULTS}::test_killed_at_any_write_readers_see_the_old_release_or_the_new_one",
    ),
    _mutant(
        "what is read is what was published",
        "shelf.py",
        ("if digest(found.content) != name:", "if not found.content:"),
        f"{BUNDLE}::test_a_damaged_release_holds_up_its_own_package_only",
    ),
    _mutant(
        "a lost pointer takes nothing away",
        "fetch.py",
        ("            number = known.get(package, 0)\n", "            number = 0\n"),
        f"{BUNDLE}::test_a_lost_pointer_leaves_the_release_that_is_there",
    ),
    _mutant(
        "a store that is away takes nothing away",
        "bundle.py",
        ("            if not self._current:\n                raise\n", "            raise\n"),
        f"{BUNDLE}::test_a_store_that_is_away_leaves_the_last_good_release_also_after_a_restart",
    ),
    _mutant(
        "a version that is in use is held",
        "bundle.py",
        ("        held.acquire()", "        held"),
        f"{BUNDLE}::test_airflow_collects_versions_that_nobody_holds_and_a_run_gets_its_own_again",
    ),
    _mutant(
        "the current release is not collected",
        "garbage.py",
        ("safe = {pointer.release, *pointer", "safe = {*pointer"),
        f"{PUBLISH}::test_gc_keeps_what_is_current_what_was_before_and_what_is_young",
    ),
    _mutant(
        "a rollback goes to what was current",
        "activate.py",
        ("history = old.onto(release.number)", "history = [release.number - 1]"),
        f"{PUBLISH}::test_a_rollback_never_goes_to_a_release_that_was_not_current",
    ),
    _mutant(
        "files are imported where nothing can be written",
        "validation/fence.py",
        ("    read_only()\n    for", "    for"),
        f"{FENCE}[write a file]",
    ),
    _mutant(
        "files are imported without rights",
        "validation/fence.py",
        ('os.execvp("setpriv", ["setpriv", *rights, *command])', "os.execvp(command[0], command)"),
        f"{FENCE}[make the disk writable again]",
    ),
)
