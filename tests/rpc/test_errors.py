"""Every reason of the contract becomes one type of error, with what the server said about it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

import xpstore
from xpstore import errors
from xpstore.v1 import limits_pb2_grpc
from xpstore.v1.error_pb2 import ErrorReason
from xpstore_server.core import errors as server_errors
from xpstore_server.core.errors import ResourceExhausted
from xpstore_server.door import answers

PREFIX = "ERROR_REASON_"
REASONS = [name.removeprefix(PREFIX) for name in ErrorReason.keys() if name != f"{PREFIX}UNSPECIFIED"]  # noqa: SIM118
TYPES = {
    "INVALID_ARGUMENT": (errors.InvalidArgument, ValueError),
    "NOT_FOUND": (errors.NotFound, LookupError),
    "ALREADY_EXISTS": (errors.AlreadyExists, ValueError),
    "CONFLICT": (errors.Conflict, errors.Error),
    "UNAUTHENTICATED": (errors.Unauthenticated, errors.Error),
    "PERMISSION_DENIED": (errors.PermissionDenied, PermissionError),
    "RESOURCE_EXHAUSTED": (errors.ResourceExhausted, errors.Error),
    "UNAVAILABLE": (errors.Unavailable, ConnectionError),
    "DEADLINE_EXCEEDED": (errors.DeadlineExceeded, TimeoutError),
    "DATA_LOSS": (errors.DataLoss, errors.Error),
    "INTERNAL": (errors.ServerFault, errors.Error),
    "STALE": (errors.Stale, errors.Error),
    "UNIMPLEMENTED": (errors.Unimplemented, NotImplementedError),
}
STATUS_TYPES = {
    grpc.StatusCode.CANCELLED: errors.Unavailable,
    grpc.StatusCode.UNKNOWN: errors.ServerFault,
    grpc.StatusCode.INVALID_ARGUMENT: errors.InvalidArgument,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.ALREADY_EXISTS: errors.AlreadyExists,
    grpc.StatusCode.PERMISSION_DENIED: errors.PermissionDenied,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.ResourceExhausted,
    grpc.StatusCode.FAILED_PRECONDITION: errors.Conflict,
    grpc.StatusCode.ABORTED: errors.Conflict,
    grpc.StatusCode.OUT_OF_RANGE: errors.InvalidArgument,
    grpc.StatusCode.UNIMPLEMENTED: errors.Unimplemented,
    grpc.StatusCode.INTERNAL: errors.ServerFault,
    grpc.StatusCode.UNAVAILABLE: errors.Unavailable,
    grpc.StatusCode.DATA_LOSS: errors.DataLoss,
    grpc.StatusCode.UNAUTHENTICATED: errors.Unauthenticated,
}


class FailingServer(limits_pb2_grpc.LimitsServiceServicer):
    """A server, or a proxy before one, that answers every call with the error it was told."""

    def __init__(self) -> None:
        options = [("grpc.so_reuseport", 0)]
        self._server = grpc.server(ThreadPoolExecutor(2), options=options)
        limits_pb2_grpc.add_LimitsServiceServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        self.code = grpc.StatusCode.UNKNOWN
        self.details: Any = b""
        self.text = "what went wrong"

    def GetLimits(self, request: Any, context: grpc.ServicerContext) -> Any:
        if self.details:
            context.set_trailing_metadata((("grpc-status-details-bin", self.details),))
        context.abort(self.code, self.text)

    def failure(self, code: grpc.StatusCode, info: error_details_pb2.ErrorInfo | None = None) -> errors.Error:
        """The error a client raises when the server answers with this."""
        self.code, self.details = code, b""
        if info is not None:
            detail = any_pb2.Any()
            detail.Pack(info)
            self.details = status_pb2.Status(code=code.value[0], details=[detail]).SerializeToString()
        return self.raised()

    def raised(self) -> errors.Error:
        with pytest.raises(errors.Error) as caught:
            xpstore.Client("xps_some-api-key", self.address, timeout_seconds=2)
        return caught.value

    def stop(self) -> None:
        self._server.stop(None).wait()


@pytest.fixture(scope="module")
def failing() -> Iterator[FailingServer]:
    server = FailingServer()
    yield server
    server.stop()


def test_table_has_every_reason_of_the_contract() -> None:
    assert set(TYPES) == set(REASONS)
    assert {ErrorReason.Name(number).removeprefix(PREFIX) for number in errors._BY_REASON} == set(REASONS)
    assert len(set(errors._BY_REASON.values())) == len(REASONS)


def test_server_answers_only_with_reasons_of_the_contract() -> None:
    root = server_errors.ServiceError
    kinds: list[type[server_errors.ServiceError]] = [root, *root.__subclasses__()]
    assert {kind.reason for kind in kinds} <= set(answers.STATUS) <= set(REASONS)


@pytest.mark.parametrize("reason", REASONS)
def test_reason_becomes_its_type(reason: str, failing: FailingServer) -> None:
    kind, builtin = TYPES[reason]
    metadata = {"request_id": "r1", "field": "name", "value": "x"}
    info = error_details_pb2.ErrorInfo(reason=reason, domain="xpstore", metadata=metadata)
    # The status contradicts it: what the service says counts, not what a proxy made of it.
    error = failing.failure(grpc.StatusCode.UNKNOWN, info)
    assert type(error) is kind
    assert isinstance(error, builtin)
    assert (error.reason, error.request_id) == (reason, "r1")
    assert error.metadata == {"field": "name", "value": "x"}
    assert "what went wrong" in str(error)


@pytest.mark.parametrize("code", STATUS_TYPES)
def test_answer_of_a_proxy_goes_by_its_status(code: grpc.StatusCode, failing: FailingServer) -> None:
    error = failing.failure(code)
    assert type(error) is STATUS_TYPES[code]
    assert error.request_id  # the client's own


CODES = grpc.StatusCode


@pytest.mark.parametrize(
    ("code", "text", "kind", "cure"),
    [
        (CODES.UNKNOWN, "Received http2 header with status: 413", errors.ResourceExhausted, "client_max_body_size 0;"),
        (CODES.UNIMPLEMENTED, "Received http2 header with status: 404", errors.Unavailable, "grpc_pass"),
        (CODES.UNIMPLEMENTED, "Method not found!", errors.Unimplemented, "passed on as gRPC"),
        (CODES.UNAVAILABLE, "Received http2 header with status: 502", errors.Unavailable, "does not reach the server"),
        (CODES.UNAVAILABLE, "Received http2 header with status: 504", errors.Unavailable, "grpc_read_timeout"),
        (CODES.INTERNAL, "RST_STREAM closed stream", errors.Unavailable, "a proxy or the network ended the call"),
        (
            CODES.RESOURCE_EXHAUSTED,
            "Received message larger than max (5 vs. 4)",
            errors.ResourceExhausted,
            "smaller pages",
        ),
    ],
)
def test_answer_of_a_proxy_names_the_cure(
    code: grpc.StatusCode, text: str, kind: type[errors.Error], cure: str, failing: FailingServer
) -> None:
    failing.text = text
    try:
        error = failing.failure(code)
    finally:
        failing.text = "what went wrong"
    assert type(error) is kind
    assert cure in str(error)


def test_server_that_is_busy_says_when_to_come_again() -> None:
    busy = ResourceExhausted("too many calls", retry_seconds=1.5, limit="max_calls")
    server = FailingServer()
    try:
        server.code, server.details = (
            CODES.RESOURCE_EXHAUSTED,
            dict(answers.trailer(busy, "r1"))["grpc-status-details-bin"],
        )
        error = server.raised()
    finally:
        server.stop()
    assert (type(error), error.retry_seconds, error.metadata) == (errors.ResourceExhausted, 1.5, {"limit": "max_calls"})


def test_every_status_is_in_the_table_above() -> None:
    assert set(STATUS_TYPES) == set(grpc.StatusCode) - {grpc.StatusCode.OK}


def test_reason_of_a_later_server_is_an_error(failing: FailingServer) -> None:
    info = error_details_pb2.ErrorInfo(reason="OUT_OF_CHEESE", domain="xpstore")
    error = failing.failure(grpc.StatusCode.ABORTED, info)
    assert type(error) is errors.Error
    assert error.reason == "OUT_OF_CHEESE"


def test_details_of_another_domain_are_ignored(failing: FailingServer) -> None:
    info = error_details_pb2.ErrorInfo(reason="NOT_FOUND", domain="example.org")
    assert type(failing.failure(grpc.StatusCode.ABORTED, info)) is errors.Conflict


def test_details_that_cannot_be_read_are_ignored(failing: FailingServer) -> None:
    failing.code, failing.details = grpc.StatusCode.NOT_FOUND, b"\xff\xff\xff"
    assert type(failing.raised()) is errors.NotFound


def test_every_error_is_under_one_root_and_drawn_in_the_docstring() -> None:
    kinds = [value for value in vars(errors).values() if getattr(value, "__module__", "") == "xpstore.errors"]
    kinds = [kind for kind in kinds if isinstance(kind, type)]
    assert all(issubclass(kind, xpstore.Error) for kind in kinds)
    assert [kind.__name__ for kind in kinds if kind.__name__ not in (errors.__doc__ or "")] == []


@pytest.mark.parametrize("kind", [errors.NotInitialized, errors.NoProject])
def test_missing_session_is_a_runtime_error(kind: type[errors.Error]) -> None:
    assert issubclass(kind, RuntimeError)
