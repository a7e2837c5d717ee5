"""The rules of delivering forms to CDMS, each taken away."""

from tests.faults.mutant import Mutant

FAULTS = "tests/faults/test_deliver.py"
HOOK = "tests/integration/test_veeva_hook.py"
DELIVERING = "tests/integration/test_delivering.py"
ORDER = "tests/integration/test_order.py"
ZOMBIE = f"{FAULTS}::test_a_worker_that_is_frozen_before_it_sends_and_thawed_after_another_has_sends_nothing"

OF_DELIVERIES = (
    Mutant(
        "a form is read back before it is set",
        "targets/veeva.py",
        'if not item.equals(*held.get(item.at, ("", "")))',
        "",
        (f"{HOOK}::test_a_lost_answer_is_looked_up_before_anything_is_sent_again",),
    ),
    Mutant(
        "whoever has lost the hop sends nothing more",
        "pipelines/delivering.py",
        "if not owns(connection, held):",
        "if False:",
        (ZOMBIE,),
    ),
    Mutant(
        "a login counts in the vault that is meant",
        "hooks/veeva.py",
        'if str(session.get("vaultId")) != wanted:',
        "if False:",
        (f"{HOOK}::test_a_login_that_ends_in_another_vault_is_refused",),
    ),
    Mutant(
        "what CDMS refuses is not counted as delivered",
        "targets/veeva.py",
        'if item.get("responseStatus") == "FAILURE"',
        'if item.get("responseStatus") == "NEVER"',
        (f"{DELIVERING}::test_what_cdms_refuses_goes_to_quarantine_and_the_rest_arrives",),
    ),
    Mutant(
        "a consumer takes the rows of its study alone",
        "pipelines/delivering.py",
        "rows, fresh = net.rows.filter(of_the_study), net.fresh.filter(of_the_study)",
        "rows, fresh = net.rows, net.fresh",
        (f"{DELIVERING}::test_rows_become_forms_and_a_correction_sets_what_has_changed",),
    ),
    Mutant(
        "a row waits for an earlier one of its subject that is refused",
        "pipelines/delivering.py",
        "if refusal := order.waits_for(row):",
        'if refusal := "":',
        (f"{ORDER}::test_a_refused_row_keeps_later_deliveries_of_its_subject_waiting_until_it_is_corrected",),
    ),
    Mutant(
        "rows of one delivery do not wait for each other",
        "pipelines/order.py",
        "if one.arrival < arrival",
        "if one.arrival <= arrival",
        (f"{ORDER}::test_a_refused_row_keeps_later_deliveries_of_its_subject_waiting_until_it_is_corrected",),
    ),
    Mutant(
        "what corrects a refused row waits for nothing",
        "pipelines/order.py",
        "return row[KEY] in self._sendable[subject_of(self.spec, row)]",
        "return False",
        (f"{ORDER}::test_a_correction_that_is_refused_again_keeps_the_others_waiting",),
    ),
    Mutant(
        "a row that the contract has refused is waited for, too",
        "pipelines/order.py",
        "still = origin == one.origin if one.by_target else (arrival, origin[1]) <= (one.arrival, one.origin[1])",
        "still = origin == one.origin",
        (f"{ORDER}::test_what_the_contract_refuses_is_waited_for_until_a_person_discards_it",),
    ),
    Mutant(
        "nothing waits for what a person has waived",
        "pipelines/order.py",
        "if refusal.waived is None and",
        "if",
        (f"{ORDER}::test_a_person_waives_a_refused_row_with_who_and_why_and_it_stays_open",),
    ),
    Mutant(
        "a hop that takes again what waited ends its refusals",
        "ledger/reconcile.py",
        '    end_refusals(connection, done.ended, REDRIVEN, None, done.outputs[0].id if done.outputs else "")\n',
        "",
        (f"{ORDER}::test_a_refused_row_keeps_later_deliveries_of_its_subject_waiting_until_it_is_corrected",),
    ),
    Mutant(
        "addresses that name subjects are not logged",
        "hooks/veeva.py",
        'return "/app/cdm/" not in record.getMessage()',
        "return True",
        (f"{HOOK}::test_logs_name_no_subject",),
    ),
    Mutant(
        "a form that fails keeps no other form of its study waiting",
        "pipelines/together.py",
        "errors.append(error)\n            continue",
        "raise",
        (f"{DELIVERING}::test_what_fails_is_raised_once_all_were_tried_and_what_a_retry_can_help_first",),
    ),
    Mutant(
        "a task that a retry can help is tried again, whatever else has failed in it",
        "pipelines/together.py",
        "raise min(errors, key=lambda one: isinstance(one, TerminalError))",
        "raise errors[0]",
        (f"{DELIVERING}::test_what_fails_is_raised_once_all_were_tried_and_what_a_retry_can_help_first",),
    ),
    Mutant(
        "a row of another folder's study is refused",
        "quality/checks.py",
        'yield Check("path", name, (pl.col(name) == value).fill_null(value=True))',
        'yield Check("path", name, pl.lit(value=True))',
        ("tests/unit/common/refine/test_paths.py::test_a_row_of_another_study_or_site_than_its_folder_is_refused",),
    ),
)
