from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetLimitsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetLimitsResponse(_message.Message):
    __slots__ = ("limits",)
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    limits: Limits
    def __init__(self, limits: _Optional[_Union[Limits, _Mapping]] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("server_version", "max_message_bytes", "max_chunk_bytes", "max_stream_bytes", "max_digests", "max_manifest_page_bytes", "max_manifest_root_bytes", "max_path_bytes", "max_name_length", "max_text_length", "max_json_bytes", "default_page_size", "max_page_size", "max_points", "chunking", "max_links", "max_aliases", "max_used_versions", "max_tags")
    SERVER_VERSION_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_CHUNK_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_STREAM_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_DIGESTS_FIELD_NUMBER: _ClassVar[int]
    MAX_MANIFEST_PAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_MANIFEST_ROOT_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_PATH_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_NAME_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_TEXT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_JSON_BYTES_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    MAX_PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    MAX_POINTS_FIELD_NUMBER: _ClassVar[int]
    CHUNKING_FIELD_NUMBER: _ClassVar[int]
    MAX_LINKS_FIELD_NUMBER: _ClassVar[int]
    MAX_ALIASES_FIELD_NUMBER: _ClassVar[int]
    MAX_USED_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_TAGS_FIELD_NUMBER: _ClassVar[int]
    server_version: str
    max_message_bytes: int
    max_chunk_bytes: int
    max_stream_bytes: int
    max_digests: int
    max_manifest_page_bytes: int
    max_manifest_root_bytes: int
    max_path_bytes: int
    max_name_length: int
    max_text_length: int
    max_json_bytes: int
    default_page_size: int
    max_page_size: int
    max_points: int
    chunking: Chunking
    max_links: int
    max_aliases: int
    max_used_versions: int
    max_tags: int
    def __init__(self, server_version: _Optional[str] = ..., max_message_bytes: _Optional[int] = ..., max_chunk_bytes: _Optional[int] = ..., max_stream_bytes: _Optional[int] = ..., max_digests: _Optional[int] = ..., max_manifest_page_bytes: _Optional[int] = ..., max_manifest_root_bytes: _Optional[int] = ..., max_path_bytes: _Optional[int] = ..., max_name_length: _Optional[int] = ..., max_text_length: _Optional[int] = ..., max_json_bytes: _Optional[int] = ..., default_page_size: _Optional[int] = ..., max_page_size: _Optional[int] = ..., max_points: _Optional[int] = ..., chunking: _Optional[_Union[Chunking, _Mapping]] = ..., max_links: _Optional[int] = ..., max_aliases: _Optional[int] = ..., max_used_versions: _Optional[int] = ..., max_tags: _Optional[int] = ...) -> None: ...

class Chunking(_message.Message):
    __slots__ = ("min_size_bytes", "average_size_bytes", "max_size_bytes", "normalization")
    MIN_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    NORMALIZATION_FIELD_NUMBER: _ClassVar[int]
    min_size_bytes: int
    average_size_bytes: int
    max_size_bytes: int
    normalization: int
    def __init__(self, min_size_bytes: _Optional[int] = ..., average_size_bytes: _Optional[int] = ..., max_size_bytes: _Optional[int] = ..., normalization: _Optional[int] = ...) -> None: ...
