from google.protobuf import field_mask_pb2 as _field_mask_pb2
from xpstore.v1 import access_pb2 as _access_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Project(_message.Message):
    __slots__ = ("id", "uid", "name", "description", "created_at_us", "created_by", "updated_at_us", "updated_by", "etag", "cache_ttl_us", "cache_max_age_us", "tags", "experiment_count", "model_count", "deleted_at_us")
    ID_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_US_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_US_FIELD_NUMBER: _ClassVar[int]
    UPDATED_BY_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    CACHE_TTL_US_FIELD_NUMBER: _ClassVar[int]
    CACHE_MAX_AGE_US_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    MODEL_COUNT_FIELD_NUMBER: _ClassVar[int]
    DELETED_AT_US_FIELD_NUMBER: _ClassVar[int]
    id: str
    uid: str
    name: str
    description: str
    created_at_us: int
    created_by: str
    updated_at_us: int
    updated_by: str
    etag: str
    cache_ttl_us: int
    cache_max_age_us: int
    tags: _containers.RepeatedScalarFieldContainer[str]
    experiment_count: int
    model_count: int
    deleted_at_us: int
    def __init__(self, id: _Optional[str] = ..., uid: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., created_at_us: _Optional[int] = ..., created_by: _Optional[str] = ..., updated_at_us: _Optional[int] = ..., updated_by: _Optional[str] = ..., etag: _Optional[str] = ..., cache_ttl_us: _Optional[int] = ..., cache_max_age_us: _Optional[int] = ..., tags: _Optional[_Iterable[str]] = ..., experiment_count: _Optional[int] = ..., model_count: _Optional[int] = ..., deleted_at_us: _Optional[int] = ...) -> None: ...

class CreateProjectRequest(_message.Message):
    __slots__ = ("project_id", "name", "description", "creation_id", "allow_existing", "tags")
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    CREATION_ID_FIELD_NUMBER: _ClassVar[int]
    ALLOW_EXISTING_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    project_id: str
    name: str
    description: str
    creation_id: str
    allow_existing: bool
    tags: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, project_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., creation_id: _Optional[str] = ..., allow_existing: bool = ..., tags: _Optional[_Iterable[str]] = ...) -> None: ...

class CreateProjectResponse(_message.Message):
    __slots__ = ("project", "created")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    project: Project
    created: bool
    def __init__(self, project: _Optional[_Union[Project, _Mapping]] = ..., created: bool = ...) -> None: ...

class GetProjectRequest(_message.Message):
    __slots__ = ("project_uid", "project_id")
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    project_uid: str
    project_id: str
    def __init__(self, project_uid: _Optional[str] = ..., project_id: _Optional[str] = ...) -> None: ...

class GetProjectResponse(_message.Message):
    __slots__ = ("project",)
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    project: Project
    def __init__(self, project: _Optional[_Union[Project, _Mapping]] = ...) -> None: ...

class ListProjectsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "deleted")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    deleted: bool
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., deleted: bool = ...) -> None: ...

class ListProjectsResponse(_message.Message):
    __slots__ = ("projects", "next_page_token")
    PROJECTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    projects: _containers.RepeatedCompositeFieldContainer[Project]
    next_page_token: str
    def __init__(self, projects: _Optional[_Iterable[_Union[Project, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateProjectRequest(_message.Message):
    __slots__ = ("project_uid", "name", "description", "update_mask", "etag", "cache_ttl_us", "cache_max_age_us", "tags")
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    CACHE_TTL_US_FIELD_NUMBER: _ClassVar[int]
    CACHE_MAX_AGE_US_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    project_uid: str
    name: str
    description: str
    update_mask: _field_mask_pb2.FieldMask
    etag: str
    cache_ttl_us: int
    cache_max_age_us: int
    tags: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, project_uid: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., etag: _Optional[str] = ..., cache_ttl_us: _Optional[int] = ..., cache_max_age_us: _Optional[int] = ..., tags: _Optional[_Iterable[str]] = ...) -> None: ...

class UpdateProjectResponse(_message.Message):
    __slots__ = ("project",)
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    project: Project
    def __init__(self, project: _Optional[_Union[Project, _Mapping]] = ...) -> None: ...

class DeleteProjectRequest(_message.Message):
    __slots__ = ("project_uid",)
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    project_uid: str
    def __init__(self, project_uid: _Optional[str] = ...) -> None: ...

class DeleteProjectResponse(_message.Message):
    __slots__ = ("deleted",)
    DELETED_FIELD_NUMBER: _ClassVar[int]
    deleted: bool
    def __init__(self, deleted: bool = ...) -> None: ...

class UndeleteProjectRequest(_message.Message):
    __slots__ = ("project_uid",)
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    project_uid: str
    def __init__(self, project_uid: _Optional[str] = ...) -> None: ...

class UndeleteProjectResponse(_message.Message):
    __slots__ = ("project",)
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    project: Project
    def __init__(self, project: _Optional[_Union[Project, _Mapping]] = ...) -> None: ...

class GetProjectStatisticsRequest(_message.Message):
    __slots__ = ("project_uid",)
    PROJECT_UID_FIELD_NUMBER: _ClassVar[int]
    project_uid: str
    def __init__(self, project_uid: _Optional[str] = ...) -> None: ...

class GetProjectStatisticsResponse(_message.Message):
    __slots__ = ("experiment_count", "model_count", "running_model_count", "artifact_count", "version_count", "version_bytes", "stored_bytes", "cache_entry_count", "cache_hits", "cache_saved_us", "active_at_us")
    EXPERIMENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    MODEL_COUNT_FIELD_NUMBER: _ClassVar[int]
    RUNNING_MODEL_COUNT_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_COUNT_FIELD_NUMBER: _ClassVar[int]
    VERSION_COUNT_FIELD_NUMBER: _ClassVar[int]
    VERSION_BYTES_FIELD_NUMBER: _ClassVar[int]
    STORED_BYTES_FIELD_NUMBER: _ClassVar[int]
    CACHE_ENTRY_COUNT_FIELD_NUMBER: _ClassVar[int]
    CACHE_HITS_FIELD_NUMBER: _ClassVar[int]
    CACHE_SAVED_US_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_AT_US_FIELD_NUMBER: _ClassVar[int]
    experiment_count: int
    model_count: int
    running_model_count: int
    artifact_count: int
    version_count: int
    version_bytes: int
    stored_bytes: int
    cache_entry_count: int
    cache_hits: int
    cache_saved_us: int
    active_at_us: int
    def __init__(self, experiment_count: _Optional[int] = ..., model_count: _Optional[int] = ..., running_model_count: _Optional[int] = ..., artifact_count: _Optional[int] = ..., version_count: _Optional[int] = ..., version_bytes: _Optional[int] = ..., stored_bytes: _Optional[int] = ..., cache_entry_count: _Optional[int] = ..., cache_hits: _Optional[int] = ..., cache_saved_us: _Optional[int] = ..., active_at_us: _Optional[int] = ...) -> None: ...
