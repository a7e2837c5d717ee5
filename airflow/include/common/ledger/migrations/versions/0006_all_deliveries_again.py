"""A replay of all deliveries is found at every claim, and so is the commit that it made of a table."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        op.f("ix_batch_whole"),
        "batch",
        ["asset", "number"],
        postgresql_where=sa.text("place -> 'replay' ? 'whole'"),
    )
    op.create_index(
        op.f("ix_batch_remade"),
        "batch",
        ["asset", "number"],
        postgresql_where=sa.text("place ? 'remade'"),
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_batch_remade"), "batch")
    op.drop_index(op.f("ix_batch_whole"), "batch")
