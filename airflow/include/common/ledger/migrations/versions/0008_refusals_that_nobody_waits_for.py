"""A person may say that nothing needs to wait for a refused row, which stays open."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "refusal", sa.Column("waived", sa.BigInteger(), nullable=True, comment="who lets later rows pass it, and why")
    )
    op.create_foreign_key(op.f("fk_refusal_waived_audit_log"), "refusal", "audit_log", ["waived"], ["n"])


def downgrade() -> None:
    op.drop_constraint(op.f("fk_refusal_waived_audit_log"), "refusal", type_="foreignkey")
    op.drop_column("refusal", "waived")
