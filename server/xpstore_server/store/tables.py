"""All tables. SQLModel declares them; queries are Core statements on the tables at the end of this file.

Times are BIGINT microseconds of the database's clock, so no zone can be lost. JSON rests as text, byte for byte.
Ids are UUIDs made by clients, so a repeated create finds its own row.
"""

from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlmodel import Field, SQLModel

# Set before the first table: migrations name constraints by it, and SQLite can only drop named ones.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

# Bytewise order on both databases: the order of keyset pages must not depend on a locale.
TEXT = Text().with_variant(Text(collation="C"), "postgresql")
UUID = Uuid(as_uuid=False)

# `packs.SMALL_BYTES`. Queries say it as a literal: of a parameter PostgreSQL cannot tell that the index serves.
SMALL_PACK = "size_bytes < 4194304"


def _column(type_: Any, *constraints: Any, primary_key: bool = False, null: bool = False, **options: Any) -> Any:
    column = Column(type_, *constraints, primary_key=primary_key, nullable=null, **options)
    return Field(sa_column=column)


def _reference(target: str, *, primary_key: bool = False, null: bool = False, index: bool = False) -> Any:
    """A foreign key whose row goes with its target."""
    return _column(UUID, ForeignKey(target, ondelete="CASCADE"), primary_key=primary_key, null=null, index=index)


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index of the rows that a condition picks."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


class ApiKey(SQLModel, table=True):
    __tablename__ = "api_key"
    id: str = _column(UUID, primary_key=True)
    name: str = _column(TEXT, unique=True)
    hash: bytes = _column(LargeBinary, unique=True)  # SHA-256 of the key: it has 256 random bits
    created_at_us: int = _column(BigInteger)
    revoked_at_us: int | None = _column(BigInteger, null=True)


class Project(SQLModel, table=True):
    __tablename__ = "project"
    uid: str = _column(UUID, primary_key=True)
    id: str = _column(TEXT)
    name: str = _column(TEXT)
    description: str = _column(TEXT)
    creation_id: str = _column(UUID, unique=True)
    created_at_us: int = _column(BigInteger)
    created_by: str = _column(TEXT)
    updated_at_us: int = _column(BigInteger)
    updated_by: str = _column(TEXT)
    revision: int = _column(Integer)
    deleted_at_us: int | None = _column(BigInteger, null=True)
    purged_at_us: int | None = _column(BigInteger, null=True)  # since when it cannot come back
    cache_ttl_us: int | None = _column(BigInteger, null=True)
    cache_max_age_us: int | None = _column(BigInteger, null=True)
    __table_args__ = (
        # An id is taken by the live project only: free again at once after a delete.
        _partial("uq_project_live_id", "id", where="deleted_at_us IS NULL", unique=True),
        Index("ix_project_created", "created_at_us", "uid"),
    )


class Experiment(SQLModel, table=True):
    __tablename__ = "experiment"
    id: str = _column(UUID, primary_key=True)
    project_uid: str = _reference("project.uid")
    name: str = _column(TEXT)
    created_at_us: int = _column(BigInteger)
    created_by: str = _column(TEXT)
    updated_at_us: int = _column(BigInteger)
    updated_by: str = _column(TEXT)
    revision: int = _column(Integer)
    __table_args__ = (
        UniqueConstraint("project_uid", "name"),
        Index("ix_experiment_created", "project_uid", "created_at_us", "id"),
    )


class Model(SQLModel, table=True):
    __tablename__ = "model"
    id: str = _column(UUID, primary_key=True)
    experiment_id: str = _reference("experiment.id")
    project_uid: str = _reference("project.uid")
    hash: str = _column(TEXT)
    name: str | None = _column(TEXT, null=True)
    description: str | None = _column(TEXT, null=True)
    step: int = _column(BigInteger)
    config_json: str = _column(TEXT)
    next_ordinal: int = _column(BigInteger)  # of its metric points
    created_at_us: int = _column(BigInteger)
    created_by: str = _column(TEXT)
    updated_at_us: int = _column(BigInteger)
    updated_by: str = _column(TEXT)
    revision: int = _column(Integer)
    __table_args__ = (
        UniqueConstraint("experiment_id", "hash"),
        Index("ix_model_created", "experiment_id", "created_at_us", "id"),
        Index("ix_model_project_created", "project_uid", "created_at_us", "id"),
    )


