"""What a large block comes to, beside its outline: as one portion, in front of those within it."""

from collections.abc import Iterator, Sequence

import numpy as np
import sqlalchemy as sa
from alembic import op

from xpstore_server.store.tables.declare import UUID

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

KEY = ("model_id", "first_ordinal")
BATCH = 500  # outlines of 4 KiB
# Of a body: eleven columns of integers, then five of floats.
INTEGERS, COLUMNS = 11, 16
# Those that are not the last portion's.
COUNT, FINITE, FIRST_STEP, LOW_STEP, HIGH_STEP, FIRST_TIME, LOW_TIME, HIGH_TIME = 0, 1, 2, 4, 5, 6, 8, 9


def upgrade() -> None:
    """The table is made anew: SQLite has new columns behind all others, and reads a row from its start."""
    is_postgres = op.get_bind().dialect.name == "postgresql"
    if is_postgres:
        op.execute("ALTER TABLE outline RENAME CONSTRAINT pk_outline TO pk_outline_before")
    op.rename_table("outline", "outline_before")
    outline = op.create_table(
        "outline",
        sa.Column("model_id", UUID, nullable=False),
        sa.Column("first_ordinal", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("whole", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            KEY, [f"block.{name}" for name in KEY], name="fk_outline_model_id_first_ordinal", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(*KEY, name="pk_outline"),
    )
    for rows in _batches():
        op.bulk_insert(outline, [{**row._mapping, "whole": _whole(row.body)} for row in rows])
    op.drop_table("outline_before")


def _batches() -> Iterator[Sequence[sa.Row[tuple[str, int, bytes]]]]:
    key = sa.column("model_id", UUID), sa.column("first_ordinal", sa.BigInteger())
    before = sa.table("outline_before", *key, sa.column("body", sa.LargeBinary()))
    query, connection = sa.select(before).order_by(*key).limit(BATCH), op.get_bind()
    rows = connection.execute(query).all()
    while rows:
        yield rows
        model_id, first_ordinal, _ = rows[-1]
        last = sa.tuple_(sa.literal(model_id, UUID), sa.literal(first_ordinal, sa.BigInteger()))
        rows = connection.execute(query.where(sa.tuple_(*key) > last)).all()


def _whole(body: bytes) -> bytes:
    integers = np.frombuffer(body, "<i8").reshape(COLUMNS, -1)[:INTEGERS]
    mins, maxs, sums, firsts, lasts = np.frombuffer(body, "<f8").reshape(COLUMNS, -1)[INTEGERS:]
    found = integers[:, -1].copy()
    found[[COUNT, FINITE]] = integers[[COUNT, FINITE]].sum(1)
    found[[FIRST_STEP, FIRST_TIME]] = integers[[FIRST_STEP, FIRST_TIME], 0]
    found[[LOW_STEP, LOW_TIME]] = integers[[LOW_STEP, LOW_TIME]].min(1)
    found[[HIGH_STEP, HIGH_TIME]] = integers[[HIGH_STEP, HIGH_TIME]].max(1)
    floats = np.array([mins.min(), maxs.max(), sums.sum(), firsts[0], lasts[-1]], "<f8")
    return found.tobytes() + floats.tobytes()
