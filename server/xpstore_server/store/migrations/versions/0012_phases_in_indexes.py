"""Indexes of the numbers of series know their phases, so that what is known of a metric is read from them alone."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

NUMBERS = ("last", "min", "max")


def upgrade() -> None:
    for of in NUMBERS:
        op.drop_index(f"ix_series_{of}", "series")
        op.create_index(f"ix_series_{of}", "series", ["project_uid", "name", f"{of}_number", "model_id", "phase"])
