"""The rules of fetching from sources, each taken away."""

from tests.faults.mutant import Mutant

FAULTS = "tests/faults/test_sources.py"
TABLES = "tests/integration/test_table_sources.py"
SHEETS = "tests/integration/test_sheet_sources.py"
FOLDERS = "tests/integration/test_folder_sources.py"
ZOMBIE = f"{FAULTS}::test_a_zombie_changes_nothing_even_where_the_last_to_come_is_the_latest[settle.read]"
WATERMARK = f"{TABLES}::test_a_table_arrives_by_its_watermark_and_late_commits_with_the_overlap[postgres]"
DAYS = f"{TABLES}::test_days_arrive_as_their_own_and_one_that_is_missing_alerts_until_it_comes"
SHEET = f"{SHEETS}::test_a_sheet_that_changes_while_it_is_read_comes_as_what_it_is_then"

OF_SOURCES = (
    Mutant(
        "what is put twice is one delivery",
        "pipelines/landing.py",
        "return self._with_fetched(found, fetched) if fetched else found",
        "return replace(found, fresh=[*found.fresh, *fetched])",
        (ZOMBIE,),
    ),
    Mutant(
        "two ranges with one content are two deliveries",
        "pipelines/landing.py",
        "(fetched if self._is_fetched(arrival) else others).append(arrival)",
        "others.append(arrival)",
        (DAYS,),
    ),
    Mutant(
        "a run puts what is owed before it rings",
        "pipelines/source_look.py",
        "    IngestStep(consumer).deliver()\n",
        "",
        (f"{FAULTS}::test_a_death_at_any_point_loses_and_doubles_nothing",),
    ),
    Mutant(
        "landing puts what a dead worker owes",
        "pipelines/look.py",
        "            IngestStep(consumer).deliver()\n",
        "            IngestStep(consumer)\n",
        (f"{FAULTS}::test_landing_puts_what_a_dead_worker_owes_however_late",),
    ),
    Mutant(
        "what is owed stays staged",
        "upkeep/retain.py",
        "return {part for number, attempt in unrung_hops(connection, name) for part in _parts(name, number, attempt)}",
        "return set()",
        (f"{FAULTS}::test_landing_puts_what_a_dead_worker_owes_however_late",),
    ),
    Mutant(
        "a range begins before the end of the last one",
        "sources/watermark.py",
        "str_mark(self._before(read_mark(last.upto))) if last",
        "last.upto if last",
        (WATERMARK,),
    ),
    Mutant(
        "a table at rest may have rows that came late",
        "sources/watermark.py",
        "(last.upto, last.seen) == (str_mark(end), seen)",
        "last.upto == str_mark(end)",
        (WATERMARK,),
    ),
    Mutant(
        "a range ends where its look has pinned it",
        "sources/watermark.py",
        "upto = mark <= read_mark(str(pinned.upto))",
        "upto = true()",
        (f"{TABLES}::test_a_table_that_grows_while_it_is_read_gives_what_was_pinned_and_the_rest_next[postgres]",),
    ),
    Mutant(
        "what is gone is pinned anew when it is there again",
        "ledger/ranges.py",
        "present = _present(connection, item.name, found)",
        "present = list(found)",
        (f"{TABLES}::test_a_table_of_a_day_that_is_dropped_before_it_is_read_is_fetched_when_it_is_there_again",),
    ),
    Mutant(
        "a sheet that has changed is not what was pinned",
        "sources/sheets.py",
        "if hashlib.sha256(content).hexdigest() != pinned.seen:",
        "if not content:",
        (SHEET,),
    ),
    Mutant(
        "a revision that was gone is not the last one",
        "sources/sheets.py",
        "if known.last and known.came and known.last.seen == seen:",
        "if known.last and known.last.seen == seen:",
        (SHEET,),
    ),
    Mutant(
        "a file that was overwritten is not what was pinned",
        "sources/folders.py",
        "if now != pinned.seen:",
        "if not now:",
        (f"{FOLDERS}::test_a_file_that_is_overwritten_while_it_is_read_comes_as_what_it_is_then",),
    ),
    Mutant(
        "what gave nothing rings nobody",
        "pipelines/work.py",
        'KINDS[consumer.kind].quiet and not ring.counts["good"]',
        "KINDS[consumer.kind].quiet and not ring.hops",
        (f"{TABLES}::test_what_is_gone_when_it_is_fetched_is_an_empty_range[postgres]",),
    ),
    Mutant(
        "a day is over at midnight of its zone",
        "sources/days.py",
        "while end_of(day, spec.zone) <= at:",
        'while end_of(day, "UTC") <= at:',
        ("tests/unit/common/sources/test_days.py::test_a_day_is_over_at_midnight_of_its_zone",),
    ),
)
