from xpstore.v1 import access_pb2 as _access_pb2
from xpstore.v1 import alert_pb2 as _alert_pb2
from xpstore.v1 import metric_pb2 as _metric_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class IngestRequest(_message.Message):
    __slots__ = ("project_uid", "writer_id", "first_record", "record_count", "models")
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    WRITER_ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_RECORD_FIELD_NUMBER: _ClassVar[int]
    RECORD_COUNT_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    project_uid: str
    writer_id: str
    first_record: int
    record_count: int
    models: _containers.RepeatedCompositeFieldContainer[ModelRecords]
    def __init__(self, project_uid: _Optional[str] = ..., writer_id: _Optional[str] = ..., first_record: _Optional[int] = ..., record_count: _Optional[int] = ..., models: _Optional[_Iterable[_Union[ModelRecords, _Mapping]]] = ...) -> None: ...

class ModelRecords(_message.Message):
    __slots__ = ("model_id", "points", "series", "events")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    points: _containers.RepeatedCompositeFieldContainer[PointRecord]
    series: _containers.RepeatedCompositeFieldContainer[PackedSeries]
    events: _containers.RepeatedCompositeFieldContainer[EventRecord]
    def __init__(self, model_id: _Optional[str] = ..., points: _Optional[_Iterable[_Union[PointRecord, _Mapping]]] = ..., series: _Optional[_Iterable[_Union[PackedSeries, _Mapping]]] = ..., events: _Optional[_Iterable[_Union[EventRecord, _Mapping]]] = ...) -> None: ...

class PointRecord(_message.Message):
    __slots__ = ("record", "point")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    POINT_FIELD_NUMBER: _ClassVar[int]
    record: int
    point: _metric_pb2.MetricPoint
    def __init__(self, record: _Optional[int] = ..., point: _Optional[_Union[_metric_pb2.MetricPoint, _Mapping]] = ...) -> None: ...

class PackedSeries(_message.Message):
    __slots__ = ("name", "phase", "float_values", "int_values", "steps", "times_us", "records", "record")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    FLOAT_VALUES_FIELD_NUMBER: _ClassVar[int]
    INT_VALUES_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    TIMES_US_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    name: str
    phase: str
    float_values: bytes
    int_values: bytes
    steps: bytes
    times_us: bytes
    records: bytes
    record: int
    def __init__(self, name: _Optional[str] = ..., phase: _Optional[str] = ..., float_values: _Optional[bytes] = ..., int_values: _Optional[bytes] = ..., steps: _Optional[bytes] = ..., times_us: _Optional[bytes] = ..., records: _Optional[bytes] = ..., record: _Optional[int] = ...) -> None: ...

class EventRecord(_message.Message):
    __slots__ = ("record", "module", "iteration", "step", "tags", "console", "alert")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    MODULE_FIELD_NUMBER: _ClassVar[int]
    ITERATION_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    CONSOLE_FIELD_NUMBER: _ClassVar[int]
    ALERT_FIELD_NUMBER: _ClassVar[int]
    record: int
    module: ModuleEvent
    iteration: IterationEvent
    step: int
    tags: TagsEvent
    console: ConsoleEvent
    alert: AlertEvent
    def __init__(self, record: _Optional[int] = ..., module: _Optional[_Union[ModuleEvent, _Mapping]] = ..., iteration: _Optional[_Union[IterationEvent, _Mapping]] = ..., step: _Optional[int] = ..., tags: _Optional[_Union[TagsEvent, _Mapping]] = ..., console: _Optional[_Union[ConsoleEvent, _Mapping]] = ..., alert: _Optional[_Union[AlertEvent, _Mapping]] = ...) -> None: ...

class ModuleEvent(_message.Message):
    __slots__ = ("module_id", "name", "attributes_json", "iteration_step")
    MODULE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_JSON_FIELD_NUMBER: _ClassVar[int]
    ITERATION_STEP_FIELD_NUMBER: _ClassVar[int]
    module_id: str
    name: str
    attributes_json: str
    iteration_step: int
    def __init__(self, module_id: _Optional[str] = ..., name: _Optional[str] = ..., attributes_json: _Optional[str] = ..., iteration_step: _Optional[int] = ...) -> None: ...

class IterationEvent(_message.Message):
    __slots__ = ("iteration_id", "step")
    ITERATION_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    iteration_id: str
    step: int
    def __init__(self, iteration_id: _Optional[str] = ..., step: _Optional[int] = ...) -> None: ...

class TagsEvent(_message.Message):
    __slots__ = ("add", "remove")
    ADD_FIELD_NUMBER: _ClassVar[int]
    REMOVE_FIELD_NUMBER: _ClassVar[int]
    add: _containers.RepeatedScalarFieldContainer[str]
    remove: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, add: _Optional[_Iterable[str]] = ..., remove: _Optional[_Iterable[str]] = ...) -> None: ...

class ConsoleEvent(_message.Message):
    __slots__ = ("run_id", "offset", "text")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    offset: int
    text: str
    def __init__(self, run_id: _Optional[str] = ..., offset: _Optional[int] = ..., text: _Optional[str] = ...) -> None: ...

class AlertEvent(_message.Message):
    __slots__ = ("alert_id", "level", "title", "text", "step", "at_us")
    ALERT_ID_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    AT_US_FIELD_NUMBER: _ClassVar[int]
    alert_id: str
    level: _alert_pb2.AlertLevel
    title: str
    text: str
    step: int
    at_us: int
    def __init__(self, alert_id: _Optional[str] = ..., level: _Optional[_Union[_alert_pb2.AlertLevel, str]] = ..., title: _Optional[str] = ..., text: _Optional[str] = ..., step: _Optional[int] = ..., at_us: _Optional[int] = ...) -> None: ...

class IngestResponse(_message.Message):
    __slots__ = ("next_record", "dropped")
    NEXT_RECORD_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    next_record: int
    dropped: _containers.RepeatedCompositeFieldContainer[DroppedRecords]
    def __init__(self, next_record: _Optional[int] = ..., dropped: _Optional[_Iterable[_Union[DroppedRecords, _Mapping]]] = ...) -> None: ...

class DroppedRecords(_message.Message):
    __slots__ = ("model_id", "count", "reason")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    count: int
    reason: str
    def __init__(self, model_id: _Optional[str] = ..., count: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class IngestStreamRequest(_message.Message):
    __slots__ = ("batch",)
    BATCH_FIELD_NUMBER: _ClassVar[int]
    batch: IngestRequest
    def __init__(self, batch: _Optional[_Union[IngestRequest, _Mapping]] = ...) -> None: ...

class IngestStreamResponse(_message.Message):
    __slots__ = ("next_record", "dropped")
    NEXT_RECORD_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    next_record: int
    dropped: _containers.RepeatedCompositeFieldContainer[DroppedRecords]
    def __init__(self, next_record: _Optional[int] = ..., dropped: _Optional[_Iterable[_Union[DroppedRecords, _Mapping]]] = ...) -> None: ...
