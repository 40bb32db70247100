from xpstore.v1 import access_pb2 as _access_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class MediaKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MEDIA_KIND_UNSPECIFIED: _ClassVar[MediaKind]
    MEDIA_KIND_IMAGE: _ClassVar[MediaKind]
    MEDIA_KIND_FIGURE: _ClassVar[MediaKind]
    MEDIA_KIND_TABLE: _ClassVar[MediaKind]
    MEDIA_KIND_HISTOGRAM: _ClassVar[MediaKind]
    MEDIA_KIND_TEXT: _ClassVar[MediaKind]
    MEDIA_KIND_AUDIO: _ClassVar[MediaKind]
MEDIA_KIND_UNSPECIFIED: MediaKind
MEDIA_KIND_IMAGE: MediaKind
MEDIA_KIND_FIGURE: MediaKind
MEDIA_KIND_TABLE: MediaKind
MEDIA_KIND_HISTOGRAM: MediaKind
MEDIA_KIND_TEXT: MediaKind
MEDIA_KIND_AUDIO: MediaKind

class Media(_message.Message):
    __slots__ = ("version_id", "name", "kind", "step", "caption", "path", "size_bytes", "created_at_us")
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    CAPTION_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_US_FIELD_NUMBER: _ClassVar[int]
    version_id: str
    name: str
    kind: MediaKind
    step: int
    caption: str
    path: str
    size_bytes: int
    created_at_us: int
    def __init__(self, version_id: _Optional[str] = ..., name: _Optional[str] = ..., kind: _Optional[_Union[MediaKind, str]] = ..., step: _Optional[int] = ..., caption: _Optional[str] = ..., path: _Optional[str] = ..., size_bytes: _Optional[int] = ..., created_at_us: _Optional[int] = ...) -> None: ...

class MediaName(_message.Message):
    __slots__ = ("name", "kind", "count", "first_step", "last_step")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    FIRST_STEP_FIELD_NUMBER: _ClassVar[int]
    LAST_STEP_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: MediaKind
    count: int
    first_step: int
    last_step: int
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[MediaKind, str]] = ..., count: _Optional[int] = ..., first_step: _Optional[int] = ..., last_step: _Optional[int] = ...) -> None: ...

class ListMediaNamesRequest(_message.Message):
    __slots__ = ("model_id", "page_size", "page_token")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    page_size: int
    page_token: str
    def __init__(self, model_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListMediaNamesResponse(_message.Message):
    __slots__ = ("names", "next_page_token")
    NAMES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedCompositeFieldContainer[MediaName]
    next_page_token: str
    def __init__(self, names: _Optional[_Iterable[_Union[MediaName, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListMediaRequest(_message.Message):
    __slots__ = ("model_id", "names", "from_step", "to_step", "descending", "page_size", "page_token")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    FROM_STEP_FIELD_NUMBER: _ClassVar[int]
    TO_STEP_FIELD_NUMBER: _ClassVar[int]
    DESCENDING_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    names: _containers.RepeatedScalarFieldContainer[str]
    from_step: int
    to_step: int
    descending: bool
    page_size: int
    page_token: str
    def __init__(self, model_id: _Optional[str] = ..., names: _Optional[_Iterable[str]] = ..., from_step: _Optional[int] = ..., to_step: _Optional[int] = ..., descending: bool = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListMediaResponse(_message.Message):
    __slots__ = ("media", "next_page_token")
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    media: _containers.RepeatedCompositeFieldContainer[Media]
    next_page_token: str
    def __init__(self, media: _Optional[_Iterable[_Union[Media, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
