"""Messages about incidents as rows of an outbox, what people said of incidents, and signs of life of what watches."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

KINDS = "'what is wrong: see common.ledger.incidents'"
OLD_KINDS = "'parked, superseded, stopped, stale, unforeseen, ledger_ahead, failed'"


def upgrade() -> None:
    op.execute(f"COMMENT ON COLUMN incident.kind IS {KINDS}")
    op.add_column(
        "incident",
        sa.Column("facts", JSONB(), server_default="{}", nullable=False, comment="what messages say beside the detail"),
    )
    op.add_column(
        "incident", sa.Column("cause", sa.Text(), server_default="", nullable=False, comment="what is broken, and why")
    )
    op.add_column(
        "incident",
        sa.Column("episode", sa.BigInteger(), nullable=True, comment="first incident of those told of as one"),
    )
    op.add_column(
        "incident",
        sa.Column("acknowledged", sa.BigInteger(), sa.ForeignKey("audit_log.n"), nullable=True),
    )
    op.execute("UPDATE incident SET episode = id, cause = kind || ' ' || consumer || ' ' || id WHERE notified")
    op.drop_column("incident", "notified")
    op.create_index("ix_incident_episode", "incident", ["episode"])
    op.create_index(
        "ix_incident_unseen", "incident", ["id"], postgresql_where=sa.text("episode IS NULL AND closed_at IS NULL")
    )
    op.create_table(
        "outbox",
        sa.Column(
            "id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False, comment="the delivery's"
        ),
        sa.Column("episode", sa.BigInteger(), nullable=True),
        sa.Column("event", sa.Text(), nullable=False, comment="opened, still open, resolved, report"),
        sa.Column("nth", sa.Integer(), server_default="0", nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column(
            "fallback", sa.Text(), server_default="", nullable=False, comment="channel:recipient, where this one fails"
        ),
        sa.Column("message", JSONB(), nullable=True, comment="of what is no incident"),
        sa.Column("queued_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), server_default="", nullable=False, comment="sent, unneeded, unknown, given up"),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "settled",
            sa.Boolean(),
            nullable=False,
            comment="nothing will follow: its end is queued, or needs no message",
        ),
        sa.ForeignKeyConstraint(["episode"], ["incident.id"], name=op.f("fk_outbox_episode_incident")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.CheckConstraint("(episode IS NULL) = (message IS NOT NULL)", name=op.f("ck_outbox_subject")),
    )
    op.create_index("uq_outbox_event", "outbox", ["episode", "channel", "recipient", "event", "nth"], unique=True)
    op.create_index("ix_outbox_unsettled", "outbox", ["episode"], postgresql_where=sa.text("NOT settled"))
    op.create_index("ix_outbox_due", "outbox", ["due_at"], postgresql_where=sa.text("ended_at IS NULL"))
    op.create_table(
        "mute",
        sa.Column("decision", sa.BigInteger(), sa.ForeignKey("audit_log.n"), autoincrement=False, nullable=False),
        sa.Column("consumer", sa.Text(), nullable=False, comment="beginning of a name"),
        sa.Column("kind", sa.Text(), server_default="", nullable=False, comment="all without one"),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("decision", name=op.f("pk_mute")),
    )
    op.create_table(
        "heartbeat",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("value", JSONB(), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_heartbeat")),
    )


def downgrade() -> None:
    op.drop_table("heartbeat")
    op.drop_table("mute")
    op.drop_table("outbox")
    op.add_column("incident", sa.Column("notified", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.execute("UPDATE incident SET notified = true WHERE episode IS NOT NULL")
    op.drop_index("ix_incident_unseen", table_name="incident")
    op.drop_index("ix_incident_episode", table_name="incident")
    for column in ("acknowledged", "episode", "cause", "facts"):
        op.drop_column("incident", column)
    op.execute(f"COMMENT ON COLUMN incident.kind IS {OLD_KINDS}")
