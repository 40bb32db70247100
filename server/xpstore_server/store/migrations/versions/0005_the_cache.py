"""The cache: entries, leases to compute them, and what a version was made by."""

import sqlalchemy as sa
from alembic import op

from xpstore_server.store.tables import TEXT, UUID

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("project", sa.Column("cache_ttl_us", sa.BigInteger(), nullable=True))
    op.add_column("project", sa.Column("cache_max_age_us", sa.BigInteger(), nullable=True))
    op.add_column("artifact_version", sa.Column("process_json", TEXT, nullable=True))
    _create_entry()
    _create_lease()


def _create_entry() -> None:
    name, project, version = "cache_entry", "fk_cache_entry_project_uid", "fk_cache_entry_version_id"
    op.create_table(
        name,
        sa.Column("project_uid", UUID, nullable=False),
        sa.Column("fingerprint", TEXT, nullable=False),
        sa.Column("version_id", UUID, nullable=False),
        sa.Column("lease_id", UUID, nullable=False),
        sa.Column("process_name", TEXT, nullable=False),
        sa.Column("completed_at_us", sa.BigInteger(), nullable=False),
        sa.Column("completed_by", TEXT, nullable=False),
        sa.Column("duration_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_us", sa.BigInteger(), nullable=True),
        sa.Column("hits", sa.BigInteger(), nullable=False),
        sa.Column("last_hit_at_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["project_uid"], ["project.uid"], name=project, ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["version_id"], ["artifact_version.id"], name=version, ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project_uid", "fingerprint", name="pk_cache_entry"),
    )
    by_age = ["completed_at_us", "fingerprint"]
    op.create_index("ix_cache_entry_version_id", name, ["version_id"])
    op.create_index("ix_cache_entry_completed", name, ["project_uid", *by_age])
    op.create_index("ix_cache_entry_process", name, ["project_uid", "process_name", *by_age])
    _partial("ix_cache_entry_expires", name, ["expires_at_us"], "expires_at_us IS NOT NULL")


def _create_lease() -> None:
    name = "cache_lease"
    op.create_table(
        name,
        sa.Column("id", UUID, nullable=False),
        sa.Column("project_uid", UUID, nullable=False),
        sa.Column("fingerprint", TEXT, nullable=False),
        sa.Column("holder", TEXT, nullable=False),
        sa.Column("held_by", TEXT, nullable=False),
        sa.Column("acquired_at_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_us", sa.BigInteger(), nullable=False),
        sa.Column("waits_for", UUID, nullable=True),
        sa.Column("failed_at_us", sa.BigInteger(), nullable=True),
        sa.Column("error", TEXT, nullable=True),
        sa.ForeignKeyConstraint(
            ["project_uid"], ["project.uid"], name="fk_cache_lease_project_uid", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_cache_lease"),
    )
    key = ["project_uid", "fingerprint"]
    op.create_index("ix_cache_lease_project_uid", name, ["project_uid"])
    op.create_index("ix_cache_lease_expires_at_us", name, ["expires_at_us"])
    _partial("uq_cache_lease_running", name, key, "failed_at_us IS NULL", unique=True)
    _partial("ix_cache_lease_waits_for", name, ["id"], "waits_for IS NOT NULL")


def _partial(index: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    is_in = sa.text(where)
    op.create_index(index, table, columns, unique=unique, sqlite_where=is_in, postgresql_where=is_in)
