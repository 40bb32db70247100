"""Bytes: packs, the chunks in them, who needs them, and uploads under way."""

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, LargeBinary, text
from sqlmodel import SQLModel

from xpstore_server.store.tables.declare import TEXT, UUID, column, partial_index, reference, table

# `packs.SMALL_BYTES`. Queries say it as a literal: of a parameter PostgreSQL cannot tell that the index serves.
SMALL_PACK = "size_bytes < 4194304"


class Pack(SQLModel, table=True):
    """Live packs only. A row here is what edges and chunks may point to: deleting it is what the fence guards."""

    __tablename__ = "pack"
    id: str = column(UUID, primary_key=True)
    pool: str = column(UUID)
    size_bytes: int = column(BigInteger)
    created_at_us: int = column(BigInteger)
    touched_at_us: int = column(BigInteger)
    # Since when it may hold bytes that no version needs: it was made, or a version let go of it. None: a repack looked.
    suspect_at_us: int | None = column(BigInteger, null=True)
    vouched_by: str | None = column(TEXT, null=True)  # whose client wrote it, as long as nobody has read it back
    __table_args__ = (
        Index("ix_pack_touched", "touched_at_us"),
        Index("ix_pack_pool", "pool", "id"),
        Index("ix_pack_created", "pool", "created_at_us", "id"),
        partial_index("ix_pack_suspect", "pool", "created_at_us", "id", where="suspect_at_us IS NOT NULL"),
        partial_index("ix_pack_small", "pool", "created_at_us", "id", where=SMALL_PACK),
        partial_index("ix_pack_vouched", "vouched_by", where="vouched_by IS NOT NULL"),
    )


class PackPending(SQLModel, table=True):
    """Objects that may exist and that nothing may name: being written, or waiting to be removed."""

    __tablename__ = "pack_pending"
    id: str = column(UUID, primary_key=True)
    pool: str = column(UUID)
    state: str = column(TEXT)  # writing | trash
    created_at_us: int = column(BigInteger)
    size_bytes: int = column(BigInteger, server_default=text("0"))  # 0 where nobody knows
    principal: str | None = column(TEXT, null=True)  # whose client writes it; None: a server does
    __table_args__ = (
        Index("ix_pack_pending_created", "created_at_us"),
        partial_index("ix_pack_pending_principal", "principal", where="principal IS NOT NULL"),
        CheckConstraint("state IN ('writing', 'trash')", name="state"),
    )


class Chunk(SQLModel, table=True):
    __tablename__ = "chunk"
    pool: str = column(UUID, primary_key=True)
    digest: bytes = column(LargeBinary, primary_key=True)
    pack_id: str = column(UUID, ForeignKey("pack.id"), index=True)
    offset: int = column(Integer)
    stored_size: int = column(Integer)
    raw_size: int = column(Integer)
    codec: int = column(Integer)


class ArtifactPack(SQLModel, table=True):
    """Which packs a version needs. No cascade to the pack: this foreign key is the fence against the sweep."""

    __tablename__ = "artifact_pack"
    version_id: str = reference("artifact_version.id", primary_key=True)
    pack_id: str = column(UUID, ForeignKey("pack.id"), primary_key=True, index=True)


class Upload(SQLModel, table=True):
    """State of one UploadFile: all there is."""

    __tablename__ = "upload"
    id: str = column(UUID, primary_key=True)
    project_uid: str = reference("project.uid", index=True)
    principal: str = column(TEXT)
    header_hash: bytes = column(LargeBinary)
    epoch: int = column(Integer)  # raised by every open: fences the stream before
    offset: int = column(BigInteger)  # durable bytes, always a chunk boundary
    expires_at_us: int = column(BigInteger, index=True)
    result_version_id: str | None = column(UUID, null=True)  # set once it is finished


class UploadPart(SQLModel, table=True):
    """The chunks of a durable stretch of an upload: digest (32 bytes) and raw size (4, little-endian) of each."""

    __tablename__ = "upload_part"
    upload_id: str = reference("upload.id", primary_key=True)
    offset: int = column(BigInteger, primary_key=True, autoincrement=False)
    chunks: bytes = column(LargeBinary)


pack = table(Pack)
pack_pending = table(PackPending)
chunk = table(Chunk)
artifact_pack = table(ArtifactPack)
upload = table(Upload)
upload_part = table(UploadPart)
