from xpstore.v1 import access_pb2 as _access_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BucketAxis(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BUCKET_AXIS_UNSPECIFIED: _ClassVar[BucketAxis]
    BUCKET_AXIS_STEP: _ClassVar[BucketAxis]
    BUCKET_AXIS_TIME: _ClassVar[BucketAxis]

class BucketColumn(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BUCKET_COLUMN_UNSPECIFIED: _ClassVar[BucketColumn]
    BUCKET_COLUMN_COUNT: _ClassVar[BucketColumn]
    BUCKET_COLUMN_MIN: _ClassVar[BucketColumn]
    BUCKET_COLUMN_MAX: _ClassVar[BucketColumn]
    BUCKET_COLUMN_FIRST: _ClassVar[BucketColumn]
    BUCKET_COLUMN_LAST: _ClassVar[BucketColumn]
    BUCKET_COLUMN_MEAN: _ClassVar[BucketColumn]
    BUCKET_COLUMN_STEPS: _ClassVar[BucketColumn]
    BUCKET_COLUMN_TIMES: _ClassVar[BucketColumn]

class BestMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BEST_MODE_UNSPECIFIED: _ClassVar[BestMode]
    BEST_MODE_MIN: _ClassVar[BestMode]
    BEST_MODE_MAX: _ClassVar[BestMode]
BUCKET_AXIS_UNSPECIFIED: BucketAxis
BUCKET_AXIS_STEP: BucketAxis
BUCKET_AXIS_TIME: BucketAxis
BUCKET_COLUMN_UNSPECIFIED: BucketColumn
BUCKET_COLUMN_COUNT: BucketColumn
BUCKET_COLUMN_MIN: BucketColumn
BUCKET_COLUMN_MAX: BucketColumn
BUCKET_COLUMN_FIRST: BucketColumn
BUCKET_COLUMN_LAST: BucketColumn
BUCKET_COLUMN_MEAN: BucketColumn
BUCKET_COLUMN_STEPS: BucketColumn
BUCKET_COLUMN_TIMES: BucketColumn
BEST_MODE_UNSPECIFIED: BestMode
BEST_MODE_MIN: BestMode
BEST_MODE_MAX: BestMode

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

class ListSeriesRequest(_message.Message):
    __slots__ = ("model_ids", "names", "page_size", "page_token")
    MODEL_IDS_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    model_ids: _containers.RepeatedScalarFieldContainer[str]
    names: _containers.RepeatedScalarFieldContainer[str]
    page_size: int
    page_token: str
    def __init__(self, model_ids: _Optional[_Iterable[str]] = ..., names: _Optional[_Iterable[str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSeriesResponse(_message.Message):
    __slots__ = ("series", "next_page_token")
    SERIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    series: _containers.RepeatedCompositeFieldContainer[SeriesSummary]
    next_page_token: str
    def __init__(self, series: _Optional[_Iterable[_Union[SeriesSummary, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class SeriesSummary(_message.Message):
    __slots__ = ("model_id", "name", "phase", "count", "last", "min_value", "max_value")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    MIN_VALUE_FIELD_NUMBER: _ClassVar[int]
    MAX_VALUE_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    name: str
    phase: str
    count: int
    last: Metric
    min_value: float
    max_value: float
    def __init__(self, model_id: _Optional[str] = ..., name: _Optional[str] = ..., phase: _Optional[str] = ..., count: _Optional[int] = ..., last: _Optional[_Union[Metric, _Mapping]] = ..., min_value: _Optional[float] = ..., max_value: _Optional[float] = ...) -> None: ...

class SeriesKey(_message.Message):
    __slots__ = ("model_id", "name", "phase")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    name: str
    phase: str
    def __init__(self, model_id: _Optional[str] = ..., name: _Optional[str] = ..., phase: _Optional[str] = ...) -> None: ...

class ReadSeriesRequest(_message.Message):
    __slots__ = ("keys", "since", "buckets", "axis", "axis_start", "axis_end", "columns", "binary32")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    BUCKETS_FIELD_NUMBER: _ClassVar[int]
    AXIS_FIELD_NUMBER: _ClassVar[int]
    AXIS_START_FIELD_NUMBER: _ClassVar[int]
    AXIS_END_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    BINARY32_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[SeriesKey]
    since: int
    buckets: int
    axis: BucketAxis
    axis_start: int
    axis_end: int
    columns: _containers.RepeatedScalarFieldContainer[BucketColumn]
    binary32: bool
    def __init__(self, keys: _Optional[_Iterable[_Union[SeriesKey, _Mapping]]] = ..., since: _Optional[int] = ..., buckets: _Optional[int] = ..., axis: _Optional[_Union[BucketAxis, str]] = ..., axis_start: _Optional[int] = ..., axis_end: _Optional[int] = ..., columns: _Optional[_Iterable[_Union[BucketColumn, str]]] = ..., binary32: bool = ...) -> None: ...

class ReadSeriesResponse(_message.Message):
    __slots__ = ("model_id", "name", "phase", "points", "buckets")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    BUCKETS_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    name: str
    phase: str
    points: PackedPoints
    buckets: PackedBuckets
    def __init__(self, model_id: _Optional[str] = ..., name: _Optional[str] = ..., phase: _Optional[str] = ..., points: _Optional[_Union[PackedPoints, _Mapping]] = ..., buckets: _Optional[_Union[PackedBuckets, _Mapping]] = ...) -> None: ...

class PackedPoints(_message.Message):
    __slots__ = ("ordinals", "float_values", "int_values", "mixed_values", "steps", "times_us")
    ORDINALS_FIELD_NUMBER: _ClassVar[int]
    FLOAT_VALUES_FIELD_NUMBER: _ClassVar[int]
    INT_VALUES_FIELD_NUMBER: _ClassVar[int]
    MIXED_VALUES_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    TIMES_US_FIELD_NUMBER: _ClassVar[int]
    ordinals: bytes
    float_values: bytes
    int_values: bytes
    mixed_values: MixedValues
    steps: bytes
    times_us: bytes
    def __init__(self, ordinals: _Optional[bytes] = ..., float_values: _Optional[bytes] = ..., int_values: _Optional[bytes] = ..., mixed_values: _Optional[_Union[MixedValues, _Mapping]] = ..., steps: _Optional[bytes] = ..., times_us: _Optional[bytes] = ...) -> None: ...

class MixedValues(_message.Message):
    __slots__ = ("points",)
    POINTS_FIELD_NUMBER: _ClassVar[int]
    points: _containers.RepeatedCompositeFieldContainer[MetricPoint]
    def __init__(self, points: _Optional[_Iterable[_Union[MetricPoint, _Mapping]]] = ...) -> None: ...

class PackedBuckets(_message.Message):
    __slots__ = ("counts", "mins", "maxs", "firsts", "lasts", "means", "first_steps", "last_steps", "first_times_us", "last_times_us", "last_ordinal", "bucket_count", "axis_start", "axis_width")
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    MINS_FIELD_NUMBER: _ClassVar[int]
    MAXS_FIELD_NUMBER: _ClassVar[int]
    FIRSTS_FIELD_NUMBER: _ClassVar[int]
    LASTS_FIELD_NUMBER: _ClassVar[int]
    MEANS_FIELD_NUMBER: _ClassVar[int]
    FIRST_STEPS_FIELD_NUMBER: _ClassVar[int]
    LAST_STEPS_FIELD_NUMBER: _ClassVar[int]
    FIRST_TIMES_US_FIELD_NUMBER: _ClassVar[int]
    LAST_TIMES_US_FIELD_NUMBER: _ClassVar[int]
    LAST_ORDINAL_FIELD_NUMBER: _ClassVar[int]
    BUCKET_COUNT_FIELD_NUMBER: _ClassVar[int]
    AXIS_START_FIELD_NUMBER: _ClassVar[int]
    AXIS_WIDTH_FIELD_NUMBER: _ClassVar[int]
    counts: bytes
    mins: bytes
    maxs: bytes
    firsts: bytes
    lasts: bytes
    means: bytes
    first_steps: bytes
    last_steps: bytes
    first_times_us: bytes
    last_times_us: bytes
    last_ordinal: int
    bucket_count: int
    axis_start: int
    axis_width: int
    def __init__(self, counts: _Optional[bytes] = ..., mins: _Optional[bytes] = ..., maxs: _Optional[bytes] = ..., firsts: _Optional[bytes] = ..., lasts: _Optional[bytes] = ..., means: _Optional[bytes] = ..., first_steps: _Optional[bytes] = ..., last_steps: _Optional[bytes] = ..., first_times_us: _Optional[bytes] = ..., last_times_us: _Optional[bytes] = ..., last_ordinal: _Optional[int] = ..., bucket_count: _Optional[int] = ..., axis_start: _Optional[int] = ..., axis_width: _Optional[int] = ...) -> None: ...

class GetBestMetricRequest(_message.Message):
    __slots__ = ("model_id", "name", "phase", "mode")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    name: str
    phase: str
    mode: BestMode
    def __init__(self, model_id: _Optional[str] = ..., name: _Optional[str] = ..., phase: _Optional[str] = ..., mode: _Optional[_Union[BestMode, str]] = ...) -> None: ...

class GetBestMetricResponse(_message.Message):
    __slots__ = ("metric",)
    METRIC_FIELD_NUMBER: _ClassVar[int]
    metric: Metric
    def __init__(self, metric: _Optional[_Union[Metric, _Mapping]] = ...) -> None: ...
