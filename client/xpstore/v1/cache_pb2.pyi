from xpstore.v1 import access_pb2 as _access_pb2
from xpstore.v1 import artifact_pb2 as _artifact_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CacheVerification(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CACHE_VERIFICATION_UNSPECIFIED: _ClassVar[CacheVerification]
    CACHE_VERIFICATION_SAME: _ClassVar[CacheVerification]
    CACHE_VERIFICATION_EQUAL: _ClassVar[CacheVerification]
    CACHE_VERIFICATION_DIFFERENT: _ClassVar[CacheVerification]
    CACHE_VERIFICATION_UNSTABLE: _ClassVar[CacheVerification]
    CACHE_VERIFICATION_FAILED: _ClassVar[CacheVerification]

class CacheState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CACHE_STATE_UNSPECIFIED: _ClassVar[CacheState]
    CACHE_STATE_HIT: _ClassVar[CacheState]
    CACHE_STATE_ABSENT: _ClassVar[CacheState]
    CACHE_STATE_EXPIRED: _ClassVar[CacheState]
    CACHE_STATE_DELETED: _ClassVar[CacheState]
    CACHE_STATE_RUNNING: _ClassVar[CacheState]
CACHE_VERIFICATION_UNSPECIFIED: CacheVerification
CACHE_VERIFICATION_SAME: CacheVerification
CACHE_VERIFICATION_EQUAL: CacheVerification
CACHE_VERIFICATION_DIFFERENT: CacheVerification
CACHE_VERIFICATION_UNSTABLE: CacheVerification
CACHE_VERIFICATION_FAILED: CacheVerification
CACHE_STATE_UNSPECIFIED: CacheState
CACHE_STATE_HIT: CacheState
CACHE_STATE_ABSENT: CacheState
CACHE_STATE_EXPIRED: CacheState
CACHE_STATE_DELETED: CacheState
CACHE_STATE_RUNNING: CacheState

class CacheEntry(_message.Message):
    __slots__ = ("fingerprint", "version", "completed_at_us", "completed_by", "duration_us", "expires_at_us", "hits", "last_hit_at_us", "fingerprint_format")
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_AT_US_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_BY_FIELD_NUMBER: _ClassVar[int]
    DURATION_US_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_US_FIELD_NUMBER: _ClassVar[int]
    HITS_FIELD_NUMBER: _ClassVar[int]
    LAST_HIT_AT_US_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FORMAT_FIELD_NUMBER: _ClassVar[int]
    fingerprint: str
    version: _artifact_pb2.ArtifactVersion
    completed_at_us: int
    completed_by: str
    duration_us: int
    expires_at_us: int
    hits: int
    last_hit_at_us: int
    fingerprint_format: int
    def __init__(self, fingerprint: _Optional[str] = ..., version: _Optional[_Union[_artifact_pb2.ArtifactVersion, _Mapping]] = ..., completed_at_us: _Optional[int] = ..., completed_by: _Optional[str] = ..., duration_us: _Optional[int] = ..., expires_at_us: _Optional[int] = ..., hits: _Optional[int] = ..., last_hit_at_us: _Optional[int] = ..., fingerprint_format: _Optional[int] = ...) -> None: ...

class CacheHit(_message.Message):
    __slots__ = ("position", "version_id", "digest", "size_bytes", "duration_us")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DURATION_US_FIELD_NUMBER: _ClassVar[int]
    position: int
    version_id: str
    digest: bytes
    size_bytes: int
    duration_us: int
    def __init__(self, position: _Optional[int] = ..., version_id: _Optional[str] = ..., digest: _Optional[bytes] = ..., size_bytes: _Optional[int] = ..., duration_us: _Optional[int] = ...) -> None: ...

class CacheFailure(_message.Message):
    __slots__ = ("error", "failed_at_us")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    FAILED_AT_US_FIELD_NUMBER: _ClassVar[int]
    error: str
    failed_at_us: int
    def __init__(self, error: _Optional[str] = ..., failed_at_us: _Optional[int] = ...) -> None: ...

class CacheLease(_message.Message):
    __slots__ = ("id", "holder", "held_by", "acquired_at_us", "expires_at_us")
    ID_FIELD_NUMBER: _ClassVar[int]
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    HELD_BY_FIELD_NUMBER: _ClassVar[int]
    ACQUIRED_AT_US_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_US_FIELD_NUMBER: _ClassVar[int]
    id: str
    holder: str
    held_by: str
    acquired_at_us: int
    expires_at_us: int
    def __init__(self, id: _Optional[str] = ..., holder: _Optional[str] = ..., held_by: _Optional[str] = ..., acquired_at_us: _Optional[int] = ..., expires_at_us: _Optional[int] = ...) -> None: ...

class LookupCacheEntryRequest(_message.Message):
    __slots__ = ("project_uid", "fingerprint", "max_age_us")
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_US_FIELD_NUMBER: _ClassVar[int]
    project_uid: str
    fingerprint: str
    max_age_us: int
    def __init__(self, project_uid: _Optional[str] = ..., fingerprint: _Optional[str] = ..., max_age_us: _Optional[int] = ...) -> None: ...

class LookupCacheEntryResponse(_message.Message):
    __slots__ = ("entry",)
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    entry: CacheEntry
    def __init__(self, entry: _Optional[_Union[CacheEntry, _Mapping]] = ...) -> None: ...

class LookupCacheEntriesRequest(_message.Message):
    __slots__ = ("project_uid", "fingerprints", "max_age_us")
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINTS_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_US_FIELD_NUMBER: _ClassVar[int]
    project_uid: str
    fingerprints: _containers.RepeatedScalarFieldContainer[str]
    max_age_us: int
    def __init__(self, project_uid: _Optional[str] = ..., fingerprints: _Optional[_Iterable[str]] = ..., max_age_us: _Optional[int] = ...) -> None: ...

class LookupCacheEntriesResponse(_message.Message):
    __slots__ = ("hits",)
    HITS_FIELD_NUMBER: _ClassVar[int]
    hits: _containers.RepeatedCompositeFieldContainer[CacheHit]
    def __init__(self, hits: _Optional[_Iterable[_Union[CacheHit, _Mapping]]] = ...) -> None: ...

class ReserveCacheEntryRequest(_message.Message):
    __slots__ = ("project_uid", "fingerprint", "token", "holder", "max_age_us", "force")
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_US_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    project_uid: str
    fingerprint: str
    token: bytes
    holder: str
    max_age_us: int
    force: bool
    def __init__(self, project_uid: _Optional[str] = ..., fingerprint: _Optional[str] = ..., token: _Optional[bytes] = ..., holder: _Optional[str] = ..., max_age_us: _Optional[int] = ..., force: bool = ...) -> None: ...

class ReserveCacheEntryResponse(_message.Message):
    __slots__ = ("entry", "granted", "busy", "renew_every_us")
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    GRANTED_FIELD_NUMBER: _ClassVar[int]
    BUSY_FIELD_NUMBER: _ClassVar[int]
    RENEW_EVERY_US_FIELD_NUMBER: _ClassVar[int]
    entry: CacheEntry
    granted: CacheLease
    busy: CacheLease
    renew_every_us: int
    def __init__(self, entry: _Optional[_Union[CacheEntry, _Mapping]] = ..., granted: _Optional[_Union[CacheLease, _Mapping]] = ..., busy: _Optional[_Union[CacheLease, _Mapping]] = ..., renew_every_us: _Optional[int] = ...) -> None: ...

class RenewCacheLeasesRequest(_message.Message):
    __slots__ = ("tokens",)
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    tokens: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, tokens: _Optional[_Iterable[bytes]] = ...) -> None: ...

