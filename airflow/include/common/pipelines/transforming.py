"""A table that a warehouse computes: a model's SELECT over loaded tables, audited, then one commit with the token.

What it reads is not pinned, so it is looked at: where a load of an input came between, it is read again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

from sqlglot import exp

from common.core.errors import ConservationError, TargetUnavailable
from common.core.nouns import Consumer, Counts, Dataset, Head
from common.ledger.claims import Claim
from common.ledger.manifests import Manifest
from common.load.plan import LoadPlan
from common.models.model import model_of
from common.models.run import schema_of
from common.models.translated import select, total_of
from common.observe.verbs import passed
from common.pipelines.consumers import loads_into
from common.pipelines.loading import LoadStep
from common.pipelines.step import Published, Staged
from common.pipelines.warehouse_step import WarehouseStep, token_of
from common.warehouses import sql
from common.warehouses.warehouse import Statement, head


class TransformStep(WarehouseStep):
    """The hop that keeps one table of a warehouse, computed there, up to date with the loaded tables that it reads."""

    def __init__(self, consumer: Consumer) -> None:
        self.model = model_of(consumer.dataset)
        self.inputs = {table: LoadStep(loads_into(self.model.on)[str(table)]) for table in self.model.inputs}
        schema = schema_of(self.model, {table: load.schema for table, load in self.inputs.items()})
        pinned = replace(consumer, contract=self.model.hash)
        super().__init__(pinned, str(consumer.dataset), schema, self.model.key)

    def apply(self) -> None:
        """Make the table with the columns that it lacks, and the token; raises ModelError for SQL that cannot run."""
        self.warehouse.dialect.text(self._query)
        super().apply()

    @cached_property
    def _query(self) -> exp.Query:
        dialect = self.warehouse.dialect
        columns = {
            table: {name: dialect.column_type(dtype) for name, dtype in load.schema.items()}
            for table, load in self.inputs.items()
        }
        return select(self.model, columns, dialect)

    @contextmanager
    def stage(self, held: Claim) -> Iterator[Staged]:
        """Compute the rows into a table of this attempt, and audit them."""
        self.admitted(held)
        counts = self._computed(held)
        passed(self.consumer.kind, "stage.rows", held.batches)
        yield Staged(
            counts=counts,
            commit=partial(self._commit, held, counts.taken),
            outputs=(self.output(held, counts.taken),),
            bytes=sum(batch.bytes for batch in held.batches),
        )

    def plan(self, held: Claim) -> Counts:
        """Count the rows that there would be; how many are new is not known before they are computed."""
        del held
        rows = self._number(_count(self._query))
        return Counts(rows, 0, rows, 0)

    def _computed(self, held: Claim) -> Counts:
        """Compute and audit; raises TargetUnavailable where a load of an input was committed meanwhile."""
        before = self._heads()
        self.warehouse.derive(token_of(held), self.schema, self._query)
        counts, faults = self._counts(token_of(held).staging), list(self._faults(token_of(held).staging))
        for table, found in self._heads().items():
            if found != before[table]:
                raise TargetUnavailable(f"{table} was loaded while {self.target} was computed; it is computed again.")
        if faults:
            raise ConservationError(f"Model {self.model.dataset}: {'; '.join(faults)}. Nothing was published.")
        return counts

    def _heads(self) -> dict[Dataset, Head]:
        return {table: head(self.warehouse, load.consumer.name) for table, load in self.inputs.items()}

    def _counts(self, staging: str) -> Counts:
        """Count the rows, and those whose key the table lacks."""
        rows = self._number(sql.count(staging))
        key = self.model.key
        same = LoadPlan(self.target, staging, tuple(self.schema), key, self.padded(key)).same_key
        known = exp.Exists(this=exp.select("1").from_(sql.table(self.target)).where(same))
        good = self._number(sql.count(staging).where(exp.Not(this=known)))
        return Counts(rows, good, rows - good, 0)

    def _faults(self, staging: str) -> Iterator[str]:
        """Look at keys and control totals of the computed rows."""
        key = [sql.column(name) for name in self.model.key]
        for name, column in zip(self.model.key, key, strict=True):
            if lacking := self._number(sql.count(staging).where(column.is_(exp.null()))):
                yield f"{lacking} rows have no '{name}', which is part of the key"
        distinct = exp.select(*key).from_(sql.table(staging)).group_by(*key).subquery("keys")
        doubled = self._number(sql.count(staging)) - self._number(
            exp.select(exp.Count(this=exp.Star())).from_(distinct)
        )
        if doubled:
            yield f"{doubled} rows share a key ({', '.join(self.model.key)}) with another"
        for total in self.model.controls:
            found = self._total(total.result, staging)
            expected = self._total(total.expected, self.inputs[total.dataset].target)
            if (found or 0) != (expected or 0):
                yield f"{total.result} is {found}, but {total.expected} of {total.dataset} is {expected}"

    def _number(self, query: exp.Query) -> int:
        return int(self.warehouse.query(query)[0][0])

    def _total(self, expression: str, table: str) -> Any:
        return self.warehouse.query(total_of(self.model, expression, table))[0][0]

    def _commit(self, held: Claim, rows: int) -> None:
        self.warehouse.commit(token_of(held), rows, self._statements(token_of(held).staging))

    def _statements(self, staging: str) -> Iterator[Statement]:
        columns = list(self.schema)
        passed(self.consumer.kind, "publish.token")
        yield exp.delete(sql.table(self.target))
        rows = exp.select(*map(sql.column, columns)).from_(sql.table(staging))
        yield exp.insert(rows, sql.table(self.target), columns=[sql.name(name) for name in columns])
        passed(self.consumer.kind, "publish.commit")

    def differences(self, known: Published, manifests: list[Manifest]) -> Iterator[str]:
        """Compare the rows of the table with those that its last hop has published."""
        del manifests
        if not known.hops:
            return
        last = known.hops[-1]
        if (found := self.count_rows()) != (expected := last.good + last.merged):
            yield f"{self.target} has {found} rows, hop {last.n} published {expected}"


def _count(query: exp.Query) -> exp.Select:
    return exp.select(exp.Count(this=exp.Star())).from_(query.subquery("counted"))
