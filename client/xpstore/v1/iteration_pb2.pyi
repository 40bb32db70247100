from xpstore.v1 import access_pb2 as _access_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Iteration(_message.Message):
    __slots__ = ("id", "model_id", "step", "created_at_us")
    ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_US_FIELD_NUMBER: _ClassVar[int]
    id: str
    model_id: str
    step: int
    created_at_us: int
    def __init__(self, id: _Optional[str] = ..., model_id: _Optional[str] = ..., step: _Optional[int] = ..., created_at_us: _Optional[int] = ...) -> None: ...

class CreateIterationRequest(_message.Message):
    __slots__ = ("model_id", "iteration_id", "step")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    ITERATION_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    iteration_id: str
    step: int
    def __init__(self, model_id: _Optional[str] = ..., iteration_id: _Optional[str] = ..., step: _Optional[int] = ...) -> None: ...

class CreateIterationResponse(_message.Message):
    __slots__ = ("iteration", "created")
    ITERATION_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    iteration: Iteration
    created: bool
    def __init__(self, iteration: _Optional[_Union[Iteration, _Mapping]] = ..., created: bool = ...) -> None: ...

class IterationStep(_message.Message):
    __slots__ = ("model_id", "step")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    step: int
    def __init__(self, model_id: _Optional[str] = ..., step: _Optional[int] = ...) -> None: ...

class GetIterationRequest(_message.Message):
    __slots__ = ("iteration_id", "iteration_step")
    ITERATION_ID_FIELD_NUMBER: _ClassVar[int]
    ITERATION_STEP_FIELD_NUMBER: _ClassVar[int]
    iteration_id: str
    iteration_step: IterationStep
    def __init__(self, iteration_id: _Optional[str] = ..., iteration_step: _Optional[_Union[IterationStep, _Mapping]] = ...) -> None: ...

class GetIterationResponse(_message.Message):
    __slots__ = ("iteration",)
    ITERATION_FIELD_NUMBER: _ClassVar[int]
    iteration: Iteration
    def __init__(self, iteration: _Optional[_Union[Iteration, _Mapping]] = ...) -> None: ...

class ListIterationsRequest(_message.Message):
    __slots__ = ("model_id", "page_size", "page_token")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    page_size: int
    page_token: str
    def __init__(self, model_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListIterationsResponse(_message.Message):
    __slots__ = ("iterations", "next_page_token")
    ITERATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    iterations: _containers.RepeatedCompositeFieldContainer[Iteration]
    next_page_token: str
    def __init__(self, iterations: _Optional[_Iterable[_Union[Iteration, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteIterationRequest(_message.Message):
    __slots__ = ("iteration_id",)
    ITERATION_ID_FIELD_NUMBER: _ClassVar[int]
    iteration_id: str
    def __init__(self, iteration_id: _Optional[str] = ...) -> None: ...

class DeleteIterationResponse(_message.Message):
    __slots__ = ("deleted",)
    DELETED_FIELD_NUMBER: _ClassVar[int]
    deleted: bool
    def __init__(self, deleted: bool = ...) -> None: ...

class ClearIterationsRequest(_message.Message):
    __slots__ = ("model_id",)
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    def __init__(self, model_id: _Optional[str] = ...) -> None: ...

class ClearIterationsResponse(_message.Message):
    __slots__ = ("deleted_count",)
    DELETED_COUNT_FIELD_NUMBER: _ClassVar[int]
    deleted_count: int
    def __init__(self, deleted_count: _Optional[int] = ...) -> None: ...
