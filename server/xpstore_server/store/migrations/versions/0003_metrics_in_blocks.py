"""Metrics in blocks: a row for each series, its points as packed columns."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import sqlalchemy as sa
from alembic import op

from xpstore_server.store.ids import new_id
from xpstore_server.store.points import BLOCK_POINTS, Points, block_values, from_values, last_values

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
UUID = sa.Uuid(as_uuid=False)


def upgrade() -> None:
    series = op.create_table(
        "series",
        sa.Column("id", UUID, nullable=False),
        sa.Column("model_id", UUID, nullable=False),
        sa.Column("project_uid", UUID, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("phase", TEXT, nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("last_ordinal", sa.BigInteger(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=True),
        sa.Column("last_time_us", sa.BigInteger(), nullable=False),
        sa.Column("last_kind", TEXT, nullable=False),
        sa.Column("last_text", TEXT, nullable=False),
        sa.Column("last_number", sa.Double(), nullable=True),
        sa.Column("min_number", sa.Double(), nullable=True),
        sa.Column("max_number", sa.Double(), nullable=True),
        sa.Column("small_blocks", sa.Integer(), nullable=False),
        sa.CheckConstraint("last_kind IN ('float', 'int', 'json')", name=op.f("ck_series_last_kind")),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_series_model_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_series")),
        sa.UniqueConstraint("model_id", "name", "phase", name=op.f("uq_series_model_id_name_phase")),
    )
    for which in ("last", "min", "max"):
        op.create_index(f"ix_series_{which}", "series", ["project_uid", "name", f"{which}_number", "model_id"])
    block = op.create_table(
        "block",
        sa.Column("model_id", UUID, nullable=False),
        sa.Column("first_ordinal", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("series_id", UUID, nullable=False),
        sa.Column("last_ordinal", sa.BigInteger(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("min_number", sa.Double(), nullable=True),
        sa.Column("max_number", sa.Double(), nullable=True),
        sa.Column("max_step", sa.BigInteger(), nullable=True),
        sa.Column("ordinals", sa.LargeBinary(), nullable=False),
        sa.Column("steps", sa.LargeBinary(), nullable=False),
        sa.Column("times", sa.LargeBinary(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("kind IN ('float', 'int', 'json')", name=op.f("ck_block_kind")),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_block_series_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("model_id", "first_ordinal", name=op.f("pk_block")),
    )
    op.create_index("ix_block_series", "block", ["series_id", "first_ordinal"])
    if op.get_bind().dialect.name == "postgresql":
        # Packed numbers hardly shrink, and trying costs more than the rest of an insert.
        for column in ("ordinals", "steps", "times", "data"):
            op.execute(f"ALTER TABLE block ALTER COLUMN {column} SET STORAGE EXTERNAL")
    _move(series, block)
    op.drop_table("metric")


def _move(series: sa.Table, block: sa.Table) -> None:
    """Packs the points of each model, a series after the other."""
    connection = op.get_bind()
    metric = sa.table(
        "metric",
        *(sa.column(name, UUID if name == "model_id" else None) for name in ("model_id", "name", "phase")),
        *map(sa.column, ("ordinal", "kind", "value", "step", "time_us")),
    )
    model = sa.table("model", sa.column("id", UUID), sa.column("project_uid", UUID))
    keys = (metric.c.model_id, metric.c.name, metric.c.phase)
    of_project = {row.id: row.project_uid for row in connection.execute(sa.select(model.c.id, model.c.project_uid))}
    for model_id, name, phase in connection.execute(sa.select(*keys).distinct().order_by(*keys)).all():
        mine = (metric.c.model_id == model_id, metric.c.name == name, metric.c.phase.is_not_distinct_from(phase))
        key = {"id": new_id(), "model_id": model_id, "project_uid": of_project[model_id]}
        row = {**key, "name": name, "phase": phase or "", "points": 0, "small_blocks": 0}
        row |= {"last_ordinal": -1, "last_time_us": 0, "last_kind": "json", "last_text": "null"}
        row |= {"last_step": None, "last_number": None, "min_number": None, "max_number": None}
        connection.execute(series.insert(), row)
        for points in _packed(connection, metric, mine):
            values = block_values(points)
            connection.execute(block.insert(), {"model_id": model_id, "series_id": key["id"], **values})
            smallest = [one for one in (row["min_number"], values["min_number"]) if one is not None]
            largest = [one for one in (row["max_number"], values["max_number"]) if one is not None]
            row |= {"min_number": min(smallest, default=None), "max_number": max(largest, default=None)}
            row |= {"points": row["points"] + len(points), **last_values(points)}
        connection.execute(series.update().where(series.c.id == key["id"]).values(**row))


def _packed(connection: sa.Connection, metric: Any, mine: tuple[Any, ...]) -> Iterator[Points]:
    """Yields the points of a series in blocks."""
    after = -1
    while rows := connection.execute(
        sa.select(metric).where(*mine, metric.c.ordinal > after).order_by(metric.c.ordinal).limit(BLOCK_POINTS)
    ).all():
        after = rows[-1].ordinal
        points = from_values(
            [(row.kind, row.value) for row in rows], [row.step for row in rows], [row.time_us for row in rows]
        )
        yield from points.placed(np.array([row.ordinal for row in rows], np.int64), 0).blocks()
