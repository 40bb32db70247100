from xpstore.v1 import access_pb2 as _access_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AlertLevel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ALERT_LEVEL_UNSPECIFIED: _ClassVar[AlertLevel]
    ALERT_LEVEL_INFO: _ClassVar[AlertLevel]
    ALERT_LEVEL_WARNING: _ClassVar[AlertLevel]
    ALERT_LEVEL_ERROR: _ClassVar[AlertLevel]

class AlertCause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ALERT_CAUSE_UNSPECIFIED: _ClassVar[AlertCause]
    ALERT_CAUSE_CLIENT: _ClassVar[AlertCause]
    ALERT_CAUSE_METRIC_NAN: _ClassVar[AlertCause]
    ALERT_CAUSE_RUN_FAILED: _ClassVar[AlertCause]
    ALERT_CAUSE_RUN_LOST: _ClassVar[AlertCause]
ALERT_LEVEL_UNSPECIFIED: AlertLevel
ALERT_LEVEL_INFO: AlertLevel
ALERT_LEVEL_WARNING: AlertLevel
ALERT_LEVEL_ERROR: AlertLevel
ALERT_CAUSE_UNSPECIFIED: AlertCause
ALERT_CAUSE_CLIENT: AlertCause
ALERT_CAUSE_METRIC_NAN: AlertCause
ALERT_CAUSE_RUN_FAILED: AlertCause
ALERT_CAUSE_RUN_LOST: AlertCause

class Alert(_message.Message):
    __slots__ = ("id", "model_id", "level", "cause", "title", "text", "step", "run_id", "at_us", "created_at_us")
    ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    AT_US_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_US_FIELD_NUMBER: _ClassVar[int]
    id: str
    model_id: str
    level: AlertLevel
    cause: AlertCause
    title: str
    text: str
    step: int
    run_id: str
    at_us: int
    created_at_us: int
    def __init__(self, id: _Optional[str] = ..., model_id: _Optional[str] = ..., level: _Optional[_Union[AlertLevel, str]] = ..., cause: _Optional[_Union[AlertCause, str]] = ..., title: _Optional[str] = ..., text: _Optional[str] = ..., step: _Optional[int] = ..., run_id: _Optional[str] = ..., at_us: _Optional[int] = ..., created_at_us: _Optional[int] = ...) -> None: ...

class ListAlertsRequest(_message.Message):
    __slots__ = ("model_id", "project_uid", "page_size", "page_token")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    project_uid: str
    page_size: int
    page_token: str
    def __init__(self, model_id: _Optional[str] = ..., project_uid: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAlertsResponse(_message.Message):
    __slots__ = ("alerts", "next_page_token")
    ALERTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    alerts: _containers.RepeatedCompositeFieldContainer[Alert]
    next_page_token: str
    def __init__(self, alerts: _Optional[_Iterable[_Union[Alert, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
