"""Marks of consumers, and what people decide: chained audit log, ends of refusals and incidents, waivers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

REFUSAL_ID = (
    "substr(encode(sha256(convert_to(consumer || chr(31) || hop || chr(31) || batch || chr(31) || reason || chr(31) "
    "|| rule || chr(31) || \"column\", 'UTF8')), 'hex'), 1, 16)"
)


def upgrade() -> None:
    op.add_column("consumer", sa.Column(
        "marks", postgresql.JSONB(), server_default="{}", nullable=False,
        comment="input asset -> number of a batch up to which all are taken or parked",
    ))  # fmt: skip
    op.add_column("incident", sa.Column(
        "resolution", sa.Text(), server_default="", nullable=False,
        comment="released or refused, where a person did it",
    ))  # fmt: skip
    _chain_audit_log()
    _name_refusals()
    op.create_table(
        "waiver",
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("partition", sa.Text(), nullable=False),
        sa.Column("decision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["decision"], ["audit_log.n"], name=op.f("fk_waiver_decision_audit_log")),
        sa.PrimaryKeyConstraint("dataset", "partition", name=op.f("pk_waiver")),
    )


def _chain_audit_log() -> None:
    """Nothing wrote to the first audit log."""
    op.drop_table("audit_log")
    op.create_table(
        "audit_log",
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False, comment="1, 2, 3 without gaps"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
        sa.Column("previous", sa.Text(), nullable=False, comment="hash of the entry before"),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_audit_log")),
    )


def _name_refusals() -> None:
    """Give refusals ids made of what they are, so that a rebuilt ledger has the same."""
    op.execute("ALTER TABLE refusal ALTER COLUMN id DROP IDENTITY IF EXISTS")
    op.execute("ALTER TABLE refusal ALTER COLUMN id TYPE text")
    op.execute(f"UPDATE refusal SET id = {REFUSAL_ID}")  # noqa: S608 - a constant
    op.execute("COMMENT ON COLUMN refusal.id IS 'made of consumer, hop, batch and cause: see `refusal_id`'")
    op.add_column(
        "refusal", sa.Column("decision", sa.BigInteger(), nullable=True, comment="who ended it, when and why")
    )
    op.add_column("refusal", sa.Column(
        "redriven_as", sa.Text(), server_default="", nullable=False, comment="the batch that carries it again"
    ))  # fmt: skip
    op.create_foreign_key(op.f("fk_refusal_decision_audit_log"), "refusal", "audit_log", ["decision"], ["n"])


def downgrade() -> None:
    op.drop_table("waiver")
    op.drop_constraint(op.f("fk_refusal_decision_audit_log"), "refusal", type_="foreignkey")
    op.drop_column("refusal", "redriven_as")
    op.drop_column("refusal", "decision")
    _number_refusals()
    op.drop_table("audit_log")
    op.create_table(
        "audit_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.drop_column("incident", "resolution")
    op.drop_column("consumer", "marks")


def _number_refusals() -> None:
    op.drop_constraint("pk_refusal", "refusal", type_="primary")
    op.drop_column("refusal", "id")
    op.add_column("refusal", sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False))
    op.create_primary_key(op.f("pk_refusal"), "refusal", ["id"])
