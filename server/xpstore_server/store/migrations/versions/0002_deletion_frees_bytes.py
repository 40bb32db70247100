"""Deletion frees bytes: what is purged, which packs are suspect, how large trash is."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Columns are added in place: SQLite would otherwise copy the table and drop the old one, and cascades with it.
    op.add_column("project", sa.Column("purged_at_us", sa.BigInteger(), nullable=True))
    op.add_column("artifact_version", sa.Column("purged_at_us", sa.BigInteger(), nullable=True))
    op.add_column("pack", sa.Column("suspect_at_us", sa.BigInteger(), nullable=True))
    op.add_column("pack_pending", sa.Column("size_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    # What was stored so far has never been looked at.
    op.execute("UPDATE pack SET suspect_at_us = created_at_us")

    _partial("ix_artifact_version_deleted", "artifact_version", ["deleted_at_us"], "deleted_at_us IS NOT NULL")
    _partial("ix_artifact_version_committing", "artifact_version", ["created_at_us"], "state = 'committing'")
    op.create_index("ix_pack_pool", "pack", ["pool", "id"], unique=False)
    by_age = ["pool", "created_at_us", "id"]
    op.create_index("ix_pack_created", "pack", by_age, unique=False)
    _partial("ix_pack_suspect", "pack", by_age, "suspect_at_us IS NOT NULL")
    _partial("ix_pack_small", "pack", by_age, "size_bytes < 4194304")


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, unique=False, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
