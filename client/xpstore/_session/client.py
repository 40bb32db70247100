"""The client that handles hold: a connection, what is logged through it, and the order between the two."""

import os
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, TypeVar

from xpstore._service import embedded
from xpstore._service.connection import TIMEOUT_SECONDS, Connection
from xpstore._service.retry import LAST_ATTEMPT_SECONDS
from xpstore._session.order import is_ordered
from xpstore.errors import InvalidArgument, Unauthenticated

if TYPE_CHECKING:
    from xpstore._spool.offline import OfflineModels
    from xpstore._spool.recorder import Recorder

Response = TypeVar("Response")
T = TypeVar("T")

# The key of a client that needs none.
OFFLINE_KEY = "offline"


class ClientBase(Connection):
    """A client without the handles that it gives out: those stand on this, and `xpstore.Client` on them.

    See `xpstore.Client` for the arguments.

    Attributes:
        recorder: what it logs through.
        offline: stands in for the server, if it is offline.
    """

    def __init__(
        self,
        api_key: str | None = None,
        api_url: str | None = None,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        offline: bool = False,
        strict: bool = False,
    ) -> None:
        api_key = api_key if api_key is not None else os.environ.get("XPSTORE_API_KEY")
        api_url = api_url if api_url is not None else os.environ.get("XPSTORE_API_URL")
        if not timeout_seconds > 0:
            raise InvalidArgument(f"timeout_seconds = {timeout_seconds!r}: must be positive")
        home = embedded.home() if api_url is None else None
        if api_url is None:
            if api_key is not None:
                raise InvalidArgument("api_url is missing: an API key was given, but no server to use it with")
            api_key, api_url = (OFFLINE_KEY, f"unix:{home}") if offline else embedded.ensure()
        if offline and api_key is None:
            api_key = OFFLINE_KEY
        if not api_key or not api_key.isascii() or not api_key.isprintable():
            raise Unauthenticated("api_key is missing or malformed: pass api_key or set XPSTORE_API_KEY")
        super().__init__(api_key, api_url, timeout_seconds=timeout_seconds, home=home)
        self._kept: dict[tuple[Any, int], Any] = {}
        self.offline = _offline_models() if offline else None
        self.recorder = _a_recorder(self, api_key, is_strict=strict)
        if not offline:
            self.check()

    def kept(self, make: Callable[["ClientBase"], T]) -> T:
        """What is kept with this client by what stands on it: made once in each process, a forked child has its own."""
        key = (make, os.getpid())
        found: T | None = self._kept.get(key)
        return found if found is not None else self._kept.setdefault(key, make(self))

    @property
    def dropped_count(self) -> int:
        """How many records that were logged will never be stored: their model is deleted, or the disk bound was met."""
        return self.recorder.dropped_count

    def flush(self, timeout_seconds: float | None = None) -> None:
        """Waits until the server has everything that was logged before, by this process and by its children that ended.

        Offline it has the disk write the spool.

        Args:
            timeout_seconds: how long to wait; default the client's time-out. What is not sent then stays in the spool.

        Raises:
            Unavailable: the server is away.
            DeadlineExceeded: the time is over.
        """
        self.recorder.flush(self.timeout_seconds if timeout_seconds is None else timeout_seconds)

    def call(
        self,
        method: Callable[..., Response],
        request: Any,
        *,
        timeout_seconds: float | None = None,
        answer_seconds: float | None = None,
    ) -> Response:
        """Makes a unary call as `Connection.call` does, after what was logged before if that could change it.

        Raises:
            Error: the typed error of the answer; Unavailable offline, for what only a server can answer.
        """
        if self.offline is not None:
            answer: Response = self.offline.answer(request)
            return answer
        if is_ordered(request):
            timeout_seconds = self._settle(timeout_seconds or self.timeout_seconds)
        return super().call(method, request, timeout_seconds=timeout_seconds, answer_seconds=answer_seconds)

    def stream(self, method: Callable[..., Any], request: Any) -> Generator[Any, None, None]:
        """Yields the messages of a streaming answer as `Connection.stream` does, in the order of `call`."""
        if self.offline is not None:
            raise self.offline.unavailable()
        if is_ordered(request):
            self._settle(self.timeout_seconds)
        yield from super().stream(method, request)

    def _settle(self, seconds: float) -> float:
        """Sends what is pending. Returns how much is left of the time for it and the call together."""
        deadline = time.monotonic() + seconds
        self.recorder.settle(seconds)
        return max(deadline - time.monotonic(), LAST_ATTEMPT_SECONDS)

    def close(self) -> None:
        """Closes the connection, after what was logged is sent. Handles made from it stop working.

        A server that is away is waited for a short time only: what is not sent then stays in the spool, and the next
        client of this server sends it.
        """
        self.recorder.close()
        super().close()


def _offline_models() -> "OfflineModels":
    from xpstore._spool.offline import OfflineModels  # here, as few programs are offline

    return OfflineModels()


def _a_recorder(client: ClientBase, api_key: str, *, is_strict: bool) -> "Recorder":
    from xpstore._spool.recorder import Recorder  # here, as `import xpstore` need not wait for it

    is_offline = client.offline is not None
    return Recorder(client, client.server, api_key, is_offline=is_offline, is_strict=is_strict)
