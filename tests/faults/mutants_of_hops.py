"""The rules of a hop, each taken away: they are numbered as docs/architecture.md tells of them."""

from tests.faults.mutant import Mutant

GRAMMAR = "tests/integration/test_hop_grammar.py"
FLOW = "tests/integration/test_flow.py"
RULES = "tests/faults/test_rules.py"
ZOMBIES = "tests/faults/test_zombies.py"
POISON = "tests/faults/test_poison.py"
WAREHOUSES = "tests/integration/test_warehouses.py"
STORE = "tests/faults/test_store_faults.py"
TOGETHER = "tests/faults/test_together.py"

OF_HOPS = (
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
        "*([] if staged is None else [sql.guard(token, staged)])]",
        "]",
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
        "found = [] if known else _reconciled(connection, step, done)\n            held = claim(",
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
        "8 a hop that is open is left to a process of its own",
        "ledger/small.py",
        "    AND NOT EXISTS (SELECT FROM hop WHERE hop.consumer = consumer.name AND state = 'open')\n",
        "",
        (f"{TOGETHER}::test_a_death_takes_down_one_hop_and_the_next_try_rings_the_others",),
    ),
    Mutant(
        "8 what has failed is left to a process of its own",
        "ledger/small.py",
        "    AND NOT EXISTS (SELECT FROM failure WHERE failure.consumer = consumer.name)\n",
        "",
        (f"{TOGETHER}::test_what_is_more_than_a_little_has_a_process_of_its_own",),
    ),
    Mutant(
        "8 a replay is left to a process of its own",
        "ledger/small.py",
        " AND NOT coalesce(whole, false)",
        "",
        (f"{TOGETHER}::test_a_replay_has_a_process_of_its_own",),
    ),
    Mutant(
        "8 one that fails beside others holds up none of them",
        "pipelines/together.py",
        "        told.apart.append(consumer.name)\n        return\n",
        "        raise\n",
        (f"{TOGETHER}::test_one_that_fails_is_handed_on_and_holds_up_no_other",),
    ),
    Mutant(
        "8 a run takes over at once what it has begun beside others",
        "pipelines/together.py",
        'f"{owner}/{consumer.name}", run_id, told',
        'f"{owner}/together", run_id, told',
        (f"{TOGETHER}::test_a_death_takes_down_one_hop_and_the_next_try_rings_the_others",),
    ),
    Mutant(
        "8 what was published beside others is rung",
        "pipelines/together.py",
        "told.rings += [ring] if ring else []",
        "told.rings += [ring] if ring and not told.rings else []",
        (f"{TOGETHER}::test_all_that_is_small_is_done_and_each_is_rung_once",),
    ),
)
