"""Writers by method and key, and secrets that all replicas share."""

import os
import time

import sqlalchemy as sa
from alembic import op

from xpstore_server.store.tables import TEXT

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

KEY = ["project_uid", "writer_id", "method", "principal"]


def upgrade() -> None:
    """Rows that are there are of both methods, and of the key that goes on with them first."""
    with op.batch_alter_table("writer") as writer:
        writer.add_column(sa.Column("method", sa.Integer(), nullable=False, server_default=sa.text("0")))
        writer.add_column(sa.Column("principal", TEXT, nullable=False, server_default=sa.text("''")))
        writer.drop_constraint("pk_writer", type_="primary")
        writer.create_primary_key("pk_writer", KEY)
    op.execute("""INSERT INTO writer (project_uid, writer_id, method, principal, next_point)
        SELECT project_uid, writer_id, 1, principal, next_point FROM writer""")
    secret = op.create_table(
        "server_secret",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("since_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", "since_us", name="pk_server_secret"),
    )
    op.bulk_insert(secret, [{"name": "page token", "since_us": time.time_ns() // 1000, "value": os.urandom(32)}])
