"""Runs know what was changed since their commit, and what launched them."""

import sqlalchemy as sa
from alembic import op

from xpstore_server.store.tables import TEXT

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("run", sa.Column("job_json", TEXT, nullable=False, server_default=sa.text("'{}'")))
    op.add_column("run", sa.Column("git_diff", TEXT, nullable=False, server_default=sa.text("''")))
