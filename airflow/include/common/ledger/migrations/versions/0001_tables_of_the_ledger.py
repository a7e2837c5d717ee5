"""Tables of the ledger."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.create_table(
        "batch",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column(
            "number",
            sa.BigInteger(),
            sa.Identity(always=False),
            nullable=False,
            comment="order of arrival in the ledger",
        ),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("partition", sa.Text(), nullable=True),
        sa.Column("records", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("checksum", sa.Text(), server_default="", nullable=False),
        sa.Column("contract", sa.Text(), server_default="", nullable=False),
        sa.Column("place", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("run_id", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
    )
    op.create_index(
        op.f("ix_batch_asset_checksum_partition"), "batch", ["asset", "checksum", "partition"], unique=False
    )
    op.create_index(op.f("ix_batch_asset_number"), "batch", ["asset", "number"], unique=True)
    op.create_table(
        "consumer",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("inputs", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("output", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False, comment="how many batches the next hop takes at most"),
        sa.Column("applied_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_consumer")),
    )
    op.create_table(
        "incident",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="parked, superseded, model, ledger_ahead"),
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("batch", sa.Text(), server_default="", nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("notified", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident")),
    )
    op.create_index(
        "uq_incident_open",
        "incident",
        ["kind", "consumer", "batch"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "batch_parent",
        sa.Column("child", sa.Text(), nullable=False),
        sa.Column("parent", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["child"], ["batch.id"], name=op.f("fk_batch_parent_child")),
        sa.ForeignKeyConstraint(["parent"], ["batch.id"], name=op.f("fk_batch_parent_parent")),
        sa.PrimaryKeyConstraint("child", "parent", name=op.f("pk_batch_parent")),
    )
    op.create_index(op.f("ix_batch_parent_parent"), "batch_parent", ["parent"], unique=False)
    op.create_table(
        "hop",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="open, or published for good"),
        sa.Column(
            "batches",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="ids pinned when the hop was opened",
        ),
        sa.Column(
            "pins",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="input asset -> [version before, version read]",
        ),
        sa.Column("contract", sa.Text(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deaths", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("taken", sa.BigInteger(), nullable=True),
        sa.Column("good", sa.BigInteger(), nullable=True),
        sa.Column("merged", sa.BigInteger(), nullable=True),
        sa.Column("refused", sa.BigInteger(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("rung", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state = 'open' OR taken IS NOT NULL", name=op.f("ck_hop_counted")),
        sa.CheckConstraint("state IN ('open', 'published')", name=op.f("ck_hop_state")),
        sa.CheckConstraint(
            "taken IS NULL OR (taken = good + merged + refused AND least(good, merged, refused) >= 0)",
            name=op.f("ck_hop_conservation"),
        ),
        sa.ForeignKeyConstraint(["consumer"], ["consumer.name"], name=op.f("fk_hop_consumer")),
        sa.PrimaryKeyConstraint("consumer", "n", name=op.f("pk_hop")),
    )
    op.create_index(
        "ix_hop_unrung",
        "hop",
        ["consumer"],
        unique=False,
        postgresql_where=sa.text("state = 'published' AND NOT rung"),
    )
    op.create_index("uq_hop_one_open", "hop", ["consumer"], unique=True, postgresql_where=sa.text("state = 'open'"))
    op.create_table(
        "receipt",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("batch", sa.Text(), nullable=False),
        sa.Column("hop", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["batch"], ["batch.id"], name=op.f("fk_receipt_batch")),
        sa.ForeignKeyConstraint(["consumer", "hop"], ["hop.consumer", "hop.n"], name=op.f("fk_receipt_consumer_hop")),
        sa.PrimaryKeyConstraint("consumer", "batch", name=op.f("pk_receipt")),
    )
    op.create_index(op.f("ix_receipt_batch"), "receipt", ["batch"], unique=False)
    op.create_table(
        "refusal",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("hop", sa.BigInteger(), nullable=False),
        sa.Column("batch", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), server_default="", nullable=False),
        sa.Column("column", sa.Text(), server_default="", nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("refused_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('open', 'redriven', 'discarded')", name=op.f("ck_refusal_state")),
        sa.ForeignKeyConstraint(["batch"], ["batch.id"], name=op.f("fk_refusal_batch")),
        sa.ForeignKeyConstraint(["consumer", "hop"], ["hop.consumer", "hop.n"], name=op.f("fk_refusal_consumer_hop")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refusal")),
    )
    op.create_index(op.f("ix_refusal_batch"), "refusal", ["batch"], unique=False)
    op.create_index(op.f("ix_refusal_consumer_hop"), "refusal", ["consumer", "hop"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_refusal_consumer_hop"), table_name="refusal")
    op.drop_index(op.f("ix_refusal_batch"), table_name="refusal")
    op.drop_table("refusal")
    op.drop_index(op.f("ix_receipt_batch"), table_name="receipt")
    op.drop_table("receipt")
    op.drop_index("uq_hop_one_open", table_name="hop", postgresql_where=sa.text("state = 'open'"))
    op.drop_index("ix_hop_unrung", table_name="hop", postgresql_where=sa.text("state = 'published' AND NOT rung"))
    op.drop_table("hop")
    op.drop_index(op.f("ix_batch_parent_parent"), table_name="batch_parent")
    op.drop_table("batch_parent")
    op.drop_index("uq_incident_open", table_name="incident", postgresql_where=sa.text("closed_at IS NULL"))
    op.drop_table("incident")
    op.drop_table("consumer")
    op.drop_index(op.f("ix_batch_asset_number"), table_name="batch")
    op.drop_index(op.f("ix_batch_asset_checksum_partition"), table_name="batch")
    op.drop_table("batch")
    op.drop_table("audit_log")
