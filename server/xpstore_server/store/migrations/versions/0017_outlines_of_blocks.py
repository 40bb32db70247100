"""Outlines of large blocks: what portions of them come to."""

import sqlalchemy as sa
from alembic import op

from xpstore_server.store.tables import UUID

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    key = ["model_id", "first_ordinal"]
    op.create_table(
        "outline",
        sa.Column("model_id", UUID, nullable=False),
        sa.Column("first_ordinal", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("whole", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            key, [f"block.{name}" for name in key], name="fk_outline_model_id_first_ordinal", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(*key, name="pk_outline"),
    )
