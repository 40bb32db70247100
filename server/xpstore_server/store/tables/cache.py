"""The cache: entries, sums over them, leases of those who compute, and reports of those who computed again."""

from sqlalchemy import BigInteger, Double, Index, Integer, text
from sqlmodel import SQLModel

from xpstore_server.store.tables.declare import TEXT, UUID, column, partial_index, reference, table


class CacheEntry(SQLModel, table=True):
    """Which version a process made of its parameters. Goes with the version, so an entry never outlives its bytes."""

    __tablename__ = "cache_entry"
    project_uid: str = reference("project.uid", primary_key=True)
    fingerprint: str = column(TEXT, primary_key=True)
    version_id: str = reference("artifact_version.id", index=True)
    lease_id: str = column(UUID)  # under which it was completed: whoever waited for that lease gets this entry
    process_name: str = column(TEXT)
    completed_at_us: int = column(BigInteger)
    completed_by: str = column(TEXT)
    duration_us: int = column(BigInteger)
    expires_at_us: int | None = column(BigInteger, null=True)
    hits: int = column(BigInteger)
    last_hit_at_us: int | None = column(BigInteger, null=True)
    fingerprint_format: int = column(Integer, server_default=text("1"))
    __table_args__ = (
        Index("ix_cache_entry_completed", "project_uid", "completed_at_us", "fingerprint"),
        Index("ix_cache_entry_process", "project_uid", "process_name", "completed_at_us", "fingerprint"),
        partial_index("ix_cache_entry_expires", "expires_at_us", where="expires_at_us IS NOT NULL"),
    )


class CacheLease(SQLModel, table=True):
    """The right to compute an entry; failed ones stay for an hour, for those who wait.

    The id is made of the holder's token, which is not stored.
    """

    __tablename__ = "cache_lease"
    id: str = column(UUID, primary_key=True)
    project_uid: str = reference("project.uid")
    fingerprint: str = column(TEXT)
    holder: str = column(TEXT)
    held_by: str = column(TEXT)
    acquired_at_us: int = column(BigInteger)
    expires_at_us: int = column(BigInteger, index=True)
    waits_for: str | None = column(UUID, null=True)  # the lease that its holder waits for at this moment
    failed_at_us: int | None = column(BigInteger, null=True)
    error: str | None = column(TEXT, null=True)
    __table_args__ = (
        partial_index(
            "uq_cache_lease_running", "project_uid", "fingerprint", where="failed_at_us IS NULL", unique=True
        ),
        Index("ix_cache_lease_project_uid", "project_uid"),
        partial_index("ix_cache_lease_waits_for", "id", where="waits_for IS NOT NULL"),
    )


class CacheVerification(SQLModel, table=True):
    """What came out when a hit was computed again, for 90 days."""

    __tablename__ = "cache_verification"
    id: str = column(UUID, primary_key=True)
    project_uid: str = reference("project.uid")
    outcome: str = column(TEXT)
    at_us: int = column(BigInteger, index=True)
    __table_args__ = (Index("ix_cache_verification_project", "project_uid", "at_us", "outcome"),)


class CacheTotal(SQLModel, table=True):
    """Sums over the entries of a project whose versions are live, kept by triggers (migration 0009).

    In 16 parts, by the first digit of the fingerprint: those who complete entries at once seldom wait for each other.
    """

    __tablename__ = "cache_total"
    project_uid: str = reference("project.uid", primary_key=True)
    part: int = column(Integer, primary_key=True, autoincrement=False)
    fingerprint_format: int = column(Integer, primary_key=True, autoincrement=False)
    entries: int = column(BigInteger)
    hits: int = column(BigInteger)
    saved_us: float = column(Double)  # a sum of products of what clients say may be more than an integer holds
    size_bytes: int = column(BigInteger)


cache_entry = table(CacheEntry)
cache_total = table(CacheTotal)
cache_lease = table(CacheLease)
cache_verification = table(CacheVerification)