class RenewCacheLeasesResponse(_message.Message):
    __slots__ = ("lost_positions",)
    LOST_POSITIONS_FIELD_NUMBER: _ClassVar[int]
    lost_positions: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, lost_positions: _Optional[_Iterable[int]] = ...) -> None: ...

class WaitForCacheEntryRequest(_message.Message):
    __slots__ = ("project_uid", "fingerprint", "lease_id", "timeout_us", "held_tokens")
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    LEASE_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_US_FIELD_NUMBER: _ClassVar[int]
    HELD_TOKENS_FIELD_NUMBER: _ClassVar[int]
    project_uid: str
    fingerprint: str
    lease_id: str
    timeout_us: int
    held_tokens: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, project_uid: _Optional[str] = ..., fingerprint: _Optional[str] = ..., lease_id: _Optional[str] = ..., timeout_us: _Optional[int] = ..., held_tokens: _Optional[_Iterable[bytes]] = ...) -> None: ...

class WaitForCacheEntryResponse(_message.Message):
    __slots__ = ("entry", "failure", "vacant", "running", "deadlock")
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    VACANT_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    DEADLOCK_FIELD_NUMBER: _ClassVar[int]
    entry: CacheEntry
    failure: CacheFailure
    vacant: CacheVacancy
    running: CacheLease
    deadlock: CacheDeadlock
    def __init__(self, entry: _Optional[_Union[CacheEntry, _Mapping]] = ..., failure: _Optional[_Union[CacheFailure, _Mapping]] = ..., vacant: _Optional[_Union[CacheVacancy, _Mapping]] = ..., running: _Optional[_Union[CacheLease, _Mapping]] = ..., deadlock: _Optional[_Union[CacheDeadlock, _Mapping]] = ...) -> None: ...

