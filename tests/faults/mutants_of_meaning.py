"""The rules of what data means, each taken away: landing, order, replays, current rows, models, intervals."""

from tests.faults.mutant import Mutant

FLOW = "tests/integration/test_flow.py"
RULES = "tests/faults/test_rules.py"
DELIVERIES = "tests/integration/test_deliveries.py"
BY_SLICE = "tests/integration/test_models_by_slice.py"
RACES = "tests/faults/test_races.py"
SCD2 = "tests/integration/test_scd2.py"
DEFINITION = "tests/unit/common/load/test_scd2.py::test_intervals_are_those_of_the_definition"

OF_MEANING = (
    Mutant(
        "landing reads what was listed",
        "zones/store.py",
        '**self._at(key), IfMatch=f\'"{etag}"\')["Body"]',
        '**self._at(key))["Body"]',
        (f"{FLOW}::test_a_file_that_changes_before_it_is_read_is_superseded_not_mixed",),
    ),
    Mutant(
        "landing deletes what was read",
        "zones/store.py",
        "client().delete_object(**self._at(key), IfMatch=f'\"{etag}\"')",
        "client().delete_object(**self._at(key))",
        (f"{FLOW}::test_conditional_reads_and_deletes_touch_only_what_was_listed",),
    ),
    Mutant(
        "landing finds duplicates within a partition only",
        "pipelines/landing.py",
        "identity = (arrival.checksum, arrival.batch.partition)",
        "identity = (arrival.checksum, None)",
        (f"{RULES}::test_equal_content_is_no_duplicate_in_another_partition",),
    ),
    Mutant(
        "landing deletes only after the record",
        "pipelines/hop.py",
        "            staged.commit()\n",
        "            step.settle(_manifest(held, staged, run_id))\n            staged.commit()\n",
        (f"{RULES}::test_a_raw_file_is_deleted_only_after_its_hop_is_recorded",),
    ),
    Mutant(
        "a mark passes nothing that was not looked at",
        "ledger/untaken.py",
        "        found += first\n",
        "        newest = select(func.max(batch.c.number)).where(batch.c.asset == asset)\n"
        "        marks[asset] = marks[asset] if first else connection.scalar(newest) or 0\n"
        "        found += first\n",
        (f"{RACES}::test_a_batch_that_arrives_while_a_consumer_looks_is_taken_by_its_next_claim",),
    ),
    Mutant(
        "the latest is by the order of deliveries",
        "refine/latest.py",
        "*(PLACE if contract.by_arrival else (CONTENT, *PLACE))",
        "CONTENT, *PLACE",
        (f"{DELIVERIES}::test_a_late_replay_does_not_win_by_coming_late",),
    ),
    Mutant(
        "of equal rows the first to arrive stays",
        "refine/latest.py",
        "earliest = () if contract.by_arrival else PLACE",
        "earliest = ()",
        (f"{DELIVERIES}::test_of_equal_rows_the_first_to_arrive_stays",),
    ),
    Mutant(
        "what cannot be restored is said",
        "refine/latest.py",
        "return last.filter(~pl.col(KNOWN)).height",
        "return 0",
        (f"{DELIVERIES}::test_a_replay_under_another_contract_says_what_it_cannot_restore",),
    ),
    Mutant(
        "rows without arrival have that of their file",
        "refine/local.py",
        "        if not arrivals:\n",
        "        if True:\n",
        (f"{DELIVERIES}::test_rows_from_before_there_were_arrivals_have_the_place_of_their_file",),
    ),
    Mutant(
        "a replaced delivery gives nothing",
        "refine/local.py",
        "return rows.filter(~pl.col(FILE_COLUMN).is_in(outdated)) if outdated else rows",
        "return rows",
        (f"{DELIVERIES}::test_a_later_delivery_replaces_the_earlier_one_for_good",),
    ),
    Mutant(
        "a snapshot that returns is no duplicate",
        "pipelines/landing.py",
        "if self.contract and (self.contract.by_arrival or self.contract.replaces):",
        "if self.contract is None:",
        (f"{DELIVERIES}::test_a_snapshot_that_returns_is_the_latest_again",),
    ),
    Mutant(
        "a copy of what was refused whole says so",
        "ledger/refusals.py",
        "return {content: twin for content, twin in twins.items() if content not in passed}",
        "return {}",
        (f"{DELIVERIES}::test_a_copy_of_a_file_that_was_refused_whole_says_so",),
    ),
    Mutant(
        "readers see current rows",
        "lake/source.py",
        "return self.current.of(rows) if self.current else rows",
        "return rows",
        (f"{DELIVERIES}::test_history_keeps_versions_and_deletes_and_readers_see_the_current_ones",),
    ),
    Mutant(
        "a change is one of current rows",
        "lake/source.py",
        "if self.current is None or after >= upto:",
        "if True:",
        (f"{DELIVERIES}::test_history_keeps_versions_and_deletes_and_readers_see_the_current_ones",),
    ),
    Mutant(
        "a change of what is joined touches who joins it",
        "pipelines/gold.py",
        "names |= self._joined_slices(held, item, feed)",
        "names |= set()",
        (f"{BY_SLICE}::test_a_change_of_what_is_joined_touches_only_the_slices_that_join_it",),
    ),
    Mutant(
        "an interval ends where the next begins",
        "load/scd2.py",
        "pl.when(_same(self.key, -1)).then(pl.col(begin).shift(-1)).alias(end)",
        "pl.when(_same(self.key, -1)).then(pl.col(begin).shift(-1) - pl.duration(microseconds=1)).alias(end)",
        (DEFINITION,),
    ),
    Mutant(
        "an interval ends within its key",
        "load/scd2.py",
        "pl.when(_same(self.key, -1)).then(pl.col(begin).shift(-1)).alias(end)",
        "pl.col(begin).shift(-1).alias(end)",
        (DEFINITION,),
    ),
    Mutant(
        "null is equal to null alone",
        "load/scd2.py",
        "pl.col(name).eq_missing(pl.col(name).shift(away))",
        "pl.col(name).eq(pl.col(name).shift(away))",
        (DEFINITION,),
    ),
    Mutant(
        "columns are compared one by one",
        "load/scd2.py",
        "return pl.all_horizontal(pl.lit(value=True), *alike)",
        "both = [pl.concat_str(pl.col(*names).cast(pl.String).shift(n), ignore_nulls=True) for n in (0, away)]\n"
        "    return both[0].eq_missing(both[1])",
        (DEFINITION,),
    ),
    Mutant(
        "versions follow each other in their order",
        "load/scd2.py",
        ".sort(*self.key, *self.order)",
        ".sort(*self.key, *reversed(self.order))",
        (DEFINITION,),
    ),
    Mutant(
        "of one instant the newest counts",
        "load/scd2.py",
        ".filter(~_same((*self.key, begin), -1))",
        ".filter(~_same((*self.key, begin), 1))",
        (DEFINITION,),
    ),
    Mutant(
        "a delete marker makes no row",
        "load/scd2.py",
        "rows = spans.filter(ends & ~pl.col(DELETED_COLUMN))",
        "rows = spans.filter(ends)",
        (DEFINITION,),
    ),
    Mutant(
        "a delete marker closes the row before it",
        "load/scd2.py",
        "goes_on = _same((*self.key, DELETED_COLUMN), 1) &",
        "goes_on = _same(self.key, 1) &",
        (DEFINITION,),
    ),
    Mutant(
        "what is not tracked has its newest value",
        "load/scd2.py",
        "ends = pl.col(BEGINS).shift(-1, fill_value=True)",
        "ends = pl.col(BEGINS)",
        (DEFINITION,),
    ),
    Mutant(
        "what is not tracked opens no row",
        "load/scd2.py",
        "others if load.track is None else load.track",
        "others",
        (f"{SCD2}::test_when_the_contract_changes_no_row_by_other_words_stays",),
    ),
    Mutant(
        "a key without any row loses those that it had",
        "load/scd2.py",
        'touched.lazy().join(known, on=list(self.key), how="anti").collect()',
        "touched.head(0)",
        ("tests/unit/common/load/test_scd2.py::test_touched_keys_without_an_interval_are_gone",),
    ),
    Mutant(
        "all rows of a touched key are replaced",
        "pipelines/loading.py",
        "return self.intervals.key if self.intervals else self.source.key",
        "return self.intervals.identity if self.intervals else self.source.key",
        (f"{SCD2}::test_any_order_any_files_and_any_death_give_the_intervals_of_the_definition",),
    ),
    Mutant(
        "intervals are made of the whole history of a key",
        "pipelines/loading.py",
        'return self.intervals.spooled(versions.join(touched.lazy(), on=key, how="semi"), touched)',
        "return self.intervals.spooled(net.rows.lazy().drop(GONE), touched)",
        (f"{SCD2}::test_a_load_counts_versions_and_restates_what_it_touches",),
    ),
    Mutant(
        "intervals by the words of another contract do not stay",
        "pipelines/loading.py",
        "or (self.intervals and held.redefined)",
        "",
        (f"{SCD2}::test_when_the_contract_changes_no_row_by_other_words_stays",),
    ),
)