class ModelTag(SQLModel, table=True):
    __tablename__ = "model_tag"
    model_id: str = _reference("model.id", primary_key=True)
    tag: str = _column(TEXT, primary_key=True)
    position: int = _column(BigInteger)
    __table_args__ = (Index("ix_model_tag_tag", "tag", "model_id"),)


class StepAdvance(SQLModel, table=True):
    """Results of AdvanceModel of the last day, so that a repeated call adds once."""

    __tablename__ = "step_advance"
    id: str = _column(UUID, primary_key=True)
    model_id: str = _reference("model.id")
    step: int = _column(BigInteger)
    created_at_us: int = _column(BigInteger)
    __table_args__ = (Index("ix_step_advance_created", "model_id", "created_at_us"),)


class Iteration(SQLModel, table=True):
    __tablename__ = "iteration"
    id: str = _column(UUID, primary_key=True)
    model_id: str = _reference("model.id")
    step: int = _column(BigInteger)
    created_at_us: int = _column(BigInteger)
    __table_args__ = (
        UniqueConstraint("model_id", "step"),
        Index("ix_iteration_created", "model_id", "created_at_us", "id"),
    )


class Module(SQLModel, table=True):
    __tablename__ = "module"
    id: str = _column(UUID, primary_key=True)
    model_id: str = _reference("model.id")
    iteration_id: str | None = _reference("iteration.id", null=True)
    name: str = _column(TEXT)
    attributes_json: str = _column(TEXT)
    created_at_us: int = _column(BigInteger)
    __table_args__ = (
        Index("ix_module_model", "model_id", "created_at_us", "id"),
        Index("ix_module_iteration", "iteration_id", "created_at_us", "id"),
    )


class Attribute(SQLModel, table=True):
    """What search knows of the config of a model and of its newest module of each name (`store/attributes.py`).

    One of number, text and truth is set: the type of the value in JSON.
    """

    __tablename__ = "attribute"
    model_id: str = _reference("model.id", primary_key=True)
    path: str = _column(TEXT, primary_key=True)
    project_uid: str = _column(UUID)
    module_id: str | None = _reference("module.id", null=True, index=True)  # none: of the config
    number: float | None = _column(Double, null=True)
    text: str | None = _column(TEXT, null=True)
    truth: bool | None = _column(Boolean, null=True)
    __table_args__ = (
        _partial("ix_attribute_number", "project_uid", "path", "number", "model_id", where="number IS NOT NULL"),
        _partial("ix_attribute_text", "project_uid", "path", "text", "model_id", where="text IS NOT NULL"),
        _partial("ix_attribute_truth", "project_uid", "path", "truth", "model_id", where="truth IS NOT NULL"),
    )


class Series(SQLModel, table=True):
    """All points of one name and phase of a model: running aggregates here, the points in blocks.

    Numbers for search and order are those that both databases sort alike: finite, else NULL.
    """

    __tablename__ = "series"
    id: str = _column(UUID, primary_key=True)
    model_id: str = _reference("model.id")
    project_uid: str = _column(UUID)
    name: str = _column(TEXT)
    phase: str = _column(TEXT)  # "" where none was given
    points: int = _column(BigInteger)  # how many
    last_ordinal: int = _column(BigInteger)
    last_step: int | None = _column(BigInteger, null=True)
    last_time_us: int = _column(BigInteger)
    last_kind: str = _column(TEXT)  # float | int | json
    last_text: str = _column(TEXT)  # the exact value: NaN, and integers beyond what a float holds
    last_number: float | None = _column(Double, null=True)
    min_number: float | None = _column(Double, null=True)
    max_number: float | None = _column(Double, null=True)
    small_blocks: int = _column(Integer)  # appended since they were put together
    __table_args__ = (
        UniqueConstraint("model_id", "name", "phase"),
        Index("ix_series_last", "project_uid", "name", "last_number", "model_id"),
        Index("ix_series_min", "project_uid", "name", "min_number", "model_id"),
        Index("ix_series_max", "project_uid", "name", "max_number", "model_id"),
        CheckConstraint("last_kind IN ('float', 'int', 'json')", name="last_kind"),
    )


