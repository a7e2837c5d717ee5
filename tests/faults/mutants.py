"""Each rule of a hop taken away in a copy of the source: some test must notice, or the rule is not tested.

A mutant is a small replacement of text. It is killed where the tests chosen for it fail, and they pass on the source as it is.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devstack.stack import running
from tests.faults.tally import REPORT, ROOT, VAR, write_section

COMMON = Path("airflow/include/common")
PATIENCE = 300
GRAMMAR, FLOW = "tests/integration/test_hop_grammar.py", "tests/integration/test_flow.py"
RULES, ZOMBIES, POISON = "tests/faults/test_rules.py", "tests/faults/test_zombies.py", "tests/faults/test_poison.py"
WAREHOUSES = "tests/integration/test_warehouses.py"
DELIVERIES, BY_SLICE = "tests/integration/test_deliveries.py", "tests/integration/test_models_by_slice.py"
STORE, RACES = "tests/faults/test_store_faults.py", "tests/faults/test_races.py"


@dataclass(frozen=True)
class Mutant:
    """A rule, the text that keeps it, what stands there without it, and the tests that must fail then."""

    rule: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTANTS = (
    Mutant(
        "1 compare and set on Delta",
        "lake/table.py",
        "if (self.snapshot.transaction_version(self.consumer) or 0) != hop - 1:",
        "if False:",
        (f"{FLOW}::test_a_second_attempt_cannot_publish_on_delta_or_in_the_warehouse",),
    ),
    Mutant(
        "1 compare and set in a warehouse",
        "warehouses/warehouse.py",
        "if talk.run(sql.move_token(token)) != 1:",
        "if talk.run(sql.move_token(token)) is None:",
        (f"{FLOW}::test_a_second_attempt_cannot_publish_on_delta_or_in_the_warehouse",),
    ),
    Mutant(
        "1 compare and set in SQL alone",
        "warehouses/sql.py",
        'hop = _require(column("hop").eq(token.hop - 1), token.hop, TAKEN)',
        "hop = exp.Literal.number(token.hop)",
        (f"{WAREHOUSES}::test_only_the_hop_after_the_head_commits",),
    ),
    Mutant(
        "1 the guard in a warehouse",
        "warehouses/warehouse.py",
        "    if found != staged:",
        "    if found is None:",
        (f"{WAREHOUSES}::test_what_was_staged_and_is_gone_is_not_committed",),
    ),
    Mutant(
        "1 the guard in SQL alone",
        "warehouses/warehouse.py",
        "guards = [] if staged is None else [sql.guard(token, staged)]",
        "guards: list[exp.Select] = []",
        (f"{WAREHOUSES}::test_what_was_staged_and_is_gone_is_not_committed",),
    ),
    Mutant(
        "1 staging tables of closed hops alone go",
        "warehouses/sql.py",
        "if hop < token.hop]",
        "if hop <= token.hop]",
        (f"{WAREHOUSES}::test_staging_tables_of_closed_hops_go_and_those_of_the_open_one_stay",),
    ),
    Mutant(
        "1 write once",
        "zones/store.py",
        'Body=content, IfNoneMatch="*")',
        "Body=content)",
        (f"{FLOW}::test_conditional_reads_and_deletes_touch_only_what_was_listed",),
    ),
    Mutant(
        "1 landing commits once",
        "pipelines/commit_objects.py",
        'if not self._store.put_json(commit_key(self.consumer, held.hop), {"v": VERSION, "attempt": held.attempt}):',
        'if self._store.put_json(commit_key(self.consumer, held.hop), {"v": VERSION, "attempt": 1}) is None:',
        (f"{ZOMBIES}::test_a_zombie_writes_nothing[ecommerce.transactions.bronze-landing:publish.before]",),
    ),
    Mutant(
        "2 reconcile at wake",
        "pipelines/hop.py",
        "found = _reconciled(connection, step, done)\n            held = claim(",
        "found: list[Manifest] = []\n            held = claim(",
        (f"{GRAMMAR}::test_a_death_at_any_moment_loses_and_doubles_nothing",),
    ),
    Mutant(
        "2 reconcile after an error",
        "pipelines/hop.py",
        "_record(step, done)  # an error's type is no evidence that nothing happened",
        "pass",
        (f"{GRAMMAR}::test_an_error_after_the_commit_is_no_evidence_that_nothing_happened",),
    ),
    Mutant(
        "2 reconcile before narrowing",
        "pipelines/hop.py",
        "found = _reconciled(connection, step, done)\n        published =",
        "found: list[Manifest] = []\n        published =",
        (f"{RULES}::test_a_data_error_after_the_commit_narrows_nothing",),
    ),
    Mutant(
        "2 a ledger ahead of its target stops",
        "ledger/reconcile.py",
        "if head.hop < known.hop or (head.hop == known.hop and head.attempt != known.attempt):",
        "if False:",
        (f"{GRAMMAR}::test_a_ledger_ahead_of_its_target_stops_with_an_incident",),
    ),
    Mutant(
        "3 the consumer's lock",
        "ledger/consumers.py",
        "select(consumer).where(consumer.c.name == name).with_for_update()",
        "select(consumer).where(consumer.c.name == name)",
        (f"{RULES}::test_a_consumer_is_locked_for_a_whole_transaction",),
    ),
    Mutant(
        "3 leases are respected",
        "ledger/claims.py",
        "if current.leased and current.owner != owner:",
        "if False:",
        (f"{GRAMMAR}::test_a_retry_takes_over_at_once_and_others_find_it_leased",),
    ),
    Mutant(
        "3 ledger writes are conditional on the attempt",
        "ledger/claims.py",
        "        & (hop.c.attempt == held.attempt)\n",
        "",
        (f"{RULES}::test_an_attempt_that_lost_its_hop_neither_renews_nor_counts",),
    ),
    Mutant(
        "3 one receipt a batch",
        "ledger/migrations/versions/0001_tables_of_the_ledger.py",
        '        sa.PrimaryKeyConstraint("consumer", "batch", name=op.f("pk_receipt")),\n',
        "",
        (f"{RULES}::test_a_batch_has_one_receipt_of_a_consumer",),
    ),
    Mutant(
        "4 the database refuses counts that do not add up",
        "ledger/migrations/versions/0001_tables_of_the_ledger.py",
        '"taken IS NULL OR (taken = good + merged + refused AND least(good, merged, refused) >= 0)"',
        '"taken IS NULL OR taken >= 0"',
        (f"{GRAMMAR}::test_the_database_itself_refuses_counts_that_do_not_add_up",),
    ),
    Mutant(
        "4 nothing is published before the audit",
        "pipelines/hop.py",
        "            _audit(held, staged)\n",
        "            pass\n",
        (f"{GRAMMAR}::test_counts_that_do_not_add_up_reach_no_target",),
    ),
    Mutant(
        "4 a manifest is written once",
        "ledger/manifests.py",
        "if read_manifest(manifest.consumer, manifest.hop, manifest.attempt) != manifest:",
        "if False:",
        (f"{RULES}::test_an_attempt_writes_one_manifest_once",),
    ),
    Mutant(
        "5 a data error narrows",
        "pipelines/hop.py",
        "narrow(connection, step.consumer.name, why, held.attempt, error.batches)",
        "del why",
        (f"{RULES}::test_a_data_error_narrows_at_once_without_waiting_for_deaths",),
    ),
    Mutant(
        "5 transient errors do not narrow",
        "pipelines/hop.py",
        "except DataError as error:\n        _after_data_error",
        "except WatershedError as error:\n        _after_data_error",
        (f"{GRAMMAR}::test_an_outage_parks_nothing",),
    ),
    Mutant(
        "5 an outage is nobody's death",
        "pipelines/hop.py",
        "finally:  # an outage is nobody's death, even where it hides the target's head\n            _release(step, held)",
        "finally:\n            pass",
        (f"{GRAMMAR}::test_an_outage_parks_nothing",),
    ),
    Mutant(
        "5 a full disk is an outage",
        "pipelines/hop.py",
        "except (OSError, MemoryError) as error:",
        "except ZeroDivisionError as error:",
        (f"{STORE}::test_a_full_disk_parks_nothing[landing:stage.copied]",),
    ),
    Mutant(
        "5 deaths are counted",
        "ledger/claims.py",
        "died = current.deaths + (1 if current.attempt is not None else 0)",
        "died = 0",
        (f"{GRAMMAR}::test_five_deaths_narrow_to_the_batch_that_kills",),
    ),
    Mutant(
        "5 readers of tables stop",
        "pipelines/hop.py",
        "if step.consumer.ordered and owns(connection, held):\n"
        "            open_incident(connection, STOPPED, step.consumer.name, str(error))\n"
        "        elif not step.consumer.ordered and not published:",
        "if not published:",
        (f"{GRAMMAR}::test_a_reader_of_tables_stops_in_order_and_goes_on_once_mended",),
    ),
    Mutant(
        "5 an attempt that lost its hop stops nobody",
        "pipelines/hop.py",
        "if step.consumer.ordered and owns(connection, held):",
        "if step.consumer.ordered and not published:",
        (f"{RULES}::test_an_attempt_that_lost_its_hop_stops_nobody",),
    ),
    Mutant(
        "5 deaths of readers of tables park nothing",
        "ledger/claims.py",
        "if died >= DEATHS_BEFORE_NARROWING and not item.ordered:",
        "if died >= DEATHS_BEFORE_NARROWING:",
        (f"{POISON}::test_deaths_of_readers_of_tables_never_skip_a_batch",),
    ),
    Mutant(
        "6 parts are named by hop and attempt",
        "pipelines/silver.py",
        'f"{held.hop}/{held.attempt}"',
        'f"{held.hop}/1"',
        (f"{RULES}::test_a_zombie_that_stages_late_overwrites_no_published_part",),
    ),
    Mutant(
        "7 hops that nobody was told of are rung by the next run",
        "pipelines/work.py",
        "ring = to_ring(connection, consumer.name)\n",
        "ring = to_ring(connection, consumer.name) if done.hops else None\n",
        (f"{RULES}::test_a_hop_that_nobody_was_told_of_is_rung_by_the_next_run",),
    ),
    Mutant(
        "7 a hop counts as rung only once its event is stored",
        "pipelines/work.py",
        "ring = to_ring(connection, consumer.name)\n",
        "ring = to_ring(connection, consumer.name)\n        mark_rung(connection, consumer.name, done.hops)\n",
        (f"{RULES}::test_a_hop_that_nobody_was_told_of_is_rung_by_the_next_run",),
    ),
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
        "return rows.filter(~pl.col(FILE_COLUMN).is_in(outdated))",
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
)


def mutated(mutant: Mutant, root: Path = ROOT) -> str:
    """Give the source without the rule; raises ValueError where its text is not found exactly once."""
    text = (root / COMMON / mutant.file).read_text(encoding="utf-8")
    if (found := text.count(mutant.old)) != 1:
        raise ValueError(f"mutant '{mutant.rule}': its text is found {found} times in {mutant.file}, expected once")
    return text.replace(mutant.old, mutant.new)


def hunt(state: Path, say: Callable[[str], None]) -> dict[str, str]:
    """Run the tests of every mutant on the stack of that state folder; tell of each whether it was killed."""
    chosen = tuple(dict.fromkeys(test for mutant in MUTANTS for test in mutant.tests))
    with copied() as copy:
        if (how := _tested(copy, state, chosen, 4 * PATIENCE)) != "survived":
            return {"none: the tests on the source as it is": f"{how}, where they must pass"}
    found = {}
    for mutant in MUTANTS:
        found[mutant.rule] = _hunted(mutant, state)
        say(f"mutant {mutant.rule}: {found[mutant.rule]}")
    return found


def _hunted(mutant: Mutant, state: Path) -> str:
    with copied() as copy:
        try:
            (copy / COMMON / mutant.file).write_text(mutated(mutant, copy), encoding="utf-8")
        except ValueError as error:
            return str(error)
        return _tested(copy, state, mutant.tests, PATIENCE)


@contextmanager
def copied() -> Iterator[Path]:
    """Copy source and tests to a folder of their own for the length of a block."""
    with tempfile.TemporaryDirectory(prefix="watershed-mutant-") as folder:
        copy = Path(folder)
        for name in ("airflow", "tests"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        yield copy


def _tested(copy: Path, state: Path, tests: tuple[str, ...], patience: int) -> str:
    env = {**os.environ, "TEST_STACK": str(state), "PYTHONDONTWRITEBYTECODE": "1"}
    env.pop("PYTHONPATH", None)
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(command, cwd=copy, env=env, capture_output=True, text=True, timeout=patience)
    except subprocess.TimeoutExpired:
        return f"no answer within {patience} s"
    if done.returncode > 1:
        return f"could not be tested: {done.stdout[-500:]}"
    return "killed" if done.returncode else "survived"


def main() -> int:
    """Hunt every mutant on a stack of its own, and add what was found to the report of the last campaign."""
    state = VAR / "stack"
    with running(state, services=("postgres", "s3", "slack")):
        found = hunt(state, lambda line: sys.stdout.write(f"{line}\n") and sys.stdout.flush())
    report = json.loads(REPORT.read_text(encoding="utf-8")) | {"mutants": found}
    REPORT.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    write_section(report)
    return 0 if set(found.values()) == {"killed"} else 1


if __name__ == "__main__":
    sys.exit(main())
