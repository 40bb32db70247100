from google.protobuf import field_mask_pb2 as _field_mask_pb2
from xpstore.v1 import access_pb2 as _access_pb2
from xpstore.v1 import ingest_pb2 as _ingest_pb2
from xpstore.v1 import run_pb2 as _run_pb2
from xpstore.v1 import search_pb2 as _search_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Model(_message.Message):
    __slots__ = ("id", "experiment_id", "project_uid", "hash", "name", "description", "step", "config_json", "tags", "status", "created_at_us", "created_by", "updated_at_us", "updated_by", "etag", "tag_count", "deleted_at_us")
    ID_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    CONFIG_JSON_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_US_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_US_FIELD_NUMBER: _ClassVar[int]
    UPDATED_BY_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    TAG_COUNT_FIELD_NUMBER: _ClassVar[int]
    DELETED_AT_US_FIELD_NUMBER: _ClassVar[int]
    id: str
    experiment_id: str
    project_uid: str
    hash: str
    name: str
    description: str
    step: int
    config_json: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    status: _run_pb2.RunStatus
    created_at_us: int
    created_by: str
    updated_at_us: int
    updated_by: str
    etag: str
    tag_count: int
    deleted_at_us: int
    def __init__(self, id: _Optional[str] = ..., experiment_id: _Optional[str] = ..., project_uid: _Optional[str] = ..., hash: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., step: _Optional[int] = ..., config_json: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., status: _Optional[_Union[_run_pb2.RunStatus, str]] = ..., created_at_us: _Optional[int] = ..., created_by: _Optional[str] = ..., updated_at_us: _Optional[int] = ..., updated_by: _Optional[str] = ..., etag: _Optional[str] = ..., tag_count: _Optional[int] = ..., deleted_at_us: _Optional[int] = ...) -> None: ...

class ModelModule(_message.Message):
    __slots__ = ("id", "model_id", "iteration_id", "name", "attributes_json", "created_at_us")
    ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    ITERATION_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_JSON_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_US_FIELD_NUMBER: _ClassVar[int]
    id: str
    model_id: str
    iteration_id: str
    name: str
    attributes_json: str
    created_at_us: int
    def __init__(self, id: _Optional[str] = ..., model_id: _Optional[str] = ..., iteration_id: _Optional[str] = ..., name: _Optional[str] = ..., attributes_json: _Optional[str] = ..., created_at_us: _Optional[int] = ...) -> None: ...

class CreateModelRequest(_message.Message):
    __slots__ = ("experiment_id", "model_id", "hash", "name", "description", "config_json", "tags", "allow_existing", "created_at_us")
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    CONFIG_JSON_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    ALLOW_EXISTING_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_US_FIELD_NUMBER: _ClassVar[int]
    experiment_id: str
    model_id: str
    hash: str
    name: str
    description: str
    config_json: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    allow_existing: bool
    created_at_us: int
    def __init__(self, experiment_id: _Optional[str] = ..., model_id: _Optional[str] = ..., hash: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., config_json: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., allow_existing: bool = ..., created_at_us: _Optional[int] = ...) -> None: ...

class CreateModelResponse(_message.Message):
    __slots__ = ("model", "created")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    model: Model
    created: bool
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ..., created: bool = ...) -> None: ...

class CreateModelsRequest(_message.Message):
    __slots__ = ("experiment_id", "models", "allow_existing")
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    ALLOW_EXISTING_FIELD_NUMBER: _ClassVar[int]
    experiment_id: str
    models: _containers.RepeatedCompositeFieldContainer[NewModel]
    allow_existing: bool
    def __init__(self, experiment_id: _Optional[str] = ..., models: _Optional[_Iterable[_Union[NewModel, _Mapping]]] = ..., allow_existing: bool = ...) -> None: ...

class NewModel(_message.Message):
    __slots__ = ("model_id", "hash", "name", "description", "config_json", "tags", "created_at_us", "modules", "series")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    CONFIG_JSON_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_US_FIELD_NUMBER: _ClassVar[int]
    MODULES_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    hash: str
    name: str
    description: str
    config_json: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    created_at_us: int
    modules: _containers.RepeatedCompositeFieldContainer[NewModule]
    series: _containers.RepeatedCompositeFieldContainer[_ingest_pb2.PackedSeries]
    def __init__(self, model_id: _Optional[str] = ..., hash: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., config_json: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., created_at_us: _Optional[int] = ..., modules: _Optional[_Iterable[_Union[NewModule, _Mapping]]] = ..., series: _Optional[_Iterable[_Union[_ingest_pb2.PackedSeries, _Mapping]]] = ...) -> None: ...