class Block(SQLModel, table=True):
    """Some points of a series as packed columns (`store/columns.py`); never changed, only replaced.

    A point's ordinal counts all points of its model: it is the order of `list`, the cursor of `since=`, and the id.
    """

    __tablename__ = "block"
    model_id: str = _column(UUID, primary_key=True)
    first_ordinal: int = _column(BigInteger, primary_key=True, autoincrement=False)
    series_id: str = _reference("series.id")
    last_ordinal: int = _column(BigInteger)
    points: int = _column(Integer)  # how many
    kind: str = _column(TEXT)  # float | int | json: the last for any mixture, each value with its own kind
    min_number: float | None = _column(Double, null=True)
    max_number: float | None = _column(Double, null=True)
    max_step: int | None = _column(BigInteger, null=True)
    ordinals: bytes = _column(LargeBinary)
    steps: bytes = _column(LargeBinary)
    times: bytes = _column(LargeBinary)
    data: bytes = _column(LargeBinary)  # the values
    __table_args__ = (
        Index("ix_block_series", "series_id", "first_ordinal"),
        CheckConstraint("kind IN ('float', 'int', 'json')", name="kind"),
    )


class Writer(SQLModel, table=True):
    """How far each writer of metric points got."""

    __tablename__ = "writer"
    project_uid: str = _reference("project.uid", primary_key=True)
    writer_id: str = _column(UUID, primary_key=True)
    next_point: int = _column(BigInteger)


class Run(SQLModel, table=True):
    __tablename__ = "run"
    id: str = _column(UUID, primary_key=True)
    model_id: str = _reference("model.id")
    ended_status: str | None = _column(TEXT, null=True)  # finished | failed
    started_at_us: int = _column(BigInteger)
    ended_at_us: int | None = _column(BigInteger, null=True)
    heartbeat_at_us: int = _column(BigInteger)
    rank: int = _column(Integer)
    host: str = _column(TEXT)
    user: str = _column(TEXT)
    command: str = _column(TEXT)
    python: str = _column(TEXT)
    packages_json: str = _column(TEXT)
    git_commit: str = _column(TEXT)
    git_dirty: int = _column(Integer)
    error: str = _column(TEXT)
    __table_args__ = (
        Index("ix_run_started", "model_id", "started_at_us", "id"),
        CheckConstraint("ended_status IN ('finished', 'failed')", name="ended_status"),
    )


class Artifact(SQLModel, table=True):
    __tablename__ = "artifact"
    id: str = _column(UUID, primary_key=True)
    project_uid: str = _reference("project.uid")
    name: str = _column(TEXT)
    type: str = _column(TEXT)
    last_version: int = _column(BigInteger)  # the highest number ever given: numbers are never reused
    created_at_us: int = _column(BigInteger)
    created_by: str = _column(TEXT)
    updated_at_us: int = _column(BigInteger)
    updated_by: str = _column(TEXT)
    revision: int = _column(Integer)
    __table_args__ = (
        UniqueConstraint("project_uid", "name"),
        Index("ix_artifact_created", "project_uid", "created_at_us", "id"),
    )


class ArtifactVersion(SQLModel, table=True):
    """A version. In state `committing` it has neither artifact nor number: its edges already protect its packs."""

    __tablename__ = "artifact_version"
    id: str = _column(UUID, primary_key=True)
    project_uid: str = _reference("project.uid")
    artifact_id: str | None = _reference("artifact.id", null=True)
    version: int | None = _column(BigInteger, null=True)
    state: str = _column(TEXT)  # committing | live | deleted
    digest: bytes = _column(LargeBinary)
    fingerprint: str = _column(TEXT)
    manifest: bytes = _column(LargeBinary)  # the root, at most 1 MiB
    size_bytes: int = _column(BigInteger)
    file_count: int = _column(BigInteger)
    description: str | None = _column(TEXT, null=True)
    metadata_json: str = _column(TEXT)
    created_at_us: int = _column(BigInteger)
    created_by: str = _column(TEXT)
    updated_at_us: int = _column(BigInteger)
    updated_by: str = _column(TEXT)
    revision: int = _column(Integer)
    deleted_at_us: int | None = _column(BigInteger, null=True)
    purged_at_us: int | None = _column(BigInteger, null=True)  # since when it cannot come back
    process_json: str | None = _column(TEXT, null=True)  # `core/process.py`; of versions that the cache made
    __table_args__ = (
        UniqueConstraint("artifact_id", "version"),
        Index("ix_artifact_version_created", "project_uid", "created_at_us", "id"),
        _partial("ix_artifact_version_deleted", "deleted_at_us", where="deleted_at_us IS NOT NULL"),
        _partial("ix_artifact_version_committing", "created_at_us", where="state = 'committing'"),
        CheckConstraint("state IN ('committing', 'live', 'deleted')", name="state"),
    )


