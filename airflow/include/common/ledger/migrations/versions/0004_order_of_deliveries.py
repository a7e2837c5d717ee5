"""Deliveries have a place in an order: indexes find those that are taken, the files that have none, and a key's files."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


OLD_KINDS = "'parked, superseded, stopped, ledger_ahead, failed'"
KINDS = "'parked, superseded, stopped, stale, unforeseen, ledger_ahead, failed'"


def upgrade() -> None:
    op.execute(f"COMMENT ON COLUMN incident.kind IS {KINDS}")
    op.create_index(
        op.f("ix_batch_arrival"),
        "batch",
        ["asset", sa.text("((place ->> 'arrival')::bigint)")],
        postgresql_where=sa.text("place ? 'modified'"),
    )
    op.create_index(
        op.f("ix_batch_raw"),
        "batch",
        ["asset", sa.text("(place ->> 'raw')")],
        postgresql_where=sa.text("place ? 'landed'"),
    )
    op.create_index(
        op.f("ix_batch_undated"),
        "batch",
        ["asset"],
        postgresql_where=sa.text("place ? 'landed' AND NOT place ? 'arrival'"),
    )


def downgrade() -> None:
    op.execute(f"COMMENT ON COLUMN incident.kind IS {OLD_KINDS}")
    op.drop_index(op.f("ix_batch_undated"), "batch")
    op.drop_index(op.f("ix_batch_raw"), "batch")
    op.drop_index(op.f("ix_batch_arrival"), "batch")
