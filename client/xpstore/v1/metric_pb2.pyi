from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class MetricPoint(_message.Message):
    __slots__ = ("name", "float_value", "int_value", "json_value", "step", "phase", "time_us")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FLOAT_VALUE_FIELD_NUMBER: _ClassVar[int]
    INT_VALUE_FIELD_NUMBER: _ClassVar[int]
    JSON_VALUE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    TIME_US_FIELD_NUMBER: _ClassVar[int]
    name: str
    float_value: float
    int_value: int
    json_value: str
    step: int
    phase: str
    time_us: int
    def __init__(self, name: _Optional[str] = ..., float_value: _Optional[float] = ..., int_value: _Optional[int] = ..., json_value: _Optional[str] = ..., step: _Optional[int] = ..., phase: _Optional[str] = ..., time_us: _Optional[int] = ...) -> None: ...

class Metric(_message.Message):
    __slots__ = ("id", "model_id", "point")
    ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    POINT_FIELD_NUMBER: _ClassVar[int]
    id: str
    model_id: str
    point: MetricPoint
    def __init__(self, id: _Optional[str] = ..., model_id: _Optional[str] = ..., point: _Optional[_Union[MetricPoint, _Mapping]] = ...) -> None: ...

class LogMetricsRequest(_message.Message):
    __slots__ = ("model_id", "points", "writer_id", "first_point")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    WRITER_ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_POINT_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    points: _containers.RepeatedCompositeFieldContainer[MetricPoint]
    writer_id: str
    first_point: int
    def __init__(self, model_id: _Optional[str] = ..., points: _Optional[_Iterable[_Union[MetricPoint, _Mapping]]] = ..., writer_id: _Optional[str] = ..., first_point: _Optional[int] = ...) -> None: ...

class LogMetricsResponse(_message.Message):
    __slots__ = ("next_point", "stored_count")
    NEXT_POINT_FIELD_NUMBER: _ClassVar[int]
    STORED_COUNT_FIELD_NUMBER: _ClassVar[int]
    next_point: int
    stored_count: int
    def __init__(self, next_point: _Optional[int] = ..., stored_count: _Optional[int] = ...) -> None: ...

class ListMetricsRequest(_message.Message):
    __slots__ = ("model_id", "name", "page_size", "page_token")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    name: str
    page_size: int
    page_token: str
    def __init__(self, model_id: _Optional[str] = ..., name: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListMetricsResponse(_message.Message):
    __slots__ = ("metrics", "next_page_token")
    METRICS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    metrics: _containers.RepeatedCompositeFieldContainer[Metric]
    next_page_token: str
    def __init__(self, metrics: _Optional[_Iterable[_Union[Metric, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetLastMetricRequest(_message.Message):
    __slots__ = ("model_id", "name", "phase")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    name: str
    phase: str
    def __init__(self, model_id: _Optional[str] = ..., name: _Optional[str] = ..., phase: _Optional[str] = ...) -> None: ...

class GetLastMetricResponse(_message.Message):
    __slots__ = ("metric",)
    METRIC_FIELD_NUMBER: _ClassVar[int]
    metric: Metric
    def __init__(self, metric: _Optional[_Union[Metric, _Mapping]] = ...) -> None: ...

class DeleteMetricRequest(_message.Message):
    __slots__ = ("model_id", "metric_id")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    METRIC_ID_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    metric_id: str
    def __init__(self, model_id: _Optional[str] = ..., metric_id: _Optional[str] = ...) -> None: ...

class DeleteMetricResponse(_message.Message):
    __slots__ = ("deleted",)
    DELETED_FIELD_NUMBER: _ClassVar[int]
    deleted: bool
    def __init__(self, deleted: bool = ...) -> None: ...

class ClearMetricsRequest(_message.Message):
    __slots__ = ("model_id",)
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    def __init__(self, model_id: _Optional[str] = ...) -> None: ...

class ClearMetricsResponse(_message.Message):
    __slots__ = ("deleted_count",)
    DELETED_COUNT_FIELD_NUMBER: _ClassVar[int]
    deleted_count: int
    def __init__(self, deleted_count: _Optional[int] = ...) -> None: ...
