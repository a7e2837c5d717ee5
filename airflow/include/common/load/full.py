"""Full load: the table's rows are replaced by the staged ones, at once for every reader."""

from common.load.plan import LoadPlan


def statements(plan: LoadPlan) -> list[str]:
    """Give the statements; DELETE rather than TRUNCATE, which a reader with an older snapshot would see."""
    return [f"DELETE FROM {plan.target}", plan.insert]  # noqa: S608 - the name is quoted
