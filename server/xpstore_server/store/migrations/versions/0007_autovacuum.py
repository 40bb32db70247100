"""PostgreSQL cleans tables whose rows change with each batch of points at 1 % of dead rows, not at 20."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# `series` has indexes over the values that change with each point, which searches need: no update of it is HOT, and
# each leaves dead entries in five indexes. `block` gets a row with each batch and loses those that were merged.
SETTINGS = "autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in ("series", "block", "model", "writer", "run"):
            op.execute(f"ALTER TABLE {table} SET ({SETTINGS})")
