"""The connection to one server: an address, a key, and the one way in which everything is called."""

import contextlib
import logging
import math
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import grpc

from xpstore._service import embedded
from xpstore._service.address import parse_address
from xpstore._service.breaking import check_threads
from xpstore._service.channel import Stubs, open_channel
from xpstore._service.gate import BrokenByFork, Passage
from xpstore._service.retry import Attempts
from xpstore.errors import HTTP_STATUS, DeadlineExceeded, Error, Unavailable, Unimplemented, from_rpc
from xpstore.format.text import printable
from xpstore.v1 import limits_pb2

log = logging.getLogger("xpstore")

Response = TypeVar("Response")
Metadata = tuple[tuple[str, str], tuple[str, str]]

TIMEOUT_SECONDS = 30.0
# The first number of the contract that this client is made for: one with another is another.
CONTRACT = "1"
# How long limits are relied on: whoever reconnects may have been answered by another server, and is not told.
LIMITS_SECONDS = 60.0
# Of the call that proves address and key: after how long the log says that it is waited for, if that may take so much
# longer; and how long one attempt may take.
TOLD_SECONDS = 2.0
WORTH_TELLING_SECONDS = 4.0
CHECK_SECONDS = 10.0
# What gRPC says of a certificate that does not become another one by waiting, and of a server that has none.
UNTRUSTED = ("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER", "not in peer certificate")
# One stream of bytes over a slow line; keepalive notices a dead one much sooner.
STREAM_SECONDS = 900.0
# The thinnest line on which time-outs still leave time for what is sent.
THINNEST_BYTES_PER_SECOND = 16 << 10


def line_seconds(size_bytes: int) -> float:
    """How long a thin line may take to carry so much."""
    return size_bytes / THINNEST_BYTES_PER_SECOND


