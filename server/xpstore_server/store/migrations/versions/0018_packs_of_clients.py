"""Packs that clients write: whose they are, so that each may have so many under way."""

import sqlalchemy as sa
from alembic import op

from xpstore_server.store.tables.declare import TEXT

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pack_pending", sa.Column("principal", TEXT, nullable=True))
    where = sa.text("principal IS NOT NULL")
    op.create_index(
        "ix_pack_pending_principal",
        "pack_pending",
        ["principal"],
        postgresql_where=where,
        sqlite_where=where,
    )
