"""Incremental load: staged rows replace those of their keys, other rows stay as they are."""

from sqlglot import exp

from common.load.plan import LoadPlan
from common.warehouses import sql
from common.warehouses.warehouse import Statement


def statements(plan: LoadPlan) -> list[Statement]:
    """Return the statements: what is touched goes, what is staged comes."""
    return [exp.delete(sql.table(plan.table), where=plan.touched), plan.insert]
