"""Formats of fingerprints, and what came out when hits were computed again."""

import sqlalchemy as sa
from alembic import op

from xpstore_server.store.tables import TEXT, UUID

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # All that was completed so far has the first format; so has what a server of the release before completes.
    first = sa.Column("fingerprint_format", sa.Integer(), server_default=sa.text("1"), nullable=False)
    op.add_column("cache_entry", first)
    name = "cache_verification"
    op.create_table(
        name,
        sa.Column("id", UUID, nullable=False),
        sa.Column("project_uid", UUID, nullable=False),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_uid"], ["project.uid"], name=f"fk_{name}_project_uid", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
    )
    op.create_index(f"ix_{name}_project", name, ["project_uid", "at_us", "outcome"])
    op.create_index(f"ix_{name}_at_us", name, ["at_us"])
