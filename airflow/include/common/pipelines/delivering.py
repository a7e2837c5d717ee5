"""Silver to Veeva CDMS: each row of one study is a form of a subject, read back and set where it differs.

CDMS has no transaction and keeps no token, so forms are set while the hop is staged; the hop is committed by a
write-once object when all of them are. A hop that is done again finds in CDMS what was set, and sets the rest.
"""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from io import BytesIO
from typing import Any

import polars as pl

from common.contracts.catalogue import contract_of
from common.contracts.contract import ARRIVAL_COLUMN, RECORD_COLUMN
from common.contracts.deliveries import Part
from common.core.assets import Zone, asset_name
from common.core.errors import ConfigError, LeaseLost
from common.core.ids import batch_id
from common.core.nouns import Batch, Consumer, Counts, Refusal
from common.core.places import WarehouseTable
from common.lake.changes import GONE, net_changes
from common.lake.schema import KEY, key_text
from common.lake.source import silver_source
from common.lake.table import current_version, reading
from common.ledger.claims import Claim, owns
from common.ledger.database import transaction
from common.ledger.manifests import Manifest
from common.ledger.refusals import WAITING, open_rows, rows_withheld
from common.load.aside import UNDELIVERED, SetAside, kept
from common.observe.verbs import passed
from common.pipelines.object_step import ObjectStep
from common.pipelines.order import WITHDRAWN, Order, order_of
from common.pipelines.step import Published, Staged
from common.targets.veeva import Cdms, Form, Item, Refused, cdms
from common.zones.store import ZoneStore

WHY = "_refused"


@dataclass(frozen=True)
class Rows:
    """The rows of a study that are to be delivered, first to last, the keys that are new, and what is refused and open.

    `ended` names open refusals whose rows are among these, or have changed since.
    """

    rows: pl.DataFrame
    fresh: pl.DataFrame
    order: Order
    ended: tuple[str, ...]


