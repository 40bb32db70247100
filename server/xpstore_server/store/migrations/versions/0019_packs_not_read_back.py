"""Packs of clients that have not been read back yet: who vouches for them."""

import sqlalchemy as sa
from alembic import op

from xpstore_server.store.tables.declare import TEXT

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pack", sa.Column("vouched_by", TEXT, nullable=True))
    where = sa.text("vouched_by IS NOT NULL")
    op.create_index("ix_pack_vouched", "pack", ["vouched_by"], postgresql_where=where, sqlite_where=where)
