from xpstore.v1 import access_pb2 as _access_pb2
from xpstore.v1 import artifact_pb2 as _artifact_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TransferWay(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSFER_WAY_UNSPECIFIED: _ClassVar[TransferWay]
    TRANSFER_WAY_URL: _ClassVar[TransferWay]
    TRANSFER_WAY_PATH: _ClassVar[TransferWay]
TRANSFER_WAY_UNSPECIFIED: TransferWay
TRANSFER_WAY_URL: TransferWay
TRANSFER_WAY_PATH: TransferWay

class LocateChunksRequest(_message.Message):
    __slots__ = ("version_id", "digests", "way", "max_extent_bytes")
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    WAY_FIELD_NUMBER: _ClassVar[int]
    MAX_EXTENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    version_id: str
    digests: _containers.RepeatedScalarFieldContainer[bytes]
    way: TransferWay
    max_extent_bytes: int
    def __init__(self, version_id: _Optional[str] = ..., digests: _Optional[_Iterable[bytes]] = ..., way: _Optional[_Union[TransferWay, str]] = ..., max_extent_bytes: _Optional[int] = ...) -> None: ...

class LocateChunksResponse(_message.Message):
    __slots__ = ("extents", "expires_at_us", "now_us")
    EXTENTS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_US_FIELD_NUMBER: _ClassVar[int]
    NOW_US_FIELD_NUMBER: _ClassVar[int]
    extents: _containers.RepeatedCompositeFieldContainer[Extent]
    expires_at_us: int
    now_us: int
    def __init__(self, extents: _Optional[_Iterable[_Union[Extent, _Mapping]]] = ..., expires_at_us: _Optional[int] = ..., now_us: _Optional[int] = ...) -> None: ...

class Extent(_message.Message):
    __slots__ = ("url", "path", "headers", "offset", "size_bytes", "chunks")
    URL_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    url: str
    path: str
    headers: _containers.RepeatedCompositeFieldContainer[TransferHeader]
    offset: int
    size_bytes: int
    chunks: _containers.RepeatedCompositeFieldContainer[PlacedChunk]
    def __init__(self, url: _Optional[str] = ..., path: _Optional[str] = ..., headers: _Optional[_Iterable[_Union[TransferHeader, _Mapping]]] = ..., offset: _Optional[int] = ..., size_bytes: _Optional[int] = ..., chunks: _Optional[_Iterable[_Union[PlacedChunk, _Mapping]]] = ...) -> None: ...

class TransferHeader(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class PlacedChunk(_message.Message):
    __slots__ = ("position", "offset", "stored_size_bytes", "raw_size_bytes", "codec")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    STORED_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    RAW_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    position: int
    offset: int
    stored_size_bytes: int
    raw_size_bytes: int
    codec: _artifact_pb2.Codec
    def __init__(self, position: _Optional[int] = ..., offset: _Optional[int] = ..., stored_size_bytes: _Optional[int] = ..., raw_size_bytes: _Optional[int] = ..., codec: _Optional[_Union[_artifact_pb2.Codec, str]] = ...) -> None: ...

class NewPack(_message.Message):
    __slots__ = ("pack_id", "size_bytes", "crc32")
    PACK_ID_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    CRC32_FIELD_NUMBER: _ClassVar[int]
    pack_id: str
    size_bytes: int
    crc32: int
    def __init__(self, pack_id: _Optional[str] = ..., size_bytes: _Optional[int] = ..., crc32: _Optional[int] = ...) -> None: ...

class OpenPacksRequest(_message.Message):
    __slots__ = ("project_uid", "packs", "way")
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    PACKS_FIELD_NUMBER: _ClassVar[int]
    WAY_FIELD_NUMBER: _ClassVar[int]
    project_uid: str
    packs: _containers.RepeatedCompositeFieldContainer[NewPack]
    way: TransferWay
    def __init__(self, project_uid: _Optional[str] = ..., packs: _Optional[_Iterable[_Union[NewPack, _Mapping]]] = ..., way: _Optional[_Union[TransferWay, str]] = ...) -> None: ...

class PackPlace(_message.Message):
    __slots__ = ("path", "url", "headers")
    PATH_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    path: str
    url: str
    headers: _containers.RepeatedCompositeFieldContainer[TransferHeader]
    def __init__(self, path: _Optional[str] = ..., url: _Optional[str] = ..., headers: _Optional[_Iterable[_Union[TransferHeader, _Mapping]]] = ...) -> None: ...

class OpenPacksResponse(_message.Message):
    __slots__ = ("places", "expires_at_us", "now_us")
    PLACES_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_US_FIELD_NUMBER: _ClassVar[int]
    NOW_US_FIELD_NUMBER: _ClassVar[int]
    places: _containers.RepeatedCompositeFieldContainer[PackPlace]
    expires_at_us: int
    now_us: int
    def __init__(self, places: _Optional[_Iterable[_Union[PackPlace, _Mapping]]] = ..., expires_at_us: _Optional[int] = ..., now_us: _Optional[int] = ...) -> None: ...

class ClosePacksRequest(_message.Message):
    __slots__ = ("project_uid", "pack_ids")
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    PACK_IDS_FIELD_NUMBER: _ClassVar[int]
    project_uid: str
    pack_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, project_uid: _Optional[str] = ..., pack_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ClosePacksResponse(_message.Message):
    __slots__ = ("stored",)
    STORED_FIELD_NUMBER: _ClassVar[int]
    stored: _containers.RepeatedScalarFieldContainer[bool]
    def __init__(self, stored: _Optional[_Iterable[bool]] = ...) -> None: ...