class DeliverStep(ObjectStep):
    """The hop that delivers the rows of one study of one dataset."""

    def __init__(self, consumer: Consumer) -> None:
        contract = contract_of(consumer.dataset)
        if contract.deliver is None:
            raise ConfigError(f"{consumer.dataset} is delivered nowhere: its contract does not say `deliver`.")
        super().__init__(replace(consumer, contract=contract.hash))
        self.spec, self.source = contract.deliver, silver_source(contract)
        self.columns = {(item.group, item.item): item.part.column for item in self.spec.items}

    @property
    def cdms(self) -> Cdms:
        """The Vault, whose session the process keeps."""
        return cdms(self.spec.conn)

    @contextmanager
    def stage(self, held: Claim) -> Iterator[Staged]:
        """Let CDMS have every form of the rows, and put those that it refuses aside."""
        found = self._rows(held)
        if found.rows.height:
            self.cdms.require_study(self.consumer.part)
        passed(self.consumer.kind, "stage.looked", held.batches)
        rows = enumerate(found.rows.to_dicts())
        refused = {at: those for at, row in rows if (those := self._in_order(held, found.order, row))}
        counts = _counts(found, list(refused), self.source.key)
        yield Staged(
            counts=counts,
            commit=self.commit(held),
            outputs=(self._output(held, counts),),
            refusals=self._put_aside(held, found.rows, refused),
            ended=found.ended,
        )

    def plan(self, held: Claim) -> Counts:
        """Count the rows of the claim; which of them CDMS refuses is known once they are sent."""
        return _counts(self._rows(held), [], self.source.key)

    def _rows(self, held: Claim) -> Rows:
        """Read what has changed and what waits no more; what corrects a refused record is first, so others follow."""
        changed, fresh = self._changed(held)
        changed = changed.with_columns(key_text(self.source.key))
        sent, upto = set(changed[KEY]), held.pins[self.consumer.inputs[0]][1]
        with transaction() as connection:
            refusals = open_rows(connection, (asset_name(self.consumer.dataset, Zone.SILVER), self.consumer.name))
        order = order_of(self.spec, self.consumer.part, self.source, upto, refusals, sent)
        waited = self._waited(order, upto, sent) if order.waiting else changed.head(0)
        keys = sent | set(waited[KEY])
        ended = [one for one, those in order.waiting.items() if keys.intersection(those)]
        ended += [one for one, those in order.undelivered.items() if keys.issuperset(those)]
        rows = pl.concat([changed, waited.filter(~pl.col(KEY).is_in(list(sent)))])
        corrects = pl.Series("_corrects", [order.corrects(row) for row in rows.to_dicts()], pl.Boolean)
        by = [pl.lit(corrects).not_(), ARRIVAL_COLUMN, RECORD_COLUMN, *self.source.key]
        return Rows(rows.sort(by), fresh, order, tuple(ended))

    def _waited(self, order: Order, upto: int, sent: Collection[str]) -> pl.DataFrame:
        """Return the rows of those refusals of which any need not wait any more, or has changed."""
        keys = {key for those in order.waiting.values() for key in those}
        with reading(self.source.uri):
            known = self._of_the_study(upto).with_columns(key_text(self.source.key))
            rows = known.filter(pl.col(KEY).is_in(list(keys))).collect()
        on = {row[KEY] for row in rows.to_dicts() if row[KEY] in sent or not order.waits_for(row, sent)}
        again = {key for those in order.waiting.values() if on.intersection(those) for key in those}
        return rows.filter(pl.col(KEY).is_in(list(again)))

    def _of_the_study(self, version: int) -> pl.LazyFrame:
        of_it = pl.col(self.spec.study).cast(pl.String) == self.consumer.part
        return self.source.at(version).filter(of_it).with_columns(pl.lit(value=False).alias(GONE))

    def _changed(self, held: Claim) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Read what has changed between the pins; all rows at first, under another mapping, or where a person asks."""
        after, upto = held.pins[self.consumer.inputs[0]]
        schema, key = self.source.schema, list(self.source.key)
        with reading(self.source.uri):
            of_the_study = pl.col(self.spec.study).cast(pl.String) == self.consumer.part
            again = held.replay is not None and not held.replay.waiting
            if after == 0 or held.remade or held.redefined or again:
                rows = self._of_the_study(upto).collect()
                fresh = rows.select(key) if after == 0 else self._new(held).filter(of_the_study)
            else:
                net = net_changes(self.source.changes(after, upto, list(schema)), self.source.key)
                rows, fresh = net.rows.filter(of_the_study), net.fresh.filter(of_the_study)
        return rows, fresh

    def _new(self, held: Claim) -> pl.DataFrame:
        """Return the keys that are new since the last hop; none where no feed tells, for a table was made anew."""
        after, upto = held.pins[self.consumer.inputs[0]]
        if held.remade:
            return pl.DataFrame(schema={name: self.source.schema[name] for name in self.source.key})
        return net_changes(self.source.changes(after, upto, self.source.key), self.source.key).fresh

    def _in_order(self, held: Claim, order: Order, row: dict[str, Any]) -> list[Refused]:
        """Deliver a row unless it has to wait, and return what keeps it, or parts of it, out of CDMS."""
        if row[GONE]:
            return [Refused("", WITHDRAWN, "silver lacks the row again; CDMS keeps the form until a person decides")]
        if refusal := order.waits_for(row):
            return [Refused("", WAITING, f"an earlier record of the subject is refused and open: refusal {refusal}")]
        refused = self._deliver(held, row)
        order.settle(row, refused=bool(refused))
        return refused

    def _deliver(self, held: Claim, row: dict[str, Any]) -> list[Refused]:
        def before() -> None:
            passed(self.consumer.kind, "stage.sending", held.batches)
            with transaction() as connection:
                if not owns(connection, held):
                    raise LeaseLost(f"Hop {held.hop} of {held.consumer} belongs to another attempt now.")

        reason = f"Watershed {held.consumer} hop {held.hop}"
        refused = self.cdms.deliver(self.consumer.part, self._form(row), self._items(row), reason, before)
        passed(self.consumer.kind, "stage.sent", held.batches)
        return refused

    def _form(self, row: dict[str, Any]) -> Form:
        spec = self.spec
        parts = (spec.country, spec.site, spec.subject, spec.event_group, spec.event)
        country, site, subject, group, event = (_text(part, row) for part in parts)
        return Form(country, site, subject, group, event, spec.form, row[spec.sequence] if spec.sequence else 1)

    def _items(self, row: dict[str, Any]) -> list[Item]:
        return [Item(one.group, 1, one.item, _text(one.part, row), one.part.unit) for one in self.spec.items]

    def _output(self, held: Claim, counts: Counts) -> Batch:
        return Batch(
            id=batch_id(held.consumer, held.hop),
            asset=self.consumer.output,
            records=counts.good + counts.merged,
            contract=held.contract,
            place=WarehouseTable(f"{self.consumer.part}.{self.spec.form}"),
            parents=tuple(batch.id for batch in held.batches),
        )

    def _put_aside(self, held: Claim, rows: pl.DataFrame, refused: dict[int, list[Refused]]) -> tuple[Refusal, ...]:
        """Keep refused rows in quarantine, each once by its first fault; they are those of the newest batch taken."""
        groups: dict[tuple[str, str], list[int]] = {}
        for at, those in refused.items():
            groups.setdefault((those[0].rule, self._column(those[0])), []).append(at)
        if not groups:
            return ()
        batch, store = held.batches[-1].id, ZoneStore(Zone.QUARANTINE)
        key = f"rows/{held.consumer}/{held.hop}/{held.attempt}/0.parquet"
        told = [json.dumps([vars(one) for one in refused.get(at, [])]) for at in range(rows.height)]
        marked = rows.with_columns(pl.Series(WHY, told, pl.String))
        aside = [SetAside(rule, column, marked[those]) for (rule, column), those in groups.items()]
        content, of = BytesIO(), self.source.key
        pl.concat([kept(one, batch, held.contract, UNDELIVERED, of) for one in aside]).write_parquet(content)
        content.seek(0)
        store.write_part(key, content)
        return tuple(
            Refusal(batch, UNDELIVERED, one.rows.height, one.rule, one.column, store.uri(key), "row") for one in aside
        )

    def _column(self, refused: Refused) -> str:
        """Name the column whose value an item was to have; none where the whole form was refused."""
        if refused.rule == WAITING:
            return self.spec.subject.column
        return next((column for (_, item), column in self.columns.items() if item == refused.item), "")

    def differences(self, known: Published, manifests: list[Manifest]) -> Iterator[str]:
        """Read every form of the study back, and compare it with the lake at the version last delivered."""
        del manifests
        if not known.hops:
            return
        with reading(self.source.uri):
            version = min(known.hops[-1].pins[self.consumer.inputs[0]][1], current_version(self.source.uri))
            rows = self._of_the_study(version).collect()
        differing = sum(
            bool(self.cdms.missing(self.consumer.part, self._form(row), self._items(row))) for row in rows.to_dicts()
        )
        with transaction() as connection:
            withheld = rows_withheld(connection, self.consumer.name)
        if differing > withheld:
            yield f"{differing} forms {self.spec.form} of study {self.consumer.part} are not as in the lake"


def _counts(found: Rows, refused: list[int], key: tuple[str, ...]) -> Counts:
    """Count rows by what the lake says of them, whatever an attempt before this one has sent."""
    new = found.rows.join(found.fresh, on=list(key), how="semi").height
    kept_out = found.rows[refused].join(found.fresh, on=list(key), how="semi").height if refused else 0
    good = new - kept_out
    return Counts(found.rows.height, good, found.rows.height - good - len(refused), len(refused))


def _text(part: Part, row: dict[str, Any]) -> str:
    """Return what a part of a form is to hold, as EDC takes it; nothing where there is no value."""
    if part.value:
        return part.value
    value = row[part.column]
    if value is None:
        return ""
    if part.codes:
        return part.codes[str(value)]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value.isoformat() if isinstance(value, date) else str(value)
