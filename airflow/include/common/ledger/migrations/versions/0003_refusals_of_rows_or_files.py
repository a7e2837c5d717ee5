"""Refusals say whether they are of rows or of a file; until now their place told it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KINDS = "'parked, superseded, stopped, ledger_ahead, failed'"
OLD_KINDS = "'parked, superseded, model, ledger_ahead'"


def upgrade() -> None:
    op.add_column("refusal", sa.Column("of", sa.Text(), nullable=False, server_default="file", comment="row or file"))
    op.execute("UPDATE refusal SET \"of\" = 'row' WHERE place LIKE '%/rows/%'")
    op.alter_column("refusal", "of", server_default=None)
    op.create_check_constraint(op.f("ck_refusal_of"), "refusal", "\"of\" IN ('row', 'file')")
    op.execute(f"COMMENT ON COLUMN incident.kind IS {KINDS}")


def downgrade() -> None:
    op.execute(f"COMMENT ON COLUMN incident.kind IS {OLD_KINDS}")
    op.drop_constraint(op.f("ck_refusal_of"), "refusal", type_="check")
    op.drop_column("refusal", "of")
