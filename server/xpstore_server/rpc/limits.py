"""LimitsService."""

from typing import Any

from xpstore import __version__
from xpstore.v1 import limits_pb2 as pb
from xpstore.v1 import limits_pb2_grpc
from xpstore_server.core import limits

CHUNKING = pb.Chunking(
    min_size_bytes=limits.CHUNK_MIN_BYTES,
    average_size_bytes=limits.CHUNK_AVERAGE_BYTES,
    max_size_bytes=limits.CHUNK_BYTES,
    normalization=limits.CHUNK_NORMALIZATION,
)


class LimitsService(limits_pb2_grpc.LimitsServiceServicer):
    async def GetLimits(self, request: pb.GetLimitsRequest, context: Any) -> pb.GetLimitsResponse:
        return pb.GetLimitsResponse(
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
                max_series=limits.SERIES,
                max_filter_bytes=limits.FILTER_BYTES,
                max_filter_depth=limits.FILTER_DEPTH,
                max_filter_comparisons=limits.FILTER_COMPARISONS,
                max_order_fields=limits.ORDER_KEYS,
            )
        )
