from google.protobuf import field_mask_pb2 as _field_mask_pb2
from xpstore.v1 import access_pb2 as _access_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Codec(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CODEC_UNSPECIFIED: _ClassVar[Codec]
    CODEC_NONE: _ClassVar[Codec]
    CODEC_ZSTD: _ClassVar[Codec]

class FileType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FILE_TYPE_UNSPECIFIED: _ClassVar[FileType]
    FILE_TYPE_FILE: _ClassVar[FileType]
    FILE_TYPE_DIRECTORY: _ClassVar[FileType]

class ArtifactProcessPartKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ARTIFACT_PROCESS_PART_KIND_UNSPECIFIED: _ClassVar[ArtifactProcessPartKind]
    ARTIFACT_PROCESS_PART_KIND_PARAMETER: _ClassVar[ArtifactProcessPartKind]
    ARTIFACT_PROCESS_PART_KIND_VERSION: _ClassVar[ArtifactProcessPartKind]
    ARTIFACT_PROCESS_PART_KIND_CODE: _ClassVar[ArtifactProcessPartKind]
    ARTIFACT_PROCESS_PART_KIND_VALUE: _ClassVar[ArtifactProcessPartKind]
    ARTIFACT_PROCESS_PART_KIND_LIBRARY: _ClassVar[ArtifactProcessPartKind]
CODEC_UNSPECIFIED: Codec
CODEC_NONE: Codec
CODEC_ZSTD: Codec
FILE_TYPE_UNSPECIFIED: FileType
FILE_TYPE_FILE: FileType
FILE_TYPE_DIRECTORY: FileType
ARTIFACT_PROCESS_PART_KIND_UNSPECIFIED: ArtifactProcessPartKind
ARTIFACT_PROCESS_PART_KIND_PARAMETER: ArtifactProcessPartKind
ARTIFACT_PROCESS_PART_KIND_VERSION: ArtifactProcessPartKind
ARTIFACT_PROCESS_PART_KIND_CODE: ArtifactProcessPartKind
ARTIFACT_PROCESS_PART_KIND_VALUE: ArtifactProcessPartKind
ARTIFACT_PROCESS_PART_KIND_LIBRARY: ArtifactProcessPartKind

class Chunk(_message.Message):
    __slots__ = ("digest", "codec", "raw_size_bytes", "data")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    RAW_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    digest: bytes
    codec: Codec
    raw_size_bytes: int
    data: bytes
    def __init__(self, digest: _Optional[bytes] = ..., codec: _Optional[_Union[Codec, str]] = ..., raw_size_bytes: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class ManifestRoot(_message.Message):
    __slots__ = ("pages",)
    PAGES_FIELD_NUMBER: _ClassVar[int]
    pages: _containers.RepeatedCompositeFieldContainer[ManifestPageRef]
    def __init__(self, pages: _Optional[_Iterable[_Union[ManifestPageRef, _Mapping]]] = ...) -> None: ...

class ManifestPageRef(_message.Message):
    __slots__ = ("digest", "size_bytes", "first_path", "first_offset")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    FIRST_PATH_FIELD_NUMBER: _ClassVar[int]
    FIRST_OFFSET_FIELD_NUMBER: _ClassVar[int]
    digest: bytes
    size_bytes: int
    first_path: str
    first_offset: int
    def __init__(self, digest: _Optional[bytes] = ..., size_bytes: _Optional[int] = ..., first_path: _Optional[str] = ..., first_offset: _Optional[int] = ...) -> None: ...

class ManifestPage(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[ManifestEntry]
    def __init__(self, entries: _Optional[_Iterable[_Union[ManifestEntry, _Mapping]]] = ...) -> None: ...

class ManifestEntry(_message.Message):
    __slots__ = ("path", "type", "executable", "size_bytes", "digest", "offset", "chunk_digests", "chunk_sizes")
    PATH_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    EXECUTABLE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    CHUNK_DIGESTS_FIELD_NUMBER: _ClassVar[int]
    CHUNK_SIZES_FIELD_NUMBER: _ClassVar[int]
    path: str
    type: FileType
    executable: bool
    size_bytes: int
    digest: bytes
    offset: int
    chunk_digests: bytes
    chunk_sizes: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, path: _Optional[str] = ..., type: _Optional[_Union[FileType, str]] = ..., executable: bool = ..., size_bytes: _Optional[int] = ..., digest: _Optional[bytes] = ..., offset: _Optional[int] = ..., chunk_digests: _Optional[bytes] = ..., chunk_sizes: _Optional[_Iterable[int]] = ...) -> None: ...

class ArtifactLink(_message.Message):
    __slots__ = ("model_id", "iteration_id", "step")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    ITERATION_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    iteration_id: str
    step: int
    def __init__(self, model_id: _Optional[str] = ..., iteration_id: _Optional[str] = ..., step: _Optional[int] = ...) -> None: ...

class Artifact(_message.Message):
    __slots__ = ("id", "project_uid", "name", "type", "latest", "created_at_us", "created_by", "updated_at_us", "updated_by", "etag")
    ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    LATEST_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_US_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_US_FIELD_NUMBER: _ClassVar[int]
    UPDATED_BY_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    id: str
    project_uid: str
    name: str
    type: str
    latest: ArtifactVersion
    created_at_us: int
    created_by: str
    updated_at_us: int
    updated_by: str
    etag: str
    def __init__(self, id: _Optional[str] = ..., project_uid: _Optional[str] = ..., name: _Optional[str] = ..., type: _Optional[str] = ..., latest: _Optional[_Union[ArtifactVersion, _Mapping]] = ..., created_at_us: _Optional[int] = ..., created_by: _Optional[str] = ..., updated_at_us: _Optional[int] = ..., updated_by: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class ArtifactVersion(_message.Message):
    __slots__ = ("id", "artifact_id", "project_uid", "name", "type", "version", "digest", "fingerprint", "size_bytes", "file_count", "description", "metadata_json", "aliases", "links", "used_version_ids", "created_at_us", "created_by", "updated_at_us", "updated_by", "etag", "process", "alias_count", "link_count", "used_version_count", "deleted_at_us")
    ID_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    FILE_COUNT_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    METADATA_JSON_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    LINKS_FIELD_NUMBER: _ClassVar[int]
    USED_VERSION_IDS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_US_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_US_FIELD_NUMBER: _ClassVar[int]
    UPDATED_BY_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    ALIAS_COUNT_FIELD_NUMBER: _ClassVar[int]
    LINK_COUNT_FIELD_NUMBER: _ClassVar[int]
    USED_VERSION_COUNT_FIELD_NUMBER: _ClassVar[int]
    DELETED_AT_US_FIELD_NUMBER: _ClassVar[int]
    id: str
    artifact_id: str
    project_uid: str
    name: str
    type: str
    version: int
    digest: bytes
    fingerprint: str
    size_bytes: int
    file_count: int
    description: str
    metadata_json: str
    aliases: _containers.RepeatedScalarFieldContainer[str]
    links: _containers.RepeatedCompositeFieldContainer[ArtifactLink]
    used_version_ids: _containers.RepeatedScalarFieldContainer[str]
    created_at_us: int
    created_by: str
    updated_at_us: int
    updated_by: str
    etag: str
    process: ArtifactProcess
    alias_count: int
    link_count: int
    used_version_count: int
    deleted_at_us: int
    def __init__(self, id: _Optional[str] = ..., artifact_id: _Optional[str] = ..., project_uid: _Optional[str] = ..., name: _Optional[str] = ..., type: _Optional[str] = ..., version: _Optional[int] = ..., digest: _Optional[bytes] = ..., fingerprint: _Optional[str] = ..., size_bytes: _Optional[int] = ..., file_count: _Optional[int] = ..., description: _Optional[str] = ..., metadata_json: _Optional[str] = ..., aliases: _Optional[_Iterable[str]] = ..., links: _Optional[_Iterable[_Union[ArtifactLink, _Mapping]]] = ..., used_version_ids: _Optional[_Iterable[str]] = ..., created_at_us: _Optional[int] = ..., created_by: _Optional[str] = ..., updated_at_us: _Optional[int] = ..., updated_by: _Optional[str] = ..., etag: _Optional[str] = ..., process: _Optional[_Union[ArtifactProcess, _Mapping]] = ..., alias_count: _Optional[int] = ..., link_count: _Optional[int] = ..., used_version_count: _Optional[int] = ..., deleted_at_us: _Optional[int] = ...) -> None: ...

class ArtifactProcess(_message.Message):
    __slots__ = ("name", "parts")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    parts: _containers.RepeatedCompositeFieldContainer[ArtifactProcessPart]
    def __init__(self, name: _Optional[str] = ..., parts: _Optional[_Iterable[_Union[ArtifactProcessPart, _Mapping]]] = ...) -> None: ...

class ArtifactProcessPart(_message.Message):
    __slots__ = ("kind", "name", "fingerprint", "text")
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    kind: ArtifactProcessPartKind
    name: str
    fingerprint: str
    text: str
    def __init__(self, kind: _Optional[_Union[ArtifactProcessPartKind, str]] = ..., name: _Optional[str] = ..., fingerprint: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class ArtifactDraft(_message.Message):
    __slots__ = ("name", "type", "description", "metadata_json", "aliases", "links", "used_version_ids", "force", "metadata_is_implied", "newest_version_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    METADATA_JSON_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    LINKS_FIELD_NUMBER: _ClassVar[int]
    USED_VERSION_IDS_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    METADATA_IS_IMPLIED_FIELD_NUMBER: _ClassVar[int]
    NEWEST_VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    description: str
    metadata_json: str
    aliases: _containers.RepeatedScalarFieldContainer[str]
    links: _containers.RepeatedCompositeFieldContainer[ArtifactLink]
    used_version_ids: _containers.RepeatedScalarFieldContainer[str]
    force: bool
    metadata_is_implied: bool
    newest_version_id: str
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., description: _Optional[str] = ..., metadata_json: _Optional[str] = ..., aliases: _Optional[_Iterable[str]] = ..., links: _Optional[_Iterable[_Union[ArtifactLink, _Mapping]]] = ..., used_version_ids: _Optional[_Iterable[str]] = ..., force: bool = ..., metadata_is_implied: bool = ..., newest_version_id: _Optional[str] = ...) -> None: ...

class ArtifactName(_message.Message):
    __slots__ = ("project_id", "name", "version", "alias")
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    project_id: str
    name: str
    version: int
    alias: str
    def __init__(self, project_id: _Optional[str] = ..., name: _Optional[str] = ..., version: _Optional[int] = ..., alias: _Optional[str] = ...) -> None: ...

class FindMissingChunksRequest(_message.Message):
    __slots__ = ("project_uid", "digests")
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    project_uid: str
    digests: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, project_uid: _Optional[str] = ..., digests: _Optional[_Iterable[bytes]] = ...) -> None: ...

class FindMissingChunksResponse(_message.Message):
    __slots__ = ("missing_positions",)
    MISSING_POSITIONS_FIELD_NUMBER: _ClassVar[int]
    missing_positions: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, missing_positions: _Optional[_Iterable[int]] = ...) -> None: ...

class UploadChunksRequest(_message.Message):
    __slots__ = ("project_uid", "chunks")
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    project_uid: str
    chunks: _containers.RepeatedCompositeFieldContainer[Chunk]
    def __init__(self, project_uid: _Optional[str] = ..., chunks: _Optional[_Iterable[_Union[Chunk, _Mapping]]] = ...) -> None: ...

class UploadChunksResponse(_message.Message):
    __slots__ = ("stored_chunks", "stored_bytes")
    STORED_CHUNKS_FIELD_NUMBER: _ClassVar[int]
    STORED_BYTES_FIELD_NUMBER: _ClassVar[int]
    stored_chunks: int
    stored_bytes: int
    def __init__(self, stored_chunks: _Optional[int] = ..., stored_bytes: _Optional[int] = ...) -> None: ...

class CommitArtifactRequest(_message.Message):
    __slots__ = ("project_uid", "version_id", "draft", "manifest", "cache_completion")
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    CACHE_COMPLETION_FIELD_NUMBER: _ClassVar[int]
    project_uid: str
    version_id: str
    draft: ArtifactDraft
    manifest: ManifestRoot
    cache_completion: CacheCompletion
    def __init__(self, project_uid: _Optional[str] = ..., version_id: _Optional[str] = ..., draft: _Optional[_Union[ArtifactDraft, _Mapping]] = ..., manifest: _Optional[_Union[ManifestRoot, _Mapping]] = ..., cache_completion: _Optional[_Union[CacheCompletion, _Mapping]] = ...) -> None: ...

class CacheCompletion(_message.Message):
    __slots__ = ("token", "fingerprint", "process", "duration_us", "ttl_us", "fingerprint_format")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    DURATION_US_FIELD_NUMBER: _ClassVar[int]
    TTL_US_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FORMAT_FIELD_NUMBER: _ClassVar[int]
    token: bytes
    fingerprint: str
    process: ArtifactProcess
    duration_us: int
    ttl_us: int
    fingerprint_format: int
    def __init__(self, token: _Optional[bytes] = ..., fingerprint: _Optional[str] = ..., process: _Optional[_Union[ArtifactProcess, _Mapping]] = ..., duration_us: _Optional[int] = ..., ttl_us: _Optional[int] = ..., fingerprint_format: _Optional[int] = ...) -> None: ...

class CommitArtifactResponse(_message.Message):
    __slots__ = ("version", "created", "missing_digests")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    MISSING_DIGESTS_FIELD_NUMBER: _ClassVar[int]
    version: ArtifactVersion
    created: bool
    missing_digests: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, version: _Optional[_Union[ArtifactVersion, _Mapping]] = ..., created: bool = ..., missing_digests: _Optional[_Iterable[bytes]] = ...) -> None: ...

class UploadFileHeader(_message.Message):
    __slots__ = ("upload_id", "project_uid", "draft", "path", "size_bytes", "blake3", "sha256", "offset")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    BLAKE3_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    project_uid: str
    draft: ArtifactDraft
    path: str
    size_bytes: int
    blake3: bytes
    sha256: bytes
    offset: int
    def __init__(self, upload_id: _Optional[str] = ..., project_uid: _Optional[str] = ..., draft: _Optional[_Union[ArtifactDraft, _Mapping]] = ..., path: _Optional[str] = ..., size_bytes: _Optional[int] = ..., blake3: _Optional[bytes] = ..., sha256: _Optional[bytes] = ..., offset: _Optional[int] = ...) -> None: ...

class UploadFileRequest(_message.Message):
    __slots__ = ("header", "data", "finish")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    FINISH_FIELD_NUMBER: _ClassVar[int]
    header: UploadFileHeader
    data: bytes
    finish: bool
    def __init__(self, header: _Optional[_Union[UploadFileHeader, _Mapping]] = ..., data: _Optional[bytes] = ..., finish: bool = ...) -> None: ...

class UploadFileResponse(_message.Message):
    __slots__ = ("version", "created")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    version: ArtifactVersion
    created: bool
    def __init__(self, version: _Optional[_Union[ArtifactVersion, _Mapping]] = ..., created: bool = ...) -> None: ...

class GetUploadRequest(_message.Message):
    __slots__ = ("upload_id",)
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    def __init__(self, upload_id: _Optional[str] = ...) -> None: ...

class GetUploadResponse(_message.Message):
    __slots__ = ("offset", "version", "expires_at_us")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_US_FIELD_NUMBER: _ClassVar[int]
    offset: int
    version: ArtifactVersion
    expires_at_us: int
    def __init__(self, offset: _Optional[int] = ..., version: _Optional[_Union[ArtifactVersion, _Mapping]] = ..., expires_at_us: _Optional[int] = ...) -> None: ...

class ReadFileRequest(_message.Message):
    __slots__ = ("version_id", "artifact_name", "path", "offset", "length")
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_NAME_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    version_id: str
    artifact_name: ArtifactName
    path: str
    offset: int
    length: int
    def __init__(self, version_id: _Optional[str] = ..., artifact_name: _Optional[_Union[ArtifactName, _Mapping]] = ..., path: _Optional[str] = ..., offset: _Optional[int] = ..., length: _Optional[int] = ...) -> None: ...

class ReadFileHeader(_message.Message):
    __slots__ = ("version_id", "path", "size_bytes", "digest", "offset", "length")
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    version_id: str
    path: str
    size_bytes: int
    digest: bytes
    offset: int
    length: int
    def __init__(self, version_id: _Optional[str] = ..., path: _Optional[str] = ..., size_bytes: _Optional[int] = ..., digest: _Optional[bytes] = ..., offset: _Optional[int] = ..., length: _Optional[int] = ...) -> None: ...

class ReadFileResponse(_message.Message):
    __slots__ = ("header", "data")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    header: ReadFileHeader
    data: bytes
    def __init__(self, header: _Optional[_Union[ReadFileHeader, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class ReadManifestRequest(_message.Message):
    __slots__ = ("version_id", "path_prefix")
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    PATH_PREFIX_FIELD_NUMBER: _ClassVar[int]
    version_id: str
    path_prefix: str
    def __init__(self, version_id: _Optional[str] = ..., path_prefix: _Optional[str] = ...) -> None: ...

class ReadManifestResponse(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[ManifestEntry]
    def __init__(self, entries: _Optional[_Iterable[_Union[ManifestEntry, _Mapping]]] = ...) -> None: ...

class ReadChunksRequest(_message.Message):
    __slots__ = ("version_id", "digests")
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    version_id: str
    digests: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, version_id: _Optional[str] = ..., digests: _Optional[_Iterable[bytes]] = ...) -> None: ...

class ReadChunksResponse(_message.Message):
    __slots__ = ("chunks",)
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    chunks: _containers.RepeatedCompositeFieldContainer[Chunk]
    def __init__(self, chunks: _Optional[_Iterable[_Union[Chunk, _Mapping]]] = ...) -> None: ...

class ArtifactFile(_message.Message):
    __slots__ = ("path", "type", "executable", "size_bytes", "digest")
    PATH_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    EXECUTABLE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    path: str
    type: FileType
    executable: bool
    size_bytes: int
    digest: bytes
    def __init__(self, path: _Optional[str] = ..., type: _Optional[_Union[FileType, str]] = ..., executable: bool = ..., size_bytes: _Optional[int] = ..., digest: _Optional[bytes] = ...) -> None: ...

class ListArtifactFilesRequest(_message.Message):
    __slots__ = ("version_id", "path_prefix", "page_size", "page_token")
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    PATH_PREFIX_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    version_id: str
    path_prefix: str
    page_size: int
    page_token: str
    def __init__(self, version_id: _Optional[str] = ..., path_prefix: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListArtifactFilesResponse(_message.Message):
    __slots__ = ("files", "next_page_token")
    FILES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedCompositeFieldContainer[ArtifactFile]
    next_page_token: str
    def __init__(self, files: _Optional[_Iterable[_Union[ArtifactFile, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetArtifactVersionRequest(_message.Message):
    __slots__ = ("version_id", "artifact_name")
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_NAME_FIELD_NUMBER: _ClassVar[int]
    version_id: str
    artifact_name: ArtifactName
    def __init__(self, version_id: _Optional[str] = ..., artifact_name: _Optional[_Union[ArtifactName, _Mapping]] = ...) -> None: ...

class GetArtifactVersionResponse(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: ArtifactVersion
    def __init__(self, version: _Optional[_Union[ArtifactVersion, _Mapping]] = ...) -> None: ...

class ListArtifactVersionsRequest(_message.Message):
    __slots__ = ("project_uid", "name", "type", "model_id", "iteration_id", "step", "descending", "page_size", "page_token", "version", "alias", "deleted")
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    ITERATION_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    DESCENDING_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    project_uid: str
    name: str
    type: str
    model_id: str
    iteration_id: str
    step: int
    descending: bool
    page_size: int
    page_token: str
    version: int
    alias: str
    deleted: bool
    def __init__(self, project_uid: _Optional[str] = ..., name: _Optional[str] = ..., type: _Optional[str] = ..., model_id: _Optional[str] = ..., iteration_id: _Optional[str] = ..., step: _Optional[int] = ..., descending: bool = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., version: _Optional[int] = ..., alias: _Optional[str] = ..., deleted: bool = ...) -> None: ...

class ListArtifactVersionsResponse(_message.Message):
    __slots__ = ("versions", "next_page_token")
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[ArtifactVersion]
    next_page_token: str
    def __init__(self, versions: _Optional[_Iterable[_Union[ArtifactVersion, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateArtifactVersionRequest(_message.Message):
    __slots__ = ("version_id", "description", "metadata_json", "update_mask", "etag")
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    METADATA_JSON_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    version_id: str
    description: str
    metadata_json: str
    update_mask: _field_mask_pb2.FieldMask
    etag: str
    def __init__(self, version_id: _Optional[str] = ..., description: _Optional[str] = ..., metadata_json: _Optional[str] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class UpdateArtifactVersionResponse(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: ArtifactVersion
    def __init__(self, version: _Optional[_Union[ArtifactVersion, _Mapping]] = ...) -> None: ...

class DeleteArtifactVersionRequest(_message.Message):
    __slots__ = ("version_id",)
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    version_id: str
    def __init__(self, version_id: _Optional[str] = ...) -> None: ...

class DeleteArtifactVersionResponse(_message.Message):
    __slots__ = ("deleted",)
    DELETED_FIELD_NUMBER: _ClassVar[int]
    deleted: bool
    def __init__(self, deleted: bool = ...) -> None: ...

class UndeleteArtifactVersionRequest(_message.Message):
    __slots__ = ("version_id",)
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    version_id: str
    def __init__(self, version_id: _Optional[str] = ...) -> None: ...

class UndeleteArtifactVersionResponse(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: ArtifactVersion
    def __init__(self, version: _Optional[_Union[ArtifactVersion, _Mapping]] = ...) -> None: ...

class GetArtifactRequest(_message.Message):
    __slots__ = ("artifact_id", "artifact_name")
    ARTIFACT_ID_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_NAME_FIELD_NUMBER: _ClassVar[int]
    artifact_id: str
    artifact_name: ArtifactName
    def __init__(self, artifact_id: _Optional[str] = ..., artifact_name: _Optional[_Union[ArtifactName, _Mapping]] = ...) -> None: ...

class GetArtifactResponse(_message.Message):
    __slots__ = ("artifact",)
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    artifact: Artifact
    def __init__(self, artifact: _Optional[_Union[Artifact, _Mapping]] = ...) -> None: ...

class ListArtifactsRequest(_message.Message):
    __slots__ = ("project_uid", "type", "page_size", "page_token")
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    project_uid: str
    type: str
    page_size: int
    page_token: str
    def __init__(self, project_uid: _Optional[str] = ..., type: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListArtifactsResponse(_message.Message):
    __slots__ = ("artifacts", "next_page_token")
    ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    artifacts: _containers.RepeatedCompositeFieldContainer[Artifact]
    next_page_token: str
    def __init__(self, artifacts: _Optional[_Iterable[_Union[Artifact, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateArtifactRequest(_message.Message):
    __slots__ = ("artifact_id", "name", "update_mask", "etag")
    ARTIFACT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    artifact_id: str
    name: str
    update_mask: _field_mask_pb2.FieldMask
    etag: str
    def __init__(self, artifact_id: _Optional[str] = ..., name: _Optional[str] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class UpdateArtifactResponse(_message.Message):
    __slots__ = ("artifact",)
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    artifact: Artifact
    def __init__(self, artifact: _Optional[_Union[Artifact, _Mapping]] = ...) -> None: ...

class DeleteArtifactRequest(_message.Message):
    __slots__ = ("artifact_id",)
    ARTIFACT_ID_FIELD_NUMBER: _ClassVar[int]
    artifact_id: str
    def __init__(self, artifact_id: _Optional[str] = ...) -> None: ...

class DeleteArtifactResponse(_message.Message):
    __slots__ = ("deleted_count",)
    DELETED_COUNT_FIELD_NUMBER: _ClassVar[int]
    deleted_count: int
    def __init__(self, deleted_count: _Optional[int] = ...) -> None: ...

class SetArtifactAliasRequest(_message.Message):
    __slots__ = ("version_id", "alias")
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    version_id: str
    alias: str
    def __init__(self, version_id: _Optional[str] = ..., alias: _Optional[str] = ...) -> None: ...

class SetArtifactAliasResponse(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: ArtifactVersion
    def __init__(self, version: _Optional[_Union[ArtifactVersion, _Mapping]] = ...) -> None: ...

class DeleteArtifactAliasRequest(_message.Message):
    __slots__ = ("project_uid", "name", "alias")
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    project_uid: str
    name: str
    alias: str
    def __init__(self, project_uid: _Optional[str] = ..., name: _Optional[str] = ..., alias: _Optional[str] = ...) -> None: ...

class DeleteArtifactAliasResponse(_message.Message):
    __slots__ = ("deleted",)
    DELETED_FIELD_NUMBER: _ClassVar[int]
    deleted: bool
    def __init__(self, deleted: bool = ...) -> None: ...

class LinkArtifactVersionRequest(_message.Message):
    __slots__ = ("version_id", "link")
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    LINK_FIELD_NUMBER: _ClassVar[int]
    version_id: str
    link: ArtifactLink
    def __init__(self, version_id: _Optional[str] = ..., link: _Optional[_Union[ArtifactLink, _Mapping]] = ...) -> None: ...

class LinkArtifactVersionResponse(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: ArtifactVersion
    def __init__(self, version: _Optional[_Union[ArtifactVersion, _Mapping]] = ...) -> None: ...

class UnlinkArtifactVersionRequest(_message.Message):
    __slots__ = ("version_id", "model_id", "iteration_id")
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    ITERATION_ID_FIELD_NUMBER: _ClassVar[int]
    version_id: str
    model_id: str
    iteration_id: str
    def __init__(self, version_id: _Optional[str] = ..., model_id: _Optional[str] = ..., iteration_id: _Optional[str] = ...) -> None: ...

class UnlinkArtifactVersionResponse(_message.Message):
    __slots__ = ("removed_count",)
    REMOVED_COUNT_FIELD_NUMBER: _ClassVar[int]
    removed_count: int
    def __init__(self, removed_count: _Optional[int] = ...) -> None: ...

class ArtifactAlias(_message.Message):
    __slots__ = ("alias", "version_id", "version")
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    alias: str
    version_id: str
    version: int
    def __init__(self, alias: _Optional[str] = ..., version_id: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class ListArtifactAliasesRequest(_message.Message):
    __slots__ = ("artifact_id", "page_size", "page_token")
    ARTIFACT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    artifact_id: str
    page_size: int
    page_token: str
    def __init__(self, artifact_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListArtifactAliasesResponse(_message.Message):
    __slots__ = ("aliases", "next_page_token")
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    aliases: _containers.RepeatedCompositeFieldContainer[ArtifactAlias]
    next_page_token: str
    def __init__(self, aliases: _Optional[_Iterable[_Union[ArtifactAlias, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListArtifactLinksRequest(_message.Message):
    __slots__ = ("version_id", "page_size", "page_token")
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    version_id: str
    page_size: int
    page_token: str
    def __init__(self, version_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListArtifactLinksResponse(_message.Message):
    __slots__ = ("links", "next_page_token")
    LINKS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    links: _containers.RepeatedCompositeFieldContainer[ArtifactLink]
    next_page_token: str
    def __init__(self, links: _Optional[_Iterable[_Union[ArtifactLink, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ArtifactVersionRef(_message.Message):
    __slots__ = ("version_id", "name", "type", "version")
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version_id: str
    name: str
    type: str
    version: int
    def __init__(self, version_id: _Optional[str] = ..., name: _Optional[str] = ..., type: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class ListArtifactLineageRequest(_message.Message):
    __slots__ = ("version_id", "users", "page_size", "page_token")
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    version_id: str
    users: bool
    page_size: int
    page_token: str
    def __init__(self, version_id: _Optional[str] = ..., users: bool = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListArtifactLineageResponse(_message.Message):
    __slots__ = ("versions", "next_page_token")
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[ArtifactVersionRef]
    next_page_token: str
    def __init__(self, versions: _Optional[_Iterable[_Union[ArtifactVersionRef, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
