"""Metric points: series, the blocks with their points, and how far each writer got."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlmodel import SQLModel

from xpstore_server.store.tables.declare import TEXT, UUID, column, reference, table


class Series(SQLModel, table=True):
    """All points of one name and phase of a model: running aggregates here, the points in blocks.

    Numbers for search and order are those that both databases sort alike: finite, else NULL.
    """

    __tablename__ = "series"
    id: str = column(UUID, primary_key=True)
    model_id: str = reference("model.id")
    project_uid: str = column(UUID)
    name: str = column(TEXT)
    phase: str = column(TEXT)  # "" where none was given
    points: int = column(BigInteger)  # how many
    last_ordinal: int = column(BigInteger)
    last_step: int | None = column(BigInteger, null=True)
    last_time_us: int = column(BigInteger)
    last_kind: str = column(TEXT)  # float | int | json
    last_text: str = column(TEXT)  # the exact value: NaN, and integers beyond what a float holds
    last_number: float | None = column(Double, null=True)
    min_number: float | None = column(Double, null=True)
    max_number: float | None = column(Double, null=True)
    small_blocks: int = column(Integer)  # appended since they were put together
    __table_args__ = (
        UniqueConstraint("model_id", "name", "phase"),
        Index("ix_series_last", "project_uid", "name", "last_number", "model_id", "phase"),
        Index("ix_series_min", "project_uid", "name", "min_number", "model_id", "phase"),
        Index("ix_series_max", "project_uid", "name", "max_number", "model_id", "phase"),
        CheckConstraint("last_kind IN ('float', 'int', 'json')", name="last_kind"),
    )


class Block(SQLModel, table=True):
    """Some points of a series as packed columns (`store/columns.py`); never changed, only replaced.

    A point's ordinal counts all points of its model: it is the order of `list`, the cursor of `since=`, and the id.
    """

    __tablename__ = "block"
    model_id: str = column(UUID, primary_key=True)
    first_ordinal: int = column(BigInteger, primary_key=True, autoincrement=False)
    series_id: str = reference("series.id")
    last_ordinal: int = column(BigInteger)
    points: int = column(Integer)  # how many
    kind: str = column(TEXT)  # float | int | json: the last for any mixture, each value with its own kind
    min_number: float | None = column(Double, null=True)
    max_number: float | None = column(Double, null=True)
    max_step: int | None = column(BigInteger, null=True)
    ordinals: bytes = column(LargeBinary)
    steps: bytes = column(LargeBinary)
    times: bytes = column(LargeBinary)
    data: bytes = column(LargeBinary)  # the values
    __table_args__ = (
        Index("ix_block_series", "series_id", "first_ordinal"),
        CheckConstraint("kind IN ('float', 'int', 'json')", name="kind"),
    )


class Outline(SQLModel, table=True):
    """What portions of a large block come to (`core/metrics/outlines.py`): long series are divided by these."""

    __tablename__ = "outline"
    model_id: str = column(UUID, primary_key=True)
    first_ordinal: int = column(BigInteger, primary_key=True, autoincrement=False)
    # Of the block as one portion. Before the body, as SQLite reads a row from its start: most are not read further.
    whole: bytes = column(LargeBinary)
    body: bytes = column(LargeBinary)
    # A table of its own, as a row of `block` is read to its end for its last column.
    __table_args__ = (
        ForeignKeyConstraint(
            ["model_id", "first_ordinal"], ["block.model_id", "block.first_ordinal"], ondelete="CASCADE"
        ),
    )


class Writer(SQLModel, table=True):
    """How far each writer got. The same id with another method or another key is another writer."""

    __tablename__ = "writer"
    project_uid: str = reference("project.uid", primary_key=True)
    writer_id: str = column(UUID, primary_key=True)
    method: int = column(Integer, primary_key=True, autoincrement=False, server_default=text("0"))  # `ingest.Method`
    # The name of its key; "" from before that was kept: whoever goes on with it takes it.
    principal: str = column(TEXT, primary_key=True, server_default=text("''"))
    next_point: int = column(BigInteger)


series = table(Series)
block = table(Block)
outline = table(Outline)
writer = table(Writer)