class NewModule(_message.Message):
    __slots__ = ("module_id", "name", "attributes_json")
    MODULE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_JSON_FIELD_NUMBER: _ClassVar[int]
    module_id: str
    name: str
    attributes_json: str
    def __init__(self, module_id: _Optional[str] = ..., name: _Optional[str] = ..., attributes_json: _Optional[str] = ...) -> None: ...

class CreateModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[CreatedModel]
    def __init__(self, models: _Optional[_Iterable[_Union[CreatedModel, _Mapping]]] = ...) -> None: ...

class CreatedModel(_message.Message):
    __slots__ = ("model", "created")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    model: Model
    created: bool
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ..., created: bool = ...) -> None: ...

class ModelHash(_message.Message):
    __slots__ = ("experiment_id", "hash")
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    experiment_id: str
    hash: str
    def __init__(self, experiment_id: _Optional[str] = ..., hash: _Optional[str] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("model_id", "model_hash")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_HASH_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    model_hash: ModelHash
    def __init__(self, model_id: _Optional[str] = ..., model_hash: _Optional[_Union[ModelHash, _Mapping]] = ...) -> None: ...

class GetModelResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: Model
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ("experiment_id", "page_size", "page_token", "deleted", "project_uid")
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    experiment_id: str
    page_size: int
    page_token: str
    deleted: bool
    project_uid: str
    def __init__(self, experiment_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., deleted: bool = ..., project_uid: _Optional[str] = ...) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models", "next_page_token")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    next_page_token: str
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class SearchModelsRequest(_message.Message):
    __slots__ = ("project_uid", "experiment_id", "filter", "order_by", "page_size", "page_token", "columns", "skip", "with_total")
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    SKIP_FIELD_NUMBER: _ClassVar[int]
    WITH_TOTAL_FIELD_NUMBER: _ClassVar[int]
    project_uid: str
    experiment_id: str
    filter: str
    order_by: str
    page_size: int
    page_token: str
    columns: _containers.RepeatedScalarFieldContainer[str]
    skip: int
    with_total: bool
    def __init__(self, project_uid: _Optional[str] = ..., experiment_id: _Optional[str] = ..., filter: _Optional[str] = ..., order_by: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., columns: _Optional[_Iterable[str]] = ..., skip: _Optional[int] = ..., with_total: bool = ...) -> None: ...

class SearchModelsResponse(_message.Message):
    __slots__ = ("models", "next_page_token", "rows", "total_count", "now_us")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    NOW_US_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    next_page_token: str
    rows: _containers.RepeatedCompositeFieldContainer[_search_pb2.ModelRow]
    total_count: int
    now_us: int
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., rows: _Optional[_Iterable[_Union[_search_pb2.ModelRow, _Mapping]]] = ..., total_count: _Optional[int] = ..., now_us: _Optional[int] = ...) -> None: ...

class UpdateModelRequest(_message.Message):
    __slots__ = ("model_id", "name", "description", "step", "update_mask", "etag")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    name: str
    description: str
    step: int
    update_mask: _field_mask_pb2.FieldMask
    etag: str
    def __init__(self, model_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., step: _Optional[int] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class UpdateModelResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: Model
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ...) -> None: ...

class AdvanceModelRequest(_message.Message):
    __slots__ = ("model_id", "advance_id", "delta")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    ADVANCE_ID_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    advance_id: str
    delta: int
    def __init__(self, model_id: _Optional[str] = ..., advance_id: _Optional[str] = ..., delta: _Optional[int] = ...) -> None: ...

class AdvanceModelResponse(_message.Message):
    __slots__ = ("step",)
    STEP_FIELD_NUMBER: _ClassVar[int]
    step: int
    def __init__(self, step: _Optional[int] = ...) -> None: ...

class RewindModelRequest(_message.Message):
    __slots__ = ("model_id", "step")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    step: int
    def __init__(self, model_id: _Optional[str] = ..., step: _Optional[int] = ...) -> None: ...

class RewindModelResponse(_message.Message):
    __slots__ = ("model", "removed_points", "removed_iterations")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    REMOVED_POINTS_FIELD_NUMBER: _ClassVar[int]
    REMOVED_ITERATIONS_FIELD_NUMBER: _ClassVar[int]
    model: Model
    removed_points: int
    removed_iterations: int
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ..., removed_points: _Optional[int] = ..., removed_iterations: _Optional[int] = ...) -> None: ...

