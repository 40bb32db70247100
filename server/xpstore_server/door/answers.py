"""What callers are told of an error: a status, a reason with its details, and how long to wait where that helps."""

from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from sqlalchemy.exc import IntegrityError

from xpstore_server.core.errors import Conflict, DataLoss, ResourceExhausted, ServiceError, Unavailable
from xpstore_server.store.errors import (
    BlobDamaged,
    BlobMissing,
    MissingChunks,
    StoreBusy,
    StoreFull,
    StoreLimit,
    StoreRefused,
    StoreUnavailable,
)

DOMAIN = "xpstore"
# Status messages and details travel in trailers, which fail at random beyond 8 kB in all.
MESSAGE_LENGTH = 1_000
AWAY_SECONDS = 1.0
# Room comes when somebody makes it.
FULL_SECONDS = 30.0

STATUS = {
    "INVALID_ARGUMENT": grpc.StatusCode.INVALID_ARGUMENT,
    "NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "ALREADY_EXISTS": grpc.StatusCode.ALREADY_EXISTS,
    "CONFLICT": grpc.StatusCode.FAILED_PRECONDITION,
    "UNAUTHENTICATED": grpc.StatusCode.UNAUTHENTICATED,
    "PERMISSION_DENIED": grpc.StatusCode.PERMISSION_DENIED,
    "RESOURCE_EXHAUSTED": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
    "DEADLINE_EXCEEDED": grpc.StatusCode.DEADLINE_EXCEEDED,
    "DATA_LOSS": grpc.StatusCode.DATA_LOSS,
    "INTERNAL": grpc.StatusCode.INTERNAL,
    "STALE": grpc.StatusCode.ABORTED,
    "UNIMPLEMENTED": grpc.StatusCode.UNIMPLEMENTED,
}


def as_service_error(error: Exception) -> ServiceError:
    """The error of the contract that tells of one of the store, or of a fault."""
    match error:
        case ServiceError():
            return error
        case StoreLimit():
            expected = {} if error.most is None else {"expected": error.most}
            # A statement that took too long would take as long again.
            retry_seconds = AWAY_SECONDS if isinstance(error, StoreBusy) else None
            return ResourceExhausted(str(error), retry_seconds=retry_seconds, limit=error.limit, **expected)
        case StoreUnavailable():
            return Unavailable(
                "The server's database or blob store does not answer. Try again.", retry_seconds=AWAY_SECONDS
            )
        case StoreRefused():
            return ServiceError(
                f"The server's store refuses: {error} Its operator must mend that; waiting does not help."
            )
        case StoreFull():
            message = f"The server has no room: {error} Delete what is not needed."
            return ResourceExhausted(message, retry_seconds=FULL_SECONDS, limit="disk")
        case BlobMissing() | BlobDamaged() | MissingChunks():
            return DataLoss("Stored bytes are missing or damaged. The server's log says which.")
        case IntegrityError():
            return Conflict("Something this call relies on was changed or deleted at the same moment. Repeat it.")
    return ServiceError("The server failed. Its log has the trace under this request id.")


def trailer(failure: ServiceError, request_id: str) -> tuple[tuple[str, str | bytes], ...]:
    """The metadata that a failed call ends with."""
    info = error_details_pb2.ErrorInfo(
        reason=failure.reason, domain=DOMAIN, metadata={**failure.metadata, "request_id": request_id}
    )
    details: list[Any] = [info]
    if failure.retry_seconds is not None:
        delay = duration_pb2.Duration()
        delay.FromMicroseconds(int(failure.retry_seconds * 1_000_000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    packed = [any_pb2.Any() for _ in details]
    for one, detail in zip(packed, details, strict=True):
        one.Pack(detail)
    message = failure.message[:MESSAGE_LENGTH]
    status = status_pb2.Status(code=STATUS[failure.reason].value[0], message=message, details=packed)
    return ("grpc-status-details-bin", status.SerializeToString()), ("x-request-id", request_id)