class ArtifactAlias(SQLModel, table=True):
    __tablename__ = "artifact_alias"
    artifact_id: str = _reference("artifact.id", primary_key=True)
    alias: str = _column(TEXT, primary_key=True)
    version_id: str = _reference("artifact_version.id", index=True)


class ArtifactLink(SQLModel, table=True):
    """What a version belongs to. Goes with the model or iteration; the version stays."""

    __tablename__ = "artifact_link"
    id: str = _column(UUID, primary_key=True)
    version_id: str = _reference("artifact_version.id", index=True)
    model_id: str = _reference("model.id", index=True)
    iteration_id: str | None = _reference("iteration.id", null=True, index=True)
    step: int | None = _column(BigInteger, null=True)
    created_at_us: int = _column(BigInteger)


class ArtifactLineage(SQLModel, table=True):
    __tablename__ = "artifact_lineage"
    version_id: str = _reference("artifact_version.id", primary_key=True)
    used_version_id: str = _reference("artifact_version.id", primary_key=True, index=True)


class Pack(SQLModel, table=True):
    """Live packs only. A row here is what edges and chunks may point to: deleting it is what the fence guards."""

    __tablename__ = "pack"
    id: str = _column(UUID, primary_key=True)
    pool: str = _column(UUID)
    size_bytes: int = _column(BigInteger)
    created_at_us: int = _column(BigInteger)
    touched_at_us: int = _column(BigInteger)
    # Since when it may hold bytes that no version needs: it was made, or a version let go of it. None: a repack looked.
    suspect_at_us: int | None = _column(BigInteger, null=True)
    __table_args__ = (
        Index("ix_pack_touched", "touched_at_us"),
        Index("ix_pack_pool", "pool", "id"),
        Index("ix_pack_created", "pool", "created_at_us", "id"),
        _partial("ix_pack_suspect", "pool", "created_at_us", "id", where="suspect_at_us IS NOT NULL"),
        _partial("ix_pack_small", "pool", "created_at_us", "id", where=SMALL_PACK),
    )


class PackPending(SQLModel, table=True):
    """Objects that may exist and that nothing may name: being written, or waiting to be removed."""

    __tablename__ = "pack_pending"
    id: str = _column(UUID, primary_key=True)
    pool: str = _column(UUID)
    state: str = _column(TEXT)  # writing | trash
    created_at_us: int = _column(BigInteger)
    size_bytes: int = _column(BigInteger, server_default=text("0"))  # 0 where nobody knows
    __table_args__ = (
        Index("ix_pack_pending_created", "created_at_us"),
        CheckConstraint("state IN ('writing', 'trash')", name="state"),
    )


class Chunk(SQLModel, table=True):
    __tablename__ = "chunk"
    pool: str = _column(UUID, primary_key=True)
    digest: bytes = _column(LargeBinary, primary_key=True)
    pack_id: str = _column(UUID, ForeignKey("pack.id"), index=True)
    offset: int = _column(Integer)
    stored_size: int = _column(Integer)
    raw_size: int = _column(Integer)
    codec: int = _column(Integer)


class ArtifactPack(SQLModel, table=True):
    """Which packs a version needs. No cascade to the pack: this foreign key is the fence against the sweep."""

    __tablename__ = "artifact_pack"
    version_id: str = _reference("artifact_version.id", primary_key=True)
    pack_id: str = _column(UUID, ForeignKey("pack.id"), primary_key=True, index=True)


