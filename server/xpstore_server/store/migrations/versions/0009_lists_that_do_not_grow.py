"""Indexes by which lists find what they return, however much else there is."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None

OLD = {
    "ix_artifact_version_created": "artifact_version",
    "ix_artifact_alias_version_id": "artifact_alias",
    "ix_artifact_link_version_id": "artifact_link",
    "ix_artifact_link_model_id": "artifact_link",
    "ix_project_created": "project",
    "ix_module_model": "module",
    "ix_module_iteration": "module",
}
# Name, table, columns, and of which rows.
NEW = [
    ("ix_artifact_type", "artifact", "project_uid type created_at_us id", ""),
    ("ix_artifact_version_project", "artifact_version", "project_uid state created_at_us id", ""),
    ("ix_artifact_version_artifact", "artifact_version", "artifact_id state created_at_us id", ""),
    ("ix_artifact_version_newest", "artifact_version", "artifact_id state version", ""),
    ("ix_artifact_version_number", "artifact_version", "project_uid version", ""),
    ("ix_artifact_alias_version", "artifact_alias", "version_id alias", ""),
    ("ix_artifact_alias_alias", "artifact_alias", "alias version_id", ""),
    ("ix_artifact_link_version", "artifact_link", "version_id created_at_us id", ""),
    ("ix_artifact_link_both", "artifact_link", "version_id model_id", ""),
    ("ix_artifact_link_model", "artifact_link", "model_id step version_id", ""),
    ("ix_artifact_link_step", "artifact_link", "step version_id", "step IS NOT NULL"),
    ("ix_project_live", "project", "created_at_us uid", "deleted_at_us IS NULL"),
    ("ix_module_model_id", "module", "model_id", ""),
    ("ix_module_model", "module", "model_id created_at_us id", "iteration_id IS NULL"),
    ("ix_module_name", "module", "model_id name created_at_us id", "iteration_id IS NULL"),
    ("ix_module_iteration", "module", "iteration_id created_at_us id", "iteration_id IS NOT NULL"),
]


def upgrade() -> None:
    for name, table in OLD.items():
        op.drop_index(name, table)
    for name, table, columns, where in NEW:
        condition = sa.text(where) if where else None
        op.create_index(name, table, columns.split(), sqlite_where=condition, postgresql_where=condition)