class Connection:
    """Calls to one server with one key.

    Args:
        api_key: the API key.
        api_url: the server.
        timeout_seconds: how long a call may take in all, repetitions while the server is away included.
        home: that of the embedded service, if it is the server.

    Raises:
        InvalidArgument: `api_url` is malformed, or would send the key in plaintext beyond loopback.
    """

    def __init__(self, api_key: str, api_url: str, *, timeout_seconds: float, home: Path | None = None) -> None:
        self.api_url = api_url
        self.timeout_seconds = timeout_seconds
        self.is_closed = False
        self._home = home
        self._address = parse_address(api_url)
        self._authorization = ("authorization", f"Bearer {api_key}")
        self._pid = 0
        self._stubs: Stubs | None = None
        self._limits: limits_pb2.Limits | None = None
        self._limits_end = 0.0  # on the steady clock
        self._closing: list[tuple[int, Callable[[], None]]] = []

    @property
    def api_key(self) -> str:
        """The API key: for those who open another connection like this one, never to be shown."""
        return self._authorization[1].removeprefix("Bearer ")

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(
            f"{type(self).__name__} cannot be pickled or copied, nor what holds it, as a project does: it is "
            "a connection of this process. Pass ids, and call xpstore.init() in the other process."
        )

    @property
    def server(self) -> str:
        """What tells this server from others on this machine."""
        return f"embedded:{self._home}" if self._home else self._address.target

    @property
    def is_tls(self) -> bool:
        """Whether nobody on the way can read what is said."""
        return self._address.is_tls

    @property
    def is_embedded(self) -> bool:
        """Whether the server is the embedded service, which may have to start again."""
        return self._home is not None

    @property
    def limits(self) -> limits_pb2.Limits:
        """The server's limits, asked for again after a minute or when it was away: another one may have come back.

        Raises:
            Unimplemented: it speaks another contract.
        """
        limits = self._limits
        if limits is None or time.monotonic() > self._limits_end:
            limits = self._relied_on(self.call(self.stubs.limits.GetLimits, limits_pb2.GetLimitsRequest()).limits)
        return limits

    @property
    def known_limits(self) -> limits_pb2.Limits | None:
        """What the server said of its limits last, however long ago; None if it has not, or was away since."""
        return self._limits

    def _relied_on(self, limits: limits_pb2.Limits) -> limits_pb2.Limits:
        first, _, _ = limits.contract_version.partition(".")
        if first not in (CONTRACT, ""):  # without one it is of before 1.0
            version = printable(limits.contract_version)
            raise Unimplemented(
                f"The server at {self.api_url} speaks version {version} of the contract, and this client version "
                f"{CONTRACT}: install a release of xpstore that is made for that server."
            )
        self._limits, self._limits_end = limits, time.monotonic() + LIMITS_SECONDS
        return limits

    def check(self) -> None:
        """Proves address and key by one call, again while the server cannot be reached and time is left.

        Raises:
            Unavailable: the server does not answer, or has a certificate that is not trusted: this is told at once.
            DeadlineExceeded: it does not answer in time.
            Unauthenticated: the server does not know the key.
            Unimplemented: the server speaks another contract.
        """
        tell_at, is_told = time.monotonic() + TOLD_SECONDS, False
        for attempt in self.attempts():
            with attempt:
                seconds = min(attempt.remaining_seconds, CHECK_SECONDS if is_told else TOLD_SECONDS)
                try:
                    self._relied_on(
                        self.once(self.stubs.limits.GetLimits, limits_pb2.GetLimitsRequest(), seconds).limits
                    )
                except (Unavailable, DeadlineExceeded) as error:
                    left_seconds = attempt.remaining_seconds
                    if any(words in str(error) for words in UNTRUSTED):
                        attempt.give_up()
                    elif not is_told and time.monotonic() >= tell_at and left_seconds > WORTH_TELLING_SECONDS:
                        is_told = True
                        log.warning("%s. It is tried for another %.0f s.", str(error).rstrip("."), left_seconds)
                    raise

    @property
    def stubs(self) -> Stubs:
        """The generated stubs on a channel of this process: one made before a fork must not be used after it."""
        stubs = self._stubs
        if stubs is None or self._pid != os.getpid():
            if self.is_closed:
                raise Unavailable("This client is closed.")
            _abandoned.append(stubs)
            with Passage(self):
                stubs = Stubs(open_channel(self._address))
            self._stubs, self._pid = stubs, os.getpid()
        return stubs

    def attempts(
        self,
        seconds: float | None = None,
        repeated: tuple[type[Error], ...] = (Unavailable, DeadlineExceeded),
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> Attempts:
        """Attempts at something that needs the server.

        Args:
            seconds: how long, since the start or the last progress; default the time-out of calls.
            repeated: errors that another attempt may mend.
            is_wanted: whether anybody still waits for it.
        """
        return Attempts(self, seconds or self.timeout_seconds, repeated, is_wanted)

    def call(
        self,
        method: Callable[..., Response],
        request: Any,
        *,
        timeout_seconds: float | None = None,
        answer_seconds: float | None = None,
    ) -> Response:
        """Makes a unary call, again while the server cannot be reached and time is left: every call may be repeated.

        Args:
            method: of a stub.
            request: its request.
            timeout_seconds: how long it may take in all; default the time-out of this connection.
            answer_seconds: how long the answer to one attempt may take, whatever the time-out; default what is left.

        Raises:
            Error: the typed error of the answer.
        """
        for attempt in self.attempts(timeout_seconds, (Unavailable,), self._is_open):
            with attempt:
                return self.once(method, request, answer_seconds or attempt.remaining_seconds)
        raise AssertionError("the last attempt returns or raises")

    def once(self, method: Callable[..., Response], request: Any, timeout_seconds: float) -> Response:
        """Makes a unary call once; raises as `call` does."""
        while True:
            metadata, stubs = self.metadata, self.stubs
            with Passage(self) as passage:
                try:
                    answer: Response = stubs.own(method)(
                        request, timeout=timeout_seconds, metadata=metadata, wait_for_ready=False
                    )
                    return answer
                except (grpc.RpcError, ValueError) as error:
                    if not self._is_broken_by_fork(passage, stubs, error):
                        raise self._typed(error, metadata) from None
            if isinstance(request, Iterator):  # only the caller knows what of it is to be sent again
                raise BrokenByFork

    def stream(
        self, method: Callable[..., Any], request: Any, *, timeout_seconds: float = STREAM_SECONDS
    ) -> Generator[Any, None, None]:
        """Yields the messages of a streaming answer. Not repeated: only the caller knows where to go on.

        Raises:
            Error: the typed error of the answer.
        """
        metadata, stubs = self.metadata, self.stubs
        with Passage(self) as passage:
            try:
                call = stubs.own(method)(request, timeout=timeout_seconds, metadata=metadata)
                try:
                    yield from call
                finally:
                    call.cancel()
            except (grpc.RpcError, ValueError) as error:
                if self._is_broken_by_fork(passage, stubs, error):
                    raise BrokenByFork from None
                raise self._typed(error, metadata) from None

    @contextlib.contextmanager
    def sending(self, method: Any, messages: Iterable[bytes]) -> Iterator[Any]:
        """Begins a call that sends a stream; `result()` of what is yielded is its answer, `cancel()` breaks it off.

        Raises:
            Error: the typed error of the answer; Unavailable if it was broken off.
        """
        metadata, stubs = self.metadata, self.stubs
        check_threads()
        with Passage(self) as passage:
            try:
                yield stubs.own(method).future(iter(messages), timeout=STREAM_SECONDS, metadata=metadata)
            except (grpc.RpcError, ValueError) as error:
                if self._is_broken_by_fork(passage, stubs, error):
                    raise BrokenByFork from None
                raise self._typed(error, metadata) from None
            except grpc.FutureCancelledError:
                raise Unavailable("The call was broken off.") from None

    def another(self) -> "Connection":
        """Another connection to the same server: what one lets a server take ahead is bounded."""
        return Connection(self.api_key, self.api_url, timeout_seconds=self.timeout_seconds, home=self._home)

    def revive(self, timeout_seconds: float) -> None:
        """Starts the embedded service again if it left, as it does when idle. Other servers are not this client's.

        Raises:
            Unavailable: it does not start.
        """
        if self._home is not None:
            embedded.ensure(self._home, timeout_seconds)

    def on_close(self, action: Callable[[], None]) -> None:
        """Has something done before this process closes the connection, while calls still go through."""
        self._closing.append((os.getpid(), action))

    def close(self) -> None:
        """Closes the connection. Handles made from it stop working."""
        for pid, action in self._closing:
            if pid == os.getpid():  # a forked child has none of its parent's threads, and maybe locks that they held
                action()
        self.is_closed = True
        self.close_channel()

    def close_channel(self) -> None:
        """Breaks off all calls that are under way; the next one opens another channel."""
        stubs, self._stubs = self._stubs, None
        if stubs is not None and self._pid == os.getpid():
            stubs.channel.close()

    def _is_open(self) -> bool:
        return not self.is_closed

    @property
    def metadata(self) -> Metadata:
        """What every call carries: the key, and a fresh request id."""
        return (self._authorization, ("x-request-id", os.urandom(8).hex()))

    def _is_broken_by_fork(self, passage: Passage, stubs: Stubs, error: Exception) -> bool:
        """Whether a call failed with its channel, before it began or after."""
        return passage.is_broken_off or (isinstance(error, ValueError) and stubs is not self._stubs)

    def _typed(self, error: grpc.RpcError | ValueError, metadata: Metadata) -> Exception:
        """The error of a failed call, which says of a server that is away where it should be."""
        if isinstance(error, ValueError):  # a fault of the program, as of a message that cannot be serialized
            return error
        typed = from_rpc(error, metadata[1][1])
        if isinstance(typed, Unavailable):
            self._limits = None
            if not typed.metadata:
                typed.args = (f"The server at {self.api_url} does not answer: {typed}",)
        elif isinstance(typed, DeadlineExceeded) and not typed.metadata:
            typed.args = (f"The server at {self.api_url} does not answer in time: {typed}",)
        elif HTTP_STATUS in typed.metadata:
            typed.args = (f"{self.api_url}: {typed}",)
        return typed


class LastConnection(Connection):
    """A connection for when the program has ended: of one thread, with a channel of its own.

    Threads that stand still by now may hold the locks of any other channel, and those of the gate.

    Args:
        connection: to the same server, with the same key.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.api_key, connection.api_url, timeout_seconds=connection.timeout_seconds)
        self._home = connection._home
        self._address = connection._address
        self._limits, self._limits_end = connection._limits, math.inf
        self._last_stubs = Stubs(open_channel(self._address))

    @property
    def stubs(self) -> Stubs:
        """The stubs on its channel."""
        return self._last_stubs

    def once(self, method: Callable[..., Response], request: Any, timeout_seconds: float) -> Response:
        """Makes a unary call once, past the gate: nothing forks any more."""
        metadata = self.metadata
        try:
            return method(request, timeout=timeout_seconds, metadata=metadata, wait_for_ready=False)
        except grpc.RpcError as error:
            raise self._typed(error, metadata) from None


# Stubs of a parent process: closing or collecting their channel after a fork may hang, so they are kept.
_abandoned: list[Stubs | None] = []
