"""Artifacts: names, versions, aliases, links and lineage."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    Index,
    Integer,
    LargeBinary,
    UniqueConstraint,
    literal_column,
)
from sqlmodel import SQLModel

from xpstore_server.store.tables.declare import TEXT, UUID, column, partial_index, reference, table

# Of media of models (`core/versions/media.py`), and what their names begin with: the id of the model follows.
MEDIA_TYPE = "model_media"
MEDIA_PREFIX = "media/"


class Artifact(SQLModel, table=True):
    __tablename__ = "artifact"
    id: str = column(UUID, primary_key=True)
    project_uid: str = reference("project.uid")
    name: str = column(TEXT)
    type: str = column(TEXT)
    last_version: int = column(BigInteger)  # the highest number ever given: numbers are never reused
    created_at_us: int = column(BigInteger)
    created_by: str = column(TEXT)
    updated_at_us: int = column(BigInteger)
    updated_by: str = column(TEXT)
    revision: int = column(Integer)
    __table_args__ = (
        UniqueConstraint("project_uid", "name"),
        # Without media: lists of all leave them out, and each model has as many names of these as of all else.
        partial_index("ix_artifact_created", "project_uid", "created_at_us", "id", where=f"type <> '{MEDIA_TYPE}'"),
        Index("ix_artifact_type", "project_uid", "type", "created_at_us", "id"),
    )


class ArtifactVersion(SQLModel, table=True):
    """A version. In state `committing` it has neither artifact nor number: its edges already protect its packs."""

    __tablename__ = "artifact_version"
    id: str = column(UUID, primary_key=True)
    project_uid: str = reference("project.uid")
    artifact_id: str | None = reference("artifact.id", null=True)
    version: int | None = column(BigInteger, null=True)
    state: str = column(TEXT)  # committing | live | deleted
    digest: bytes = column(LargeBinary)
    fingerprint: str = column(TEXT)
    manifest: bytes = column(LargeBinary)  # the root, at most 1 MiB
    size_bytes: int = column(BigInteger)
    file_count: int = column(BigInteger)
    description: str | None = column(TEXT, null=True)
    metadata_json: str = column(TEXT)
    created_at_us: int = column(BigInteger)
    created_by: str = column(TEXT)
    updated_at_us: int = column(BigInteger)
    updated_by: str = column(TEXT)
    revision: int = column(Integer)
    deleted_at_us: int | None = column(BigInteger, null=True)
    purged_at_us: int | None = column(BigInteger, null=True)  # since when it cannot come back
    process_json: str | None = column(TEXT, null=True)  # `core/process.py`; of versions that the cache made
    __table_args__ = (
        UniqueConstraint("artifact_id", "version"),
        # With the state: however many are deleted, a list of live ones does not walk past them.
        Index("ix_artifact_version_project", "project_uid", "state", "created_at_us", "id"),
        Index("ix_artifact_version_artifact", "artifact_id", "state", "created_at_us", "id"),
        Index("ix_artifact_version_newest", "artifact_id", "state", "version"),
        Index("ix_artifact_version_number", "project_uid", "version"),
        partial_index("ix_artifact_version_deleted", "deleted_at_us", where="deleted_at_us IS NOT NULL"),
        partial_index("ix_artifact_version_committing", "created_at_us", where="state = 'committing'"),
        CheckConstraint("state IN ('committing', 'live', 'deleted')", name="state"),
    )


class ArtifactAlias(SQLModel, table=True):
    __tablename__ = "artifact_alias"
    artifact_id: str = reference("artifact.id", primary_key=True)
    alias: str = column(TEXT, primary_key=True)
    version_id: str = reference("artifact_version.id")
    __table_args__ = (
        Index("ix_artifact_alias_version", "version_id", "alias"),
        Index("ix_artifact_alias_alias", "alias", "version_id"),
    )


class ArtifactLink(SQLModel, table=True):
    """What a version belongs to. Goes with the model or iteration; the version stays."""

    __tablename__ = "artifact_link"
    id: str = column(UUID, primary_key=True)
    version_id: str = reference("artifact_version.id")
    model_id: str = reference("model.id")
    iteration_id: str | None = reference("iteration.id", null=True, index=True)
    step: int | None = column(BigInteger, null=True)
    created_at_us: int = column(BigInteger)
    __table_args__ = (
        Index("ix_artifact_link_version", "version_id", "created_at_us", "id"),
        Index("ix_artifact_link_both", "version_id", "model_id"),
        Index("ix_artifact_link_model", "model_id", "step", "version_id"),
        partial_index("ix_artifact_link_step", "step", "version_id", where="step IS NOT NULL"),
    )


class ArtifactLineage(SQLModel, table=True):
    __tablename__ = "artifact_lineage"
    version_id: str = reference("artifact_version.id", primary_key=True)
    used_version_id: str = reference("artifact_version.id", primary_key=True)
    __table_args__ = (Index("ix_artifact_lineage_used", "used_version_id", "version_id"),)


artifact = table(Artifact)
artifact_version = table(ArtifactVersion)
artifact_alias = table(ArtifactAlias)
artifact_link = table(ArtifactLink)
artifact_lineage = table(ArtifactLineage)

# The text itself, not a parameter: only so SQLite uses the index of all others.
_MEDIA: ColumnElement[Any] = literal_column(f"'{MEDIA_TYPE}'")
IS_MEDIA: ColumnElement[bool] = artifact.c.type == _MEDIA
IS_NO_MEDIA: ColumnElement[bool] = artifact.c.type != _MEDIA
