"""Full load: the table's rows are replaced by those given, at once for every reader."""

from sqlglot import exp

from common.load.plan import LoadPlan
from common.warehouses import sql
from common.warehouses.warehouse import Statement


def statements(plan: LoadPlan) -> list[Statement]:
    """Return the statements; DELETE rather than TRUNCATE, which a reader with an older snapshot would see."""
    return [exp.delete(sql.table(plan.table)), plan.insert]
