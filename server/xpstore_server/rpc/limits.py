"""LimitsService."""

from typing import Any, NamedTuple

from xpstore import __version__
from xpstore.v1 import limits_pb2 as pb
from xpstore.v1 import limits_pb2_grpc
from xpstore_server import json_text
from xpstore_server.core import limits
from xpstore_server.store.database import SEARCH_SECONDS, WRITE_SECONDS
from xpstore_server.store.transfers.announced import OPEN_BYTES, OPEN_PACKS
from xpstore_server.store.turns.jobs import MOST_OF_ONE

CHUNKING = pb.Chunking(
    min_size_bytes=limits.CHUNK_MIN_BYTES,
    average_size_bytes=limits.CHUNK_AVERAGE_BYTES,
    max_size_bytes=limits.CHUNK_BYTES,
    normalization=limits.CHUNK_NORMALIZATION,
)


class Ways(NamedTuple):
    """Ways past the service that this server offers."""

    read_urls: bool
    read_paths: bool
    write_paths: bool
    write_urls: bool


class LimitsService(limits_pb2_grpc.LimitsServiceServicer):
    def __init__(self, ways: Ways, **of_settings: int) -> None:
        """Takes the limits that are settings of this server, by the names of their fields."""
        self._response = pb.GetLimitsResponse(
            limits=pb.Limits(
                server_version=__version__,
                max_message_bytes=limits.MESSAGE_BYTES,
                max_chunk_bytes=limits.CHUNK_BYTES,
                max_stream_bytes=limits.STREAM_BYTES,
                max_digests=limits.DIGESTS,
                max_manifest_page_bytes=limits.MANIFEST_PAGE_BYTES,
                max_manifest_root_bytes=limits.MANIFEST_ROOT_BYTES,
                max_path_bytes=limits.PATH_BYTES,
                max_name_length=limits.NAME_LENGTH,
                max_text_length=limits.TEXT_LENGTH,
                max_json_bytes=limits.JSON_BYTES,
                default_page_size=limits.PAGE_SIZE,
                max_page_size=limits.PAGE_SIZE_MAX,
                max_points=limits.POINTS,
                chunking=CHUNKING,
                max_links=limits.LINKS,
                max_aliases=limits.ALIASES,
                max_used_versions=limits.USED_VERSIONS,
                max_tags=limits.TAGS,
                max_chunks=limits.CHUNKS,
                upload_kept_us=limits.UPLOAD_EXPIRES_AFTER_US,
                pack_bytes=limits.PACK_BYTES,
                max_series=limits.SERIES,
                contract_version=limits.CONTRACT_VERSION,
                max_ids=limits.IDS,
                max_buckets=limits.BUCKETS,
                max_packed_points=limits.BATCH_POINTS,
                max_wait_us=limits.WAIT_US,
                max_filter_bytes=limits.FILTER_BYTES,
                max_filter_depth=limits.FILTER_DEPTH,
                max_filter_comparisons=limits.FILTER_COMPARISONS,
                max_order_fields=limits.ORDER_KEYS,
                max_hash_length=limits.HASH_LENGTH,
                max_alias_length=limits.ALIAS_LENGTH,
                max_type_length=limits.TYPE_LENGTH,
                max_process_parts=limits.PROCESS_PARTS,
                max_process_bytes=limits.PROCESS_BYTES,
                max_error_length=limits.ERROR_LENGTH,
                max_diff_length=limits.DIFF_LENGTH,
                max_console_bytes=limits.CONSOLE_BYTES,
                max_console_text_bytes=limits.CONSOLE_TEXT_BYTES,
                max_alerts=limits.ALERTS,
                max_new_modules=limits.NEW_MODULES,
                max_holder_length=limits.HOLDER_LENGTH,
                min_ping_interval_us=limits.PING_INTERVAL_US,
                chunk_kept_us=limits.CHUNK_KEPT_US,
                advance_kept_us=limits.ADVANCE_KEPT_US,
                run_lost_after_us=limits.RUN_LOST_AFTER_US,
                max_part_name_length=limits.PART_NAME_LENGTH,
                max_part_text_length=limits.PART_TEXT_LENGTH,
                max_tag_bytes=limits.TAG_BYTES,
                max_step=limits.STEP,
                max_clock_ahead_us=limits.CLOCK_AHEAD_US,
                max_listed=limits.FIRST,
                max_silence_us=limits.SILENCE_US,
                max_call_us=limits.CALL_US,
                max_waiting_calls=limits.WAITING_CALLS,
                max_request_bytes=limits.REQUEST_BYTES,
                max_json_digits=json_text.DIGITS,
                max_queue=MOST_OF_ONE,
                max_search_us=int(SEARCH_SECONDS * 1_000_000),
                max_write_us=int(WRITE_SECONDS * 1_000_000),
                max_columns=limits.COLUMNS,
                max_skip=limits.SKIP,
                max_aggregated_models=limits.AGGREGATED_MODELS,
                max_groups=limits.GROUPS,
                max_field_values=limits.FIELD_VALUES,
                max_pattern_values=limits.PATTERN_VALUES,
                direct=pb.DirectWays(**ways._asdict()),
                max_open_packs=OPEN_PACKS,
                max_open_bytes=OPEN_BYTES,
                **of_settings,
            )
        )

    async def GetLimits(self, request: pb.GetLimitsRequest, context: Any) -> pb.GetLimitsResponse:
        return self._response
