"""The rules by which people are told, once, of what is wrong: each taken away."""

from tests.faults.mutant import Mutant

TOLD, KEPT = "tests/integration/test_incidents.py", "tests/integration/test_no_message_is_lost.py"
FAILING = "tests/integration/test_failing_tasks.py"

OF_MESSAGES = (
    Mutant(
        "a message is leased while it is sent",
        "ledger/outbox.py",
        '"lease_until": now + LEASE',
        '"lease_until": None',
        (f"{TOLD}::test_two_senders_send_each_message_once",),
    ),
    Mutant(
        "a late sender touches nobody's lease",
        "ledger/outbox.py",
        "outbox.c.tries == leased.tries + 1, ",
        "",
        (f"{KEPT}::test_a_sender_that_wakes_late_takes_the_lease_of_nobody",),
    ),
    Mutant(
        "what was sent is recorded",
        "notify/outbox.py",
        "outbox.end(connection, row.id, outbox.SENT)",
        "pass",
        (f"{TOLD}::test_an_incident_is_told_once_and_so_is_its_end",),
    ),
    Mutant(
        "the end of what may have been shown is told",
        "notify/outbox.py",
        "outbox.UNKNOWN if row.lease_until else outbox.UNNEEDED",
        "outbox.UNNEEDED",
        (f"{KEPT}::test_the_end_is_told_of_what_a_dead_sender_has_sent",),
    ),
    Mutant(
        "a later failure makes no doubt certain",
        "notify/outbox.py",
        "error.unknown or row.lease_until is not None",
        "error.unknown",
        (f"{KEPT}::test_the_end_is_told_of_what_may_have_been_shown",),
    ),
    Mutant(
        "nothing is resolved while one of its incidents is open",
        "ledger/outbox.py",
        ".where(~outbox.c.settled, ~still)",
        ".where(~outbox.c.settled)",
        (f"{TOLD}::test_fifty_batches_parked_for_one_reason_are_one_message_and_one_end",),
    ),
    Mutant(
        "what joined an episode is told when its first incident ends",
        "notify/about.py",
        "for one in everyone if one.closed_at is None",
        "for one in everyone[:1] if one.closed_at is None",
        (f"{TOLD}::test_what_joins_an_incident_that_ends_before_it_was_told_is_told",),
    ),
    Mutant(
        "a channel is left alone as long as it asks for",
        "notify/outbox.py",
        "wait = error.retry_after",
        "wait = 0.0",
        (f"{TOLD}::test_what_a_channel_asks_for_is_waited",),
    ),
    Mutant(
        "what fails goes to the fallback",
        "notify/outbox.py",
        "if row.fallback and (",
        "if False and (",
        (f"{TOLD}::test_a_dead_channel_delays_no_other_and_falls_back",),
    ),
    Mutant(
        "a death is a try, too",
        "notify/outbox.py",
        "row.tries + 1 >= FALL_BACK_AFTER",
        "row.tries + 1 == FALL_BACK_AFTER",
        (f"{KEPT}::test_a_death_at_the_third_try_still_leads_to_the_fallback",),
    ),
    Mutant(
        "who was given up is tried again while it is open",
        "ledger/outbox.py",
        "func.bool_and(outbox.c.ended_at.is_not(None)), func.max",
        "func.bool_and(outbox.c.outcome == SENT), func.max",
        (f"{KEPT}::test_a_channel_that_is_dead_for_weeks_is_told_when_it_is_back",),
    ),
    Mutant(
        "what is muted is not told",
        "ledger/outbox.py",
        "incident.c.closed_at.is_(None), ~is_muted())",
        "incident.c.closed_at.is_(None))",
        (f"{KEPT}::test_a_notice_that_is_muted_waits_and_is_told",),
    ),
    Mutant(
        "what is muted before it was sent waits",
        "ledger/outbox.py",
        "free, ~_silent())",
        "free)",
        (f"{KEPT}::test_what_is_muted_or_answered_for_before_it_is_sent_waits",),
    ),
    Mutant(
        "a notice is over when it is told",
        "notify/outbox.py",
        "    close_told(connection, [row.id for row, _ in found if kind_of(row.kind).notice])\n",
        "",
        (f"{TOLD}::test_a_notice_is_told_and_over",),
    ),
    Mutant(
        "numbers make no other reason",
        "notify/kinds.py",
        '(NUMBER, "#"), ',
        "",
        (f"{TOLD}::test_fifty_batches_parked_for_one_reason_are_one_message_and_one_end",),
    ),
    Mutant(
        "an outage of the ledger is told by one process",
        "notify/direct.py",
        '"to": [asdict(one) for one in to]}):\n        return\n',
        '"to": [asdict(one) for one in to]}):\n        pass\n',
        (f"{FAILING}::test_an_outage_of_the_ledger_is_told_once_without_it",),
    ),
)
