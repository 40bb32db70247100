from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FieldValue(_message.Message):
    __slots__ = ("number", "text", "truth", "integer", "texts")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TRUTH_FIELD_NUMBER: _ClassVar[int]
    INTEGER_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    number: float
    text: str
    truth: bool
    integer: int
    texts: TextList
    def __init__(self, number: _Optional[float] = ..., text: _Optional[str] = ..., truth: bool = ..., integer: _Optional[int] = ..., texts: _Optional[_Union[TextList, _Mapping]] = ...) -> None: ...

class TextList(_message.Message):
    __slots__ = ("texts",)
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    texts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, texts: _Optional[_Iterable[str]] = ...) -> None: ...

class ModelRow(_message.Message):
    __slots__ = ("model_id", "values")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    values: _containers.RepeatedCompositeFieldContainer[FieldValue]
    def __init__(self, model_id: _Optional[str] = ..., values: _Optional[_Iterable[_Union[FieldValue, _Mapping]]] = ...) -> None: ...

class ListFieldsRequest(_message.Message):
    __slots__ = ("project_uid", "experiment_id", "contains", "page_size", "page_token")
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    CONTAINS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    project_uid: str
    experiment_id: str
    contains: str
    page_size: int
    page_token: str
    def __init__(self, project_uid: _Optional[str] = ..., experiment_id: _Optional[str] = ..., contains: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListFieldsResponse(_message.Message):
    __slots__ = ("fields", "next_page_token")
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    fields: _containers.RepeatedCompositeFieldContainer[FieldSummary]
    next_page_token: str
    def __init__(self, fields: _Optional[_Iterable[_Union[FieldSummary, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class FieldSummary(_message.Message):
    __slots__ = ("field", "number_count", "text_count", "truth_count", "min", "max", "values", "has_more_values")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    NUMBER_COUNT_FIELD_NUMBER: _ClassVar[int]
    TEXT_COUNT_FIELD_NUMBER: _ClassVar[int]
    TRUTH_COUNT_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_VALUES_FIELD_NUMBER: _ClassVar[int]
    field: str
    number_count: int
    text_count: int
    truth_count: int
    min: float
    max: float
    values: _containers.RepeatedCompositeFieldContainer[FieldValue]
    has_more_values: bool
    def __init__(self, field: _Optional[str] = ..., number_count: _Optional[int] = ..., text_count: _Optional[int] = ..., truth_count: _Optional[int] = ..., min: _Optional[float] = ..., max: _Optional[float] = ..., values: _Optional[_Iterable[_Union[FieldValue, _Mapping]]] = ..., has_more_values: bool = ...) -> None: ...

class AggregateModelsRequest(_message.Message):
    __slots__ = ("project_uid", "experiment_id", "filter", "group_by", "fields")
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    project_uid: str
    experiment_id: str
    filter: str
    group_by: _containers.RepeatedScalarFieldContainer[str]
    fields: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, project_uid: _Optional[str] = ..., experiment_id: _Optional[str] = ..., filter: _Optional[str] = ..., group_by: _Optional[_Iterable[str]] = ..., fields: _Optional[_Iterable[str]] = ...) -> None: ...

class AggregateModelsResponse(_message.Message):
    __slots__ = ("groups", "group_count", "model_count")
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    GROUP_COUNT_FIELD_NUMBER: _ClassVar[int]
    MODEL_COUNT_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[ModelGroup]
    group_count: int
    model_count: int
    def __init__(self, groups: _Optional[_Iterable[_Union[ModelGroup, _Mapping]]] = ..., group_count: _Optional[int] = ..., model_count: _Optional[int] = ...) -> None: ...

class ModelGroup(_message.Message):
    __slots__ = ("keys", "model_count", "aggregates")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    MODEL_COUNT_FIELD_NUMBER: _ClassVar[int]
    AGGREGATES_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[FieldValue]
    model_count: int
    aggregates: _containers.RepeatedCompositeFieldContainer[Aggregate]
    def __init__(self, keys: _Optional[_Iterable[_Union[FieldValue, _Mapping]]] = ..., model_count: _Optional[int] = ..., aggregates: _Optional[_Iterable[_Union[Aggregate, _Mapping]]] = ...) -> None: ...

class Aggregate(_message.Message):
    __slots__ = ("count", "min", "max", "mean", "deviation")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    DEVIATION_FIELD_NUMBER: _ClassVar[int]
    count: int
    min: float
    max: float
    mean: float
    deviation: float
    def __init__(self, count: _Optional[int] = ..., min: _Optional[float] = ..., max: _Optional[float] = ..., mean: _Optional[float] = ..., deviation: _Optional[float] = ...) -> None: ...
