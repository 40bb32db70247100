from xpstore.v1 import access_pb2 as _access_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetLimitsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetLimitsResponse(_message.Message):
    __slots__ = ("limits",)
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    limits: Limits
    def __init__(self, limits: _Optional[_Union[Limits, _Mapping]] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("server_version", "max_message_bytes", "max_chunk_bytes", "max_stream_bytes", "max_digests", "max_manifest_page_bytes", "max_manifest_root_bytes", "max_path_bytes", "max_name_length", "max_text_length", "max_json_bytes", "default_page_size", "max_page_size", "max_points", "chunking", "max_links", "max_aliases", "max_used_versions", "max_tags", "contract_version", "max_ids", "max_buckets", "max_packed_points", "max_series", "max_chunks", "max_wait_us", "max_filter_bytes", "max_filter_depth", "max_filter_comparisons", "max_order_fields", "max_hash_length", "max_alias_length", "max_type_length", "max_process_parts", "max_process_bytes", "max_error_length", "max_holder_length", "min_ping_interval_us", "upload_kept_us", "chunk_kept_us", "pack_bytes", "undo_kept_us", "advance_kept_us", "run_lost_after_us", "max_calls", "max_uploads", "max_silence_us", "max_call_us", "max_part_name_length", "max_part_text_length", "max_tag_bytes", "max_step", "max_clock_ahead_us", "max_listed", "max_calls_of_all", "max_waiting_calls", "max_request_bytes", "max_queue", "max_search_us", "max_write_us", "max_json_digits", "max_columns", "max_skip", "max_aggregated_models", "max_groups", "max_field_values", "max_pattern_values", "max_diff_length", "max_console_bytes", "max_console_text_bytes", "max_alerts", "max_new_modules", "direct", "max_open_packs", "max_open_bytes")
    SERVER_VERSION_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_CHUNK_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_STREAM_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_DIGESTS_FIELD_NUMBER: _ClassVar[int]
    MAX_MANIFEST_PAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_MANIFEST_ROOT_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_PATH_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_NAME_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_TEXT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_JSON_BYTES_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    MAX_PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    MAX_POINTS_FIELD_NUMBER: _ClassVar[int]
    CHUNKING_FIELD_NUMBER: _ClassVar[int]
    MAX_LINKS_FIELD_NUMBER: _ClassVar[int]
    MAX_ALIASES_FIELD_NUMBER: _ClassVar[int]
    MAX_USED_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_TAGS_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_VERSION_FIELD_NUMBER: _ClassVar[int]
    MAX_IDS_FIELD_NUMBER: _ClassVar[int]
    MAX_BUCKETS_FIELD_NUMBER: _ClassVar[int]
    MAX_PACKED_POINTS_FIELD_NUMBER: _ClassVar[int]
    MAX_SERIES_FIELD_NUMBER: _ClassVar[int]
    MAX_CHUNKS_FIELD_NUMBER: _ClassVar[int]
    MAX_WAIT_US_FIELD_NUMBER: _ClassVar[int]
    MAX_FILTER_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_FILTER_DEPTH_FIELD_NUMBER: _ClassVar[int]
    MAX_FILTER_COMPARISONS_FIELD_NUMBER: _ClassVar[int]
    MAX_ORDER_FIELDS_FIELD_NUMBER: _ClassVar[int]
    MAX_HASH_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_ALIAS_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_TYPE_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_PROCESS_PARTS_FIELD_NUMBER: _ClassVar[int]
    MAX_PROCESS_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_ERROR_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_HOLDER_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MIN_PING_INTERVAL_US_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_KEPT_US_FIELD_NUMBER: _ClassVar[int]
    CHUNK_KEPT_US_FIELD_NUMBER: _ClassVar[int]
    PACK_BYTES_FIELD_NUMBER: _ClassVar[int]
    UNDO_KEPT_US_FIELD_NUMBER: _ClassVar[int]
    ADVANCE_KEPT_US_FIELD_NUMBER: _ClassVar[int]
    RUN_LOST_AFTER_US_FIELD_NUMBER: _ClassVar[int]
    MAX_CALLS_FIELD_NUMBER: _ClassVar[int]
    MAX_UPLOADS_FIELD_NUMBER: _ClassVar[int]
    MAX_SILENCE_US_FIELD_NUMBER: _ClassVar[int]
    MAX_CALL_US_FIELD_NUMBER: _ClassVar[int]
    MAX_PART_NAME_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_PART_TEXT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_TAG_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_STEP_FIELD_NUMBER: _ClassVar[int]
    MAX_CLOCK_AHEAD_US_FIELD_NUMBER: _ClassVar[int]
    MAX_LISTED_FIELD_NUMBER: _ClassVar[int]
    MAX_CALLS_OF_ALL_FIELD_NUMBER: _ClassVar[int]
    MAX_WAITING_CALLS_FIELD_NUMBER: _ClassVar[int]
    MAX_REQUEST_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_QUEUE_FIELD_NUMBER: _ClassVar[int]
    MAX_SEARCH_US_FIELD_NUMBER: _ClassVar[int]
    MAX_WRITE_US_FIELD_NUMBER: _ClassVar[int]
    MAX_JSON_DIGITS_FIELD_NUMBER: _ClassVar[int]
    MAX_COLUMNS_FIELD_NUMBER: _ClassVar[int]
    MAX_SKIP_FIELD_NUMBER: _ClassVar[int]
    MAX_AGGREGATED_MODELS_FIELD_NUMBER: _ClassVar[int]
    MAX_GROUPS_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_VALUES_FIELD_NUMBER: _ClassVar[int]
    MAX_PATTERN_VALUES_FIELD_NUMBER: _ClassVar[int]
    MAX_DIFF_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_CONSOLE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_CONSOLE_TEXT_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_ALERTS_FIELD_NUMBER: _ClassVar[int]
    MAX_NEW_MODULES_FIELD_NUMBER: _ClassVar[int]
    DIRECT_FIELD_NUMBER: _ClassVar[int]
    MAX_OPEN_PACKS_FIELD_NUMBER: _ClassVar[int]
    MAX_OPEN_BYTES_FIELD_NUMBER: _ClassVar[int]
    server_version: str
    max_message_bytes: int
    max_chunk_bytes: int
    max_stream_bytes: int
    max_digests: int
    max_manifest_page_bytes: int
    max_manifest_root_bytes: int
    max_path_bytes: int
    max_name_length: int
    max_text_length: int
    max_json_bytes: int
    default_page_size: int
    max_page_size: int
    max_points: int
    chunking: Chunking
    max_links: int
    max_aliases: int
    max_used_versions: int
    max_tags: int
    contract_version: str
    max_ids: int
    max_buckets: int
    max_packed_points: int
    max_series: int
    max_chunks: int
    max_wait_us: int
    max_filter_bytes: int
    max_filter_depth: int
    max_filter_comparisons: int
    max_order_fields: int
    max_hash_length: int
    max_alias_length: int
    max_type_length: int
    max_process_parts: int
    max_process_bytes: int
    max_error_length: int
    max_holder_length: int
    min_ping_interval_us: int
    upload_kept_us: int
    chunk_kept_us: int
    pack_bytes: int
    undo_kept_us: int
    advance_kept_us: int
    run_lost_after_us: int
    max_calls: int
    max_uploads: int
    max_silence_us: int
    max_call_us: int
    max_part_name_length: int
    max_part_text_length: int
    max_tag_bytes: int
    max_step: int
    max_clock_ahead_us: int
    max_listed: int
    max_calls_of_all: int
    max_waiting_calls: int
    max_request_bytes: int
    max_queue: int
    max_search_us: int
    max_write_us: int
    max_json_digits: int
    max_columns: int
    max_skip: int
    max_aggregated_models: int
    max_groups: int
    max_field_values: int
    max_pattern_values: int
    max_diff_length: int
    max_console_bytes: int
    max_console_text_bytes: int
    max_alerts: int
    max_new_modules: int
    direct: DirectWays
    max_open_packs: int
    max_open_bytes: int
    def __init__(self, server_version: _Optional[str] = ..., max_message_bytes: _Optional[int] = ..., max_chunk_bytes: _Optional[int] = ..., max_stream_bytes: _Optional[int] = ..., max_digests: _Optional[int] = ..., max_manifest_page_bytes: _Optional[int] = ..., max_manifest_root_bytes: _Optional[int] = ..., max_path_bytes: _Optional[int] = ..., max_name_length: _Optional[int] = ..., max_text_length: _Optional[int] = ..., max_json_bytes: _Optional[int] = ..., default_page_size: _Optional[int] = ..., max_page_size: _Optional[int] = ..., max_points: _Optional[int] = ..., chunking: _Optional[_Union[Chunking, _Mapping]] = ..., max_links: _Optional[int] = ..., max_aliases: _Optional[int] = ..., max_used_versions: _Optional[int] = ..., max_tags: _Optional[int] = ..., contract_version: _Optional[str] = ..., max_ids: _Optional[int] = ..., max_buckets: _Optional[int] = ..., max_packed_points: _Optional[int] = ..., max_series: _Optional[int] = ..., max_chunks: _Optional[int] = ..., max_wait_us: _Optional[int] = ..., max_filter_bytes: _Optional[int] = ..., max_filter_depth: _Optional[int] = ..., max_filter_comparisons: _Optional[int] = ..., max_order_fields: _Optional[int] = ..., max_hash_length: _Optional[int] = ..., max_alias_length: _Optional[int] = ..., max_type_length: _Optional[int] = ..., max_process_parts: _Optional[int] = ..., max_process_bytes: _Optional[int] = ..., max_error_length: _Optional[int] = ..., max_holder_length: _Optional[int] = ..., min_ping_interval_us: _Optional[int] = ..., upload_kept_us: _Optional[int] = ..., chunk_kept_us: _Optional[int] = ..., pack_bytes: _Optional[int] = ..., undo_kept_us: _Optional[int] = ..., advance_kept_us: _Optional[int] = ..., run_lost_after_us: _Optional[int] = ..., max_calls: _Optional[int] = ..., max_uploads: _Optional[int] = ..., max_silence_us: _Optional[int] = ..., max_call_us: _Optional[int] = ..., max_part_name_length: _Optional[int] = ..., max_part_text_length: _Optional[int] = ..., max_tag_bytes: _Optional[int] = ..., max_step: _Optional[int] = ..., max_clock_ahead_us: _Optional[int] = ..., max_listed: _Optional[int] = ..., max_calls_of_all: _Optional[int] = ..., max_waiting_calls: _Optional[int] = ..., max_request_bytes: _Optional[int] = ..., max_queue: _Optional[int] = ..., max_search_us: _Optional[int] = ..., max_write_us: _Optional[int] = ..., max_json_digits: _Optional[int] = ..., max_columns: _Optional[int] = ..., max_skip: _Optional[int] = ..., max_aggregated_models: _Optional[int] = ..., max_groups: _Optional[int] = ..., max_field_values: _Optional[int] = ..., max_pattern_values: _Optional[int] = ..., max_diff_length: _Optional[int] = ..., max_console_bytes: _Optional[int] = ..., max_console_text_bytes: _Optional[int] = ..., max_alerts: _Optional[int] = ..., max_new_modules: _Optional[int] = ..., direct: _Optional[_Union[DirectWays, _Mapping]] = ..., max_open_packs: _Optional[int] = ..., max_open_bytes: _Optional[int] = ...) -> None: ...

class DirectWays(_message.Message):
    __slots__ = ("read_urls", "read_paths", "write_paths", "write_urls")
    READ_URLS_FIELD_NUMBER: _ClassVar[int]
    READ_PATHS_FIELD_NUMBER: _ClassVar[int]
    WRITE_PATHS_FIELD_NUMBER: _ClassVar[int]
    WRITE_URLS_FIELD_NUMBER: _ClassVar[int]
    read_urls: bool
    read_paths: bool
    write_paths: bool
    write_urls: bool
    def __init__(self, read_urls: bool = ..., read_paths: bool = ..., write_paths: bool = ..., write_urls: bool = ...) -> None: ...

class Chunking(_message.Message):
    __slots__ = ("min_size_bytes", "average_size_bytes", "max_size_bytes", "normalization")
    MIN_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    NORMALIZATION_FIELD_NUMBER: _ClassVar[int]
    min_size_bytes: int
    average_size_bytes: int
    max_size_bytes: int
    normalization: int
    def __init__(self, min_size_bytes: _Optional[int] = ..., average_size_bytes: _Optional[int] = ..., max_size_bytes: _Optional[int] = ..., normalization: _Optional[int] = ...) -> None: ...
