"""The tables of the ledger, in a PostgreSQL database of its own."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)


def _moment(name: str, *, default: bool = False) -> "Column[datetime]":
    """A point in time in UTC; with `default`, the database's clock at insertion."""
    stamp = func.now() if default else None
    return Column(name, DateTime(timezone=True), server_default=stamp, nullable=not default)


def _count(name: str) -> "Column[int]":
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


consumer = Table(
    "consumer",
    metadata,
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("inputs", JSONB, nullable=False),
    Column("output", Text, nullable=False),
    Column("width", Integer, nullable=False, comment="how many batches the next hop takes at most"),
    Column(
        "marks",
        JSONB,
        nullable=False,
        server_default="{}",
        comment="input asset -> number of a batch up to which all are taken or parked",
    ),
    _moment("applied_at", default=True),
)

batch = Table(
    "batch",
    metadata,
    Column("id", Text, primary_key=True),
    Column("number", BigInteger, Identity(), nullable=False, comment="order of arrival in the ledger"),
    Column("asset", Text, nullable=False),
    Column("partition", Text),
    _count("records"),
    _count("bytes"),
    Column("checksum", Text, nullable=False, server_default=""),
    Column("contract", Text, nullable=False, server_default=""),
    Column("place", JSONB, nullable=False),
    Column("run_id", Text, nullable=False, server_default=""),
    _moment("created_at", default=True),
    Index(None, "asset", "number", unique=True),
    Index(None, "asset", "checksum", "partition"),
    Index(
        "ix_batch_arrival",
        "asset",
        text("((place ->> 'arrival')::bigint)"),
        postgresql_where=text("place ? 'modified'"),
    ),
    Index("ix_batch_raw", "asset", text("(place ->> 'raw')"), postgresql_where=text("place ? 'landed'")),
    Index("ix_batch_whole", "asset", "number", postgresql_where=text("place -> 'replay' ? 'whole'")),
    Index("ix_batch_remade", "asset", "number", postgresql_where=text("place ? 'remade'")),
    Index("ix_batch_undated", "asset", postgresql_where=text("place ? 'landed' AND NOT place ? 'arrival'")),
)

batch_parent = Table(
    "batch_parent",
    metadata,
    Column("child", Text, ForeignKey("batch.id"), primary_key=True),
    Column("parent", Text, ForeignKey("batch.id"), primary_key=True, index=True),
)

hop = Table(
    "hop",
    metadata,
    Column("consumer", Text, ForeignKey("consumer.name"), primary_key=True),
    Column("n", BigInteger, primary_key=True),
    Column("state", Text, nullable=False, comment="open, or published for good"),
    Column("batches", JSONB, nullable=False, comment="ids pinned when the hop was opened"),
    Column("pins", JSONB, nullable=False, comment="input asset -> [version before, version read]"),
    Column("contract", Text, nullable=False),
    Column("attempt", BigInteger),
    Column("owner", Text),
    _moment("lease_until"),
    Column("deaths", Integer, nullable=False, server_default=text("0")),
    Column("taken", BigInteger),
    Column("good", BigInteger),
    Column("merged", BigInteger),
    Column("refused", BigInteger),
    Column("bytes", BigInteger),
    Column("rung", Boolean, nullable=False, server_default=text("false")),
    Column("run_id", Text),
    _moment("opened_at", default=True),
    _moment("published_at"),
    CheckConstraint("state IN ('open', 'published')", name="state"),
    CheckConstraint(
        "taken IS NULL OR (taken = good + merged + refused AND least(good, merged, refused) >= 0)",
        name="conservation",
    ),
    CheckConstraint("state = 'open' OR taken IS NOT NULL", name="counted"),
    Index("uq_hop_one_open", "consumer", unique=True, postgresql_where=text("state = 'open'")),
    Index("ix_hop_unrung", "consumer", postgresql_where=text("state = 'published' AND NOT rung")),
)

receipt = Table(
    "receipt",
    metadata,
    Column("consumer", Text, primary_key=True),
    Column("batch", Text, ForeignKey("batch.id"), primary_key=True, index=True),
    Column("hop", BigInteger, nullable=False),
    ForeignKeyConstraint(["consumer", "hop"], ["hop.consumer", "hop.n"]),
)

