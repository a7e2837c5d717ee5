"""The rules of our own commits to the lake, each taken away: what is looked into, what is told, what is refused."""

from tests.faults.mutant import Mutant

COMMITS = "tests/integration/test_merge_commits.py"
MERGES = "tests/integration/test_merge.py::test_a_merge_leaves_what_delta_rs_would_have_left"
STATISTICS = "tests/unit/common/lake/test_statistics.py"
LATEST = "tests/unit/common/refine/test_latest.py"

OF_THE_LAKE = (
    Mutant(
        "an entry of the log is written once",
        "lake/entry.py",
        "    if not table.store.put_once(",
        "    if None is table.store.put_once(",
        (f"{COMMITS}::test_of_two_that_commit_at_once_one_wins",),
    ),
    Mutant(
        "a merge is of the hop after the head alone",
        "lake/entry.py",
        "        table.require_before(hop)\n",
        "",
        (f"{COMMITS}::test_of_two_that_commit_at_once_one_wins",),
    ),
    Mutant(
        "rows are committed under the columns that they were made for",
        "lake/entry.py",
        "if schema and table.snapshot.schema() != schema:",
        "if False:",
        (f"{COMMITS}::test_rows_made_for_other_columns_are_not_committed",),
    ),
    Mutant(
        "what a table asks for and we do not know is refused",
        "lake/entry.py",
        "    require_known(table.snapshot, table.uri)\n",
        "",
        (f"{COMMITS}::test_what_a_table_asks_for_and_we_do_not_know_is_refused",),
    ),
    Mutant(
        "characters stand in the log as they are",
        "lake/entry.py",
        "ensure_ascii=False",
        "ensure_ascii=True",
        (f"{COMMITS}::test_keys_of_any_plane_are_found",),
    ),
    Mutant(
        "the log is summed up now and then",
        "lake/entry.py",
        "        table.checkpoint()\n",
        "        pass\n",
        (f"{COMMITS}::test_every_tenth_entry_is_followed_by_a_checkpoint",),
    ),
    Mutant(
        "readers of changes are told rows, not files",
        "lake/merge.py",
        "        if going.height:\n",
        "        if False:\n",
        (MERGES,),
    ),
    Mutant(
        "rows that change their partition count as new there",
        "lake/merge.py",
        "pl.when(self.partition.eq_missing(pl.col(PARTITION))).then(FILE)",
        "pl.when(True).then(FILE)",
        (f"{COMMITS}::test_rows_that_move_to_another_partition_do_not_pile_up_there",),
    ),
    Mutant(
        "null is a key like others",
        "lake/merge.py",
        "join(wanted, on=self.key, nulls_equal=True)",
        "join(wanted, on=self.key)",
        (MERGES,),
    ),
    Mutant(
        "only files that may hold a key are opened",
        "lake/merge.py",
        "near = holding(self.files, rows.select(self.key))",
        "near = self.files",
        (f"{COMMITS}::test_only_files_that_hold_a_key_are_opened_and_written_anew",),
    ),
    Mutant(
        "small files are joined on the way",
        "lake/merge.py",
        "pl.len().over(PARTITION) >= SMALL_FILES",
        "pl.len().over(PARTITION) >= 1_000_000",
        (f"{COMMITS}::test_small_files_that_every_hop_changes_do_not_pile_up",),
    ),
    Mutant(
        "a moment's upper bound is above it",
        "lake/statistics.py",
        "_moment(high + MILLISECOND)",
        "_moment(high)",
        (f"{STATISTICS}::test_every_value_lies_within_what_is_said_and_readers_miss_none",),
    ),
    Mutant(
        "bounds of moments that others wrote are cut off",
        "lake/statistics.py",
        "low, high = low - MILLISECOND, high + MILLISECOND",
        "pass",
        (f"{STATISTICS}::test_bounds_that_delta_rs_has_cut_off_hide_no_key",),
    ),
    Mutant(
        "a null key may be in any file that has a null",
        "lake/statistics.py",
        "within | unknown | (nulls.fill_null(1) > 0) if values.null_count() else",
        "within | unknown if values.null_count() else",
        (f"{STATISTICS}::test_a_file_that_holds_a_key_is_never_skipped",),
    ),
    Mutant(
        "keys are looked up between the bounds of all of them",
        "refine/latest.py",
        "pl.concat([ends for _, ends in found])",
        "found[0][1]",
        (f"{LATEST}::test_every_order_and_grouping_gives_the_same_table",),
    ),
)