class CacheVacancy(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CacheDeadlock(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FailCacheLeaseRequest(_message.Message):
    __slots__ = ("token", "error")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    token: bytes
    error: str
    def __init__(self, token: _Optional[bytes] = ..., error: _Optional[str] = ...) -> None: ...

class FailCacheLeaseResponse(_message.Message):
    __slots__ = ("ended",)
    ENDED_FIELD_NUMBER: _ClassVar[int]
    ended: bool
    def __init__(self, ended: bool = ...) -> None: ...

class ReleaseCacheLeaseRequest(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: bytes
    def __init__(self, token: _Optional[bytes] = ...) -> None: ...

class ReleaseCacheLeaseResponse(_message.Message):
    __slots__ = ("ended",)
    ENDED_FIELD_NUMBER: _ClassVar[int]
    ended: bool
    def __init__(self, ended: bool = ...) -> None: ...

class ReportCacheVerificationRequest(_message.Message):
    __slots__ = ("id", "project_uid", "fingerprint", "outcome")
    ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    id: str
    project_uid: str
    fingerprint: str
    outcome: CacheVerification
    def __init__(self, id: _Optional[str] = ..., project_uid: _Optional[str] = ..., fingerprint: _Optional[str] = ..., outcome: _Optional[_Union[CacheVerification, str]] = ...) -> None: ...

class ReportCacheVerificationResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class InvalidateCacheEntriesRequest(_message.Message):
    __slots__ = ("project_uid", "fingerprint", "process_name", "all", "outdated", "delete_artifacts")
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    PROCESS_NAME_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    OUTDATED_FIELD_NUMBER: _ClassVar[int]
    DELETE_ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    project_uid: str
    fingerprint: str
    process_name: str
    all: bool
    outdated: bool
    delete_artifacts: bool
    def __init__(self, project_uid: _Optional[str] = ..., fingerprint: _Optional[str] = ..., process_name: _Optional[str] = ..., all: bool = ..., outdated: bool = ..., delete_artifacts: bool = ...) -> None: ...

class InvalidateCacheEntriesResponse(_message.Message):
    __slots__ = ("removed_count", "deleted_version_count")
    REMOVED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DELETED_VERSION_COUNT_FIELD_NUMBER: _ClassVar[int]
    removed_count: int
    deleted_version_count: int
    def __init__(self, removed_count: _Optional[int] = ..., deleted_version_count: _Optional[int] = ...) -> None: ...

class ListCacheEntriesRequest(_message.Message):
    __slots__ = ("project_uid", "process_name", "page_size", "page_token")
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    PROCESS_NAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    project_uid: str
    process_name: str
    page_size: int
    page_token: str
    def __init__(self, project_uid: _Optional[str] = ..., process_name: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCacheEntriesResponse(_message.Message):
    __slots__ = ("entries", "next_page_token")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[CacheEntry]
    next_page_token: str
    def __init__(self, entries: _Optional[_Iterable[_Union[CacheEntry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ExplainCacheEntryRequest(_message.Message):
    __slots__ = ("project_uid", "fingerprint", "process", "max_age_us")
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_US_FIELD_NUMBER: _ClassVar[int]
    project_uid: str
    fingerprint: str
    process: _artifact_pb2.ArtifactProcess
    max_age_us: int
    def __init__(self, project_uid: _Optional[str] = ..., fingerprint: _Optional[str] = ..., process: _Optional[_Union[_artifact_pb2.ArtifactProcess, _Mapping]] = ..., max_age_us: _Optional[int] = ...) -> None: ...

class CacheDifference(_message.Message):
    __slots__ = ("asked", "known")
    ASKED_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    asked: _artifact_pb2.ArtifactProcessPart
    known: _artifact_pb2.ArtifactProcessPart
    def __init__(self, asked: _Optional[_Union[_artifact_pb2.ArtifactProcessPart, _Mapping]] = ..., known: _Optional[_Union[_artifact_pb2.ArtifactProcessPart, _Mapping]] = ...) -> None: ...

class ExplainCacheEntryResponse(_message.Message):
    __slots__ = ("state", "entry", "lease", "nearest", "differences")
    STATE_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    NEAREST_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    state: CacheState
    entry: CacheEntry
    lease: CacheLease
    nearest: CacheEntry
    differences: _containers.RepeatedCompositeFieldContainer[CacheDifference]
    def __init__(self, state: _Optional[_Union[CacheState, str]] = ..., entry: _Optional[_Union[CacheEntry, _Mapping]] = ..., lease: _Optional[_Union[CacheLease, _Mapping]] = ..., nearest: _Optional[_Union[CacheEntry, _Mapping]] = ..., differences: _Optional[_Iterable[_Union[CacheDifference, _Mapping]]] = ...) -> None: ...

class GetCacheStatisticsRequest(_message.Message):
    __slots__ = ("project_uid",)
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    project_uid: str
    def __init__(self, project_uid: _Optional[str] = ...) -> None: ...

class GetCacheStatisticsResponse(_message.Message):
    __slots__ = ("entry_count", "hits", "saved_us", "size_bytes", "outdated_count", "outdated_size_bytes", "verifications")
    ENTRY_COUNT_FIELD_NUMBER: _ClassVar[int]
    HITS_FIELD_NUMBER: _ClassVar[int]
    SAVED_US_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    OUTDATED_COUNT_FIELD_NUMBER: _ClassVar[int]
    OUTDATED_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    VERIFICATIONS_FIELD_NUMBER: _ClassVar[int]
    entry_count: int
    hits: int
    saved_us: int
    size_bytes: int
    outdated_count: int
    outdated_size_bytes: int
    verifications: _containers.RepeatedCompositeFieldContainer[CacheVerificationCount]
    def __init__(self, entry_count: _Optional[int] = ..., hits: _Optional[int] = ..., saved_us: _Optional[int] = ..., size_bytes: _Optional[int] = ..., outdated_count: _Optional[int] = ..., outdated_size_bytes: _Optional[int] = ..., verifications: _Optional[_Iterable[_Union[CacheVerificationCount, _Mapping]]] = ...) -> None: ...

class CacheVerificationCount(_message.Message):
    __slots__ = ("outcome", "count")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    outcome: CacheVerification
    count: int
    def __init__(self, outcome: _Optional[_Union[CacheVerification, str]] = ..., count: _Optional[int] = ...) -> None: ...
