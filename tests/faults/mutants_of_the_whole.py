"""The rules of reading all deliveries again, of what follows from it, and of what a model reads: each taken away."""

from tests.faults.mutant import Mutant

WHOLE, DELIVERIES = "tests/integration/test_whole.py", "tests/integration/test_deliveries.py"
CHANGED, BY_SLICE = "tests/integration/test_models_change.py", "tests/integration/test_models_by_slice.py"
TABLES = "tests/integration/test_warehouse_tables.py"
DRIFT, EVOLUTION = "tests/integration/test_drift.py", "tests/integration/test_warehouse_evolution.py"
REMADE = "tests/integration/test_remade.py"
CHANGE = f"{REMADE}::test_a_change_that_apply_refuses_is_made_by_reading_all_again"

OF_THE_WHOLE = (
    Mutant(
        "a replay of all goes before what waits for its table",
        "ledger/untaken.py",
        "    if whole := waiting_whole(connection, item):\n        return [whole]\n",
        "",
        (f"{CHANGE}[another partition]",),
    ),
    Mutant(
        "a hop that waits for a table gives way to the replay that makes it",
        "ledger/claims.py",
        "if whole and whole.id not in current.batches:",
        "if whole is None and current is None:",
        (f"{CHANGE}[another partition]",),
    ),
    Mutant(
        "rows of another key are not folded into a table",
        "lake/table.py",
        "if layout.description and meta.description not in (None, layout.description):",
        "if False:",
        (f"{CHANGE}[another key]",),
    ),
    Mutant(
        "a hop leaves a table alone that was made otherwise",
        "pipelines/silver.py",
        "            self.table.require(silver_layout(self.contract))\n",
        "            pass\n",
        (f"{CHANGE}[a narrower type]",),
    ),
    Mutant(
        "a replay of all is no fold into the table",
        "refine/local.py",
        "if self.task.whole else self._current()",
        "if False else self._current()",
        (f"{WHOLE}::test_what_withdrawn_rows_had_replaced_comes_back",),
    ),
    Mutant(
        "a replay of all counts against the table before",
        "refine/local.py",
        "            inserted = self._unknown()\n",
        "            pass\n",
        (f"{WHOLE}::test_what_people_have_ended_stays_as_they_left_it",),
    ),
    Mutant(
        "a replay of all leaves out what people have ended",
        "ledger/deliveries.py",
        "return [_again(found, tuple(skipped.get(key, ()))) for key, found in files.items()]",
        "return [_again(found, ()) for found in files.values() if skipped is not None]",
        (f"{WHOLE}::test_what_people_have_ended_stays_as_they_left_it",),
    ),
    Mutant(
        "a replay of all leaves out what is on its way",
        "ledger/deliveries.py",
        'mended_or_waiting = sent.c.place.has_key("file") | ~_taken(name, sent.c.id)',
        'mended_or_waiting = sent.c.place.has_key("file")',
        (f"{WHOLE}::test_records_on_their_way_come_once",),
    ),
    Mutant(
        "a replay of all leaves out what was refused since it was decided",
        "ledger/deliveries.py",
        "(DISCARDED, OPEN) if decided else (DISCARDED,)",
        "(DISCARDED,)",
        (f"{WHOLE}::test_records_on_their_way_come_once",),
    ),
    Mutant(
        "a file that was refused unread stays out",
        "ledger/deliveries.py",
        "taken = carries_all & _taken(name, batch.c.id) & ~_refused_unread(name)",
        "taken = carries_all & _taken(name, batch.c.id)",
        (f"{WHOLE}::test_a_file_that_was_refused_unread_stays_out",),
    ),
    Mutant(
        "files that were let in are not held back again",
        "pipelines/silver.py",
        "            if not held.whole:\n                self._judge(",
        "            if True:\n                self._judge(",
        (f"{WHOLE}::test_a_file_that_was_refused_unread_stays_out",),
    ),
    Mutant(
        "a replay of all says nothing of the size of batches",
        "ledger/queries.py",
        "hop.c.taken > 0, ~whole",
        "hop.c.taken > 0",
        (f"{WHOLE}::test_a_file_that_was_refused_unread_stays_out",),
    ),
    Mutant(
        "a replay of all that was refused empties nothing",
        "ledger/claims.py",
        "if self.replay and self.replay.whole and not self.refused else None",
        "if self.replay and self.replay.whole else None",
        (f"{WHOLE}::test_a_replay_of_all_that_a_person_refuses_does_nothing",),
    ),
    Mutant(
        "a replay of all is the last reading of each file",
        "ledger/deliveries.py",
        "read = read.where(alone | (IS_WHOLE & ~_refused_unread(name)))",
        "read = read.where(alone)",
        (f"{WHOLE}::test_a_later_replay_of_one_file_is_one_more_fold",),
    ),
    Mutant(
        "what is stale ends with a replay of all",
        "ledger/reconcile.py",
        "        close_incidents(connection, STALE, done.consumer, None)\n",
        "        pass\n",
        (f"{WHOLE}::test_what_withdrawn_rows_had_replaced_comes_back",),
    ),
    Mutant(
        "what was stale before a replay of all is not said after it",
        "pipelines/hop.py",
        "for m in found if m.hop > remade for output",
        "for m in found if m.hop > 0 for output",
        (f"{WHOLE}::test_a_ledger_that_was_away_learns_of_both_at_once",),
    ),
    Mutant(
        "what is stale is shown so",
        "repair/partitions.py",
        "        elif name in lacking:\n",
        "        elif False:\n",
        (f"{WHOLE}::test_a_partition_that_lacks_rows_is_shown_as_stale",),
    ),
    Mutant(
        "refused rows are sent again as they were read",
        "repair/rerun.py",
        "known = _read_anew(known) if anew else known",
        "del anew",
        (f"{WHOLE}::test_refused_rows_are_sent_again_as_the_replay_of_all_has_read_them",),
    ),
    Mutant(
        "readers take a table that was made anew as a whole",
        "ledger/claims.py",
        "remade=frozenset(asset for asset, version in remade.items() if pins[asset][0] < version),",
        "remade=frozenset(),",
        (f"{CHANGE}[another partition]",),
    ),
    Mutant(
        "readers that are behind take it, too",
        "ledger/claims.py",
        "max(before.get(asset, 0), remade.get(asset, 0))",
        "before.get(asset, 0)",
        (f"{REMADE}::test_a_reader_that_is_behind_reads_the_table_that_was_made_anew",),
    ),
    Mutant(
        "a narrower decimal rounds nothing in a warehouse",
        "warehouses/differences.py",
        "    scale = max(one.digits[1], other.digits[1])\n",
        "    scale = other.digits[1]\n",
        (f"{TABLES}::test_a_narrower_decimal_changes_no_value",),
    ),
    Mutant(
        "a frozen table is altered by nobody",
        "load/evolution.py",
        "if self.word == Evolution.EVOLVE or any(difference.absent for difference in found):",
        "if self.word != Evolution.QUARANTINE or any(difference.absent for difference in found):",
        (f"{EVOLUTION}::test_freeze_alters_nothing_and_tells_how_it_is_accepted",),
    ),
    Mutant(
        "a number of too many digits is set aside",
        "load/aside.py",
        "((there == value) & (there.abs() < limit))",
        "(there == value)",
        (f"{EVOLUTION}::test_quarantine_sets_aside_what_does_not_fit_and_loads_the_rest",),
    ),
    Mutant(
        "a row that was set aside gave its table no new key",
        "pipelines/loading.py",
        "good -= sum(",
        "good -= 0 * sum(",
        (f"{DRIFT}::test_quarantine_sets_rows_aside_that_come_once_there_is_room",),
    ),
    Mutant(
        "every slice has a column that an input has got",
        "pipelines/gold.py",
        "held.redefined or held.remade or self._reshaped(held)",
        "held.redefined or held.remade",
        (f"{CHANGED}::test_every_slice_has_a_column_that_an_input_has_got",),
    ),
    Mutant(
        "a change is looked up in every column that joins it",
        "pipelines/gold.py",
        "holds = pl.any_horizontal(pl.col(name).is_in(values) for name in held_in)",
        "holds = pl.col(held_in[0]).is_in(values)",
        (f"{BY_SLICE}::test_a_change_is_looked_up_in_every_column_that_joins_it",),
    ),
    Mutant(
        "a model reads the history of an input that asks for it",
        "pipelines/gold.py",
        "return silver_source(contract_of(dataset), history=self.model.inputs[dataset].history)",
        "return silver_source(contract_of(dataset))",
        (f"{DELIVERIES}::test_history_keeps_versions_and_deletes_and_readers_see_the_current_ones",),
    ),
    Mutant(
        "a load carries the history that it asks for",
        "pipelines/loading.py",
        "history=spec.history or spec.strategy",
        "history=spec.strategy",
        (f"{DELIVERIES}::test_history_keeps_versions_and_deletes_and_readers_see_the_current_ones",),
    ),
)
