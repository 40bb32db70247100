"""Search: attributes of configs and modules as rows, and indexes that filters use."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from xpstore_server.store.attributes import Row, flatten
from xpstore_server.store.tables import TEXT, UUID

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BATCH = 200  # configs and modules read at once, each of up to 1 MiB

_model = sa.table("model", sa.column("id", UUID), sa.column("project_uid", UUID), sa.column("config_json", TEXT))
_module = sa.table(
    "module",
    sa.column("id", UUID),
    sa.column("model_id", UUID),
    sa.column("iteration_id", UUID),
    sa.column("name", TEXT),
    sa.column("attributes_json", TEXT),
    sa.column("created_at_us", sa.BigInteger),
)


def upgrade() -> None:
    attribute = op.create_table(
        "attribute",
        sa.Column("model_id", UUID, nullable=False),
        sa.Column("path", TEXT, nullable=False),
        sa.Column("project_uid", UUID, nullable=False),
        sa.Column("module_id", UUID, nullable=True),
        sa.Column("number", sa.Double(), nullable=True),
        sa.Column("text", TEXT, nullable=True),
        sa.Column("truth", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name="fk_attribute_model_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["module_id"], ["module.id"], name="fk_attribute_module_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("model_id", "path", name="pk_attribute"),
    )
    _fill(attribute)
    op.create_index("ix_attribute_module_id", "attribute", ["module_id"], unique=False)
    for kind in ("number", "text", "truth"):
        is_set = sa.text(f"{kind} IS NOT NULL")
        columns = ["project_uid", "path", kind, "model_id"]
        op.create_index(
            f"ix_attribute_{kind}", "attribute", columns, unique=False, sqlite_where=is_set, postgresql_where=is_set
        )
    op.create_index("ix_model_tag_tag", "model_tag", ["tag", "model_id"], unique=False)
    op.create_index("ix_model_project_created", "model", ["project_uid", "created_at_us", "id"], unique=False)
    op.drop_index("ix_model_project_uid", table_name="model")


def _fill(attribute: sa.Table) -> None:
    connection = op.get_bind()
    for row in _batches(connection, sa.select(_model), _model.c.id):
        of = {"model_id": row.id, "project_uid": row.project_uid, "module_id": None}
        _insert(connection, attribute, of, flatten(row.config_json, "config"))
    for row in _batches(connection, _newest_modules(), _module.c.id):
        of = {"model_id": row.model_id, "project_uid": row.project_uid, "module_id": row.id}
        _insert(connection, attribute, of, flatten(row.attributes_json, "modules", row.name))


def _newest_modules() -> sa.Select[Any]:
    later = _module.alias()
    same = (later.c.model_id == _module.c.model_id, later.c.iteration_id.is_(None), later.c.name == _module.c.name)
    is_later = sa.tuple_(later.c.created_at_us, later.c.id) > sa.tuple_(_module.c.created_at_us, _module.c.id)
    return (
        sa.select(_module, _model.c.project_uid)
        .join(_model, _model.c.id == _module.c.model_id)
        .where(_module.c.iteration_id.is_(None), ~sa.select(later.c.id).where(*same, is_later).exists())
    )


def _batches(connection: sa.Connection, query: sa.Select[Any], key: sa.ColumnElement[Any]) -> Iterator[sa.Row[Any]]:
    query = query.order_by(key).limit(BATCH)
    rows = connection.execute(query).all()
    while rows:
        yield from rows
        rows = connection.execute(query.where(key > rows[-1].id)).all()


def _insert(connection: sa.Connection, table: sa.Table, of: dict[str, Any], rows: list[Row]) -> None:
    if rows:
        connection.execute(table.insert(), [{**of, **row._asdict()} for row in rows])