class UpdateModelTagsRequest(_message.Message):
    __slots__ = ("model_id", "add", "remove")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    ADD_FIELD_NUMBER: _ClassVar[int]
    REMOVE_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    add: _containers.RepeatedScalarFieldContainer[str]
    remove: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, model_id: _Optional[str] = ..., add: _Optional[_Iterable[str]] = ..., remove: _Optional[_Iterable[str]] = ...) -> None: ...

class UpdateModelTagsResponse(_message.Message):
    __slots__ = ("tags",)
    TAGS_FIELD_NUMBER: _ClassVar[int]
    tags: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, tags: _Optional[_Iterable[str]] = ...) -> None: ...

class DeleteModelRequest(_message.Message):
    __slots__ = ("model_id",)
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    def __init__(self, model_id: _Optional[str] = ...) -> None: ...

class DeleteModelResponse(_message.Message):
    __slots__ = ("deleted",)
    DELETED_FIELD_NUMBER: _ClassVar[int]
    deleted: bool
    def __init__(self, deleted: bool = ...) -> None: ...

class UndeleteModelRequest(_message.Message):
    __slots__ = ("model_id",)
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    def __init__(self, model_id: _Optional[str] = ...) -> None: ...

class UndeleteModelResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: Model
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ...) -> None: ...

class CreateModuleRequest(_message.Message):
    __slots__ = ("model_id", "iteration_id", "module_id", "name", "attributes_json")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    ITERATION_ID_FIELD_NUMBER: _ClassVar[int]
    MODULE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_JSON_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    iteration_id: str
    module_id: str
    name: str
    attributes_json: str
    def __init__(self, model_id: _Optional[str] = ..., iteration_id: _Optional[str] = ..., module_id: _Optional[str] = ..., name: _Optional[str] = ..., attributes_json: _Optional[str] = ...) -> None: ...

class CreateModuleResponse(_message.Message):
    __slots__ = ("module",)
    MODULE_FIELD_NUMBER: _ClassVar[int]
    module: ModelModule
    def __init__(self, module: _Optional[_Union[ModelModule, _Mapping]] = ...) -> None: ...

class ListModulesRequest(_message.Message):
    __slots__ = ("model_id", "iteration_id", "page_size", "page_token")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    ITERATION_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    iteration_id: str
    page_size: int
    page_token: str
    def __init__(self, model_id: _Optional[str] = ..., iteration_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListModulesResponse(_message.Message):
    __slots__ = ("modules", "next_page_token")
    MODULES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    modules: _containers.RepeatedCompositeFieldContainer[ModelModule]
    next_page_token: str
    def __init__(self, modules: _Optional[_Iterable[_Union[ModelModule, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListNewestModulesRequest(_message.Message):
    __slots__ = ("model_ids", "page_size", "page_token")
    MODEL_IDS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    model_ids: _containers.RepeatedScalarFieldContainer[str]
    page_size: int
    page_token: str
    def __init__(self, model_ids: _Optional[_Iterable[str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListNewestModulesResponse(_message.Message):
    __slots__ = ("modules", "next_page_token")
    MODULES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    modules: _containers.RepeatedCompositeFieldContainer[ModelModule]
    next_page_token: str
    def __init__(self, modules: _Optional[_Iterable[_Union[ModelModule, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteModuleRequest(_message.Message):
    __slots__ = ("module_id",)
    MODULE_ID_FIELD_NUMBER: _ClassVar[int]
    module_id: str
    def __init__(self, module_id: _Optional[str] = ...) -> None: ...

class DeleteModuleResponse(_message.Message):
    __slots__ = ("deleted",)
    DELETED_FIELD_NUMBER: _ClassVar[int]
    deleted: bool
    def __init__(self, deleted: bool = ...) -> None: ...

class ClearModulesRequest(_message.Message):
    __slots__ = ("model_id", "iteration_id")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    ITERATION_ID_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    iteration_id: str
    def __init__(self, model_id: _Optional[str] = ..., iteration_id: _Optional[str] = ...) -> None: ...

class ClearModulesResponse(_message.Message):
    __slots__ = ("deleted_count",)
    DELETED_COUNT_FIELD_NUMBER: _ClassVar[int]
    deleted_count: int
    def __init__(self, deleted_count: _Optional[int] = ...) -> None: ...
