"""Runs keep what they print, and models have alerts."""

import sqlalchemy as sa
from alembic import op

from xpstore_server.store.tables import TEXT, UUID

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "run_console",
        sa.Column("run_id", UUID, nullable=False),
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("stop", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_run_console_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "start", name="pk_run_console"),
    )
    op.create_table(
        "alert",
        sa.Column("id", UUID, nullable=False),
        sa.Column("model_id", UUID, nullable=False),
        sa.Column("project_uid", UUID, nullable=False),
        sa.Column("run_id", UUID, nullable=True),
        sa.Column("level", TEXT, nullable=False),
        sa.Column("cause", TEXT, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=True),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name="fk_alert_model_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_alert"),
    )
    op.create_index("ix_alert_model", "alert", ["model_id", "created_at_us", "id"])
    op.create_index("ix_alert_project", "alert", ["project_uid", "created_at_us", "id"])
    is_open = sa.text("ended_status IS NULL")
    op.create_index("ix_run_open", "run", ["heartbeat_at_us", "id"], sqlite_where=is_open, postgresql_where=is_open)
