"""Incremental load: staged rows replace those of their keys, other rows stay as they are."""

from common.load.plan import LoadPlan


def statements(plan: LoadPlan) -> list[str]:
    """Give the statements; keys never hold NULL, so plain equality finds them."""
    return [
        f'DELETE FROM {plan.target} t USING "{plan.staging}" s WHERE {plan.matches}',  # noqa: S608 - names are quoted
        plan.insert,
    ]