class Upload(SQLModel, table=True):
    """State of one UploadFile: all there is."""

    __tablename__ = "upload"
    id: str = _column(UUID, primary_key=True)
    project_uid: str = _reference("project.uid", index=True)
    principal: str = _column(TEXT)
    header_hash: bytes = _column(LargeBinary)
    epoch: int = _column(Integer)  # raised by every open: fences the stream before
    offset: int = _column(BigInteger)  # durable bytes, always a chunk boundary
    expires_at_us: int = _column(BigInteger, index=True)
    result_version_id: str | None = _column(UUID, null=True)  # set once it is finished


class UploadPart(SQLModel, table=True):
    """The chunks of a durable stretch of an upload: digest (32 bytes) and raw size (4, little-endian) of each."""

    __tablename__ = "upload_part"
    upload_id: str = _reference("upload.id", primary_key=True)
    offset: int = _column(BigInteger, primary_key=True, autoincrement=False)
    chunks: bytes = _column(LargeBinary)


class CacheEntry(SQLModel, table=True):
    """Which version a process made of its parameters. Goes with the version, so an entry never outlives its bytes."""

    __tablename__ = "cache_entry"
    project_uid: str = _reference("project.uid", primary_key=True)
    fingerprint: str = _column(TEXT, primary_key=True)
    version_id: str = _reference("artifact_version.id", index=True)
    lease_id: str = _column(UUID)  # under which it was completed: whoever waited for that lease gets this entry
    process_name: str = _column(TEXT)
    completed_at_us: int = _column(BigInteger)
    completed_by: str = _column(TEXT)
    duration_us: int = _column(BigInteger)
    expires_at_us: int | None = _column(BigInteger, null=True)
    hits: int = _column(BigInteger)
    last_hit_at_us: int | None = _column(BigInteger, null=True)
    __table_args__ = (
        Index("ix_cache_entry_completed", "project_uid", "completed_at_us", "fingerprint"),
        Index("ix_cache_entry_process", "project_uid", "process_name", "completed_at_us", "fingerprint"),
        _partial("ix_cache_entry_expires", "expires_at_us", where="expires_at_us IS NOT NULL"),
    )


class CacheLease(SQLModel, table=True):
    """The right to compute an entry; failed ones stay for an hour, for those who wait.

    The id is made of the holder's token, which is not stored.
    """

    __tablename__ = "cache_lease"
    id: str = _column(UUID, primary_key=True)
    project_uid: str = _reference("project.uid")
    fingerprint: str = _column(TEXT)
    holder: str = _column(TEXT)
    held_by: str = _column(TEXT)
    acquired_at_us: int = _column(BigInteger)
    expires_at_us: int = _column(BigInteger, index=True)
    waits_for: str | None = _column(UUID, null=True)  # the lease that its holder waits for at this moment
    failed_at_us: int | None = _column(BigInteger, null=True)
    error: str | None = _column(TEXT, null=True)
    __table_args__ = (
        _partial("uq_cache_lease_running", "project_uid", "fingerprint", where="failed_at_us IS NULL", unique=True),
        Index("ix_cache_lease_project_uid", "project_uid"),
        _partial("ix_cache_lease_waits_for", "id", where="waits_for IS NOT NULL"),
    )


def _table(model: type[SQLModel]) -> Table:
    return cast(Table, model.__table__)  # type: ignore[attr-defined]  # set by SQLModel's metaclass


api_key = _table(ApiKey)
project = _table(Project)
experiment = _table(Experiment)
model = _table(Model)
model_tag = _table(ModelTag)
step_advance = _table(StepAdvance)
iteration = _table(Iteration)
module = _table(Module)
attribute = _table(Attribute)
series = _table(Series)
block = _table(Block)
writer = _table(Writer)
run = _table(Run)
artifact = _table(Artifact)
artifact_version = _table(ArtifactVersion)
artifact_alias = _table(ArtifactAlias)
artifact_link = _table(ArtifactLink)
artifact_lineage = _table(ArtifactLineage)
pack = _table(Pack)
pack_pending = _table(PackPending)
chunk = _table(Chunk)
artifact_pack = _table(ArtifactPack)
upload = _table(Upload)
upload_part = _table(UploadPart)
cache_entry = _table(CacheEntry)
cache_lease = _table(CacheLease)

metadata = SQLModel.metadata