refusal = Table(
    "refusal",
    metadata,
    Column("id", Text, primary_key=True, comment="made of consumer, hop, batch and cause: see `refusal_id`"),
    Column("consumer", Text, nullable=False),
    Column("hop", BigInteger, nullable=False),
    Column("batch", Text, ForeignKey("batch.id"), nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("rule", Text, nullable=False, server_default=""),
    Column("column", Text, nullable=False, server_default=""),
    Column("count", BigInteger, nullable=False),
    Column("place", Text, nullable=False, server_default=""),
    Column("of", Text, nullable=False, comment="row or file"),
    Column("state", Text, nullable=False, server_default="open"),
    _moment("refused_at", default=True),
    Column("decision", BigInteger, ForeignKey("audit_log.n"), comment="who ended it, when and why"),
    Column("redriven_as", Text, nullable=False, server_default="", comment="the batch that carries it again"),
    Column("waived", BigInteger, ForeignKey("audit_log.n"), comment="who lets later rows pass it, and why"),
    ForeignKeyConstraint(["consumer", "hop"], ["hop.consumer", "hop.n"]),
    CheckConstraint("state IN ('open', 'redriven', 'discarded')", name="state"),
    CheckConstraint("\"of\" IN ('row', 'file')", name="of"),
    Index(None, "consumer", "hop"),
)

incident = Table(
    "incident",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("kind", Text, nullable=False, comment="what is wrong: see common.ledger.incidents"),
    Column("consumer", Text, nullable=False),
    Column("batch", Text, nullable=False, server_default=""),
    Column("detail", Text, nullable=False),
    _moment("opened_at", default=True),
    _moment("closed_at"),
    Column("resolution", Text, nullable=False, server_default="", comment="released or refused, where a person did it"),
    Column("facts", JSONB, nullable=False, server_default="{}", comment="what messages say beside the detail"),
    Column("cause", Text, nullable=False, server_default="", comment="what is broken, and why"),
    Column("episode", BigInteger, index=True, comment="first incident of those told of as one"),
    Column("acknowledged", BigInteger, ForeignKey("audit_log.n")),
    Index("ix_incident_unseen", "id", postgresql_where=text("episode IS NULL AND closed_at IS NULL")),
    Index("uq_incident_open", "kind", "consumer", "batch", unique=True, postgresql_where=text("closed_at IS NULL")),
)

failure = Table(
    "failure",
    metadata,
    Column("consumer", Text, primary_key=True),
    Column("kind", Text, nullable=False, comment="class of the error"),
    Column("detail", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=func.gen_random_uuid(), comment="the delivery's"),
    Column("episode", BigInteger, ForeignKey("incident.id")),
    Column("event", Text, nullable=False, comment="opened, still open, resolved, report"),
    Column("nth", Integer, nullable=False, server_default=text("0")),
    Column("channel", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("fallback", Text, nullable=False, server_default="", comment="channel:recipient, where this one fails"),
    Column("message", JSONB, comment="of what is no incident"),
    Column("queued_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("due_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    _moment("lease_until"),
    _moment("ended_at"),
    Column("outcome", Text, nullable=False, server_default="", comment="sent, unneeded, unknown, given up"),
    Column("error", Text, nullable=False, server_default=""),
    Column("settled", Boolean, nullable=False, comment="nothing will follow: its end is queued, or needs no message"),
    CheckConstraint("(episode IS NULL) = (message IS NOT NULL)", name="subject"),
    Index("uq_outbox_event", "episode", "channel", "recipient", "event", "nth", unique=True),
    Index("ix_outbox_unsettled", "episode", postgresql_where=text("NOT settled")),
    Index("ix_outbox_due", "due_at", postgresql_where=text("ended_at IS NULL")),
)

mute = Table(
    "mute",
    metadata,
    Column("decision", BigInteger, ForeignKey("audit_log.n"), primary_key=True),
    Column("consumer", Text, nullable=False, comment="beginning of a name"),
    Column("kind", Text, nullable=False, server_default="", comment="all without one"),
    Column("until", DateTime(timezone=True), nullable=False),
)

heartbeat = Table(
    "heartbeat",
    metadata,
    Column("name", Text, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("value", JSONB, nullable=False, server_default="{}"),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("n", BigInteger, primary_key=True, autoincrement=False, comment="1, 2, 3 without gaps"),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
    Column("previous", Text, nullable=False, comment="hash of the entry before"),
    Column("hash", Text, nullable=False),
)

waiver = Table(
    "waiver",
    metadata,
    Column("dataset", Text, primary_key=True),
    Column("partition", Text, primary_key=True),
    Column("decision", BigInteger, ForeignKey("audit_log.n"), nullable=False),
)
