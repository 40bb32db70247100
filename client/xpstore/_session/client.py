"""The client that handles hold: a connection, what is logged through it, and the order between the two."""

import contextlib
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakValueDictionary

from xpstore._machine.relative import fix_paths
from xpstore._service import embedded
from xpstore._service.connection import STREAM_SECONDS, TIMEOUT_SECONDS, Connection
from xpstore._service.retry import LAST_ATTEMPT_SECONDS, Attempts
from xpstore._session.order import is_final, is_ordered
from xpstore._values.ids import new_id
from xpstore.errors import (
    DeadlineExceeded,
    Error,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)

if TYPE_CHECKING:
    from xpstore._offline.keeping import Keeper
    from xpstore._offline.media_sender import MediaSender
    from xpstore._offline.offline import Offline
    from xpstore._offline.stand_in import StandIn
    from xpstore._spool.recorder import Recorder

Response = TypeVar("Response")
T = TypeVar("T")

# The key of a client that needs none.
OFFLINE_KEY = "offline"
# Joins a server for a client that was sent. Where the session is, `current.py` says how.
joining: list[Callable[[str, str], "ClientBase"]] = []
_living: "WeakValueDictionary[str, ClientBase]" = WeakValueDictionary()


class ClientBase(Connection):
    """A client without the handles that it gives out: those stand on this, and `xpstore.Client` on them.

    See `xpstore.Client` for the arguments.

    Attributes:
        recorder: what it logs through.
        offline: stands in for the server, if it is offline.
        iteration_steps: the steps of iterations that links name, by their ids, for what waits in the spool.
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
        fix_paths()
        api_key = api_key if api_key is not None else os.environ.get("XPSTORE_API_KEY")
        api_url = api_url if api_url is not None else os.environ.get("XPSTORE_API_URL")
        if api_key is None:
            from xpstore._machine.login import saved_login  # here, as most programs have a key

            if (login := saved_login()) is not None and api_url in (None, login.api_url):
                api_key, api_url = login.api_key, login.api_url
        if api_url is not None and api_url.startswith("unix:") and not api_url.startswith("unix:/"):
            api_url = f"unix:{os.path.abspath(api_url.removeprefix('unix:'))}"  # it is connected to later, and again
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
        self._token = new_id()
        _living[self._token] = self
        self._kept: dict[tuple[Any, int], Any] = {}
        self.iteration_steps: dict[str, int] = {}
        self.recorder = _a_recorder(self, api_key, is_offline=offline, is_strict=strict)
        self.offline = _offline(self) if offline else None
        self._keepers: dict[int, Keeper] = {}
        self._media_senders: dict[int, MediaSender] = {}
        if not offline:
            self.recorder.after_open = self._send_what_waits
            self.check()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by its server, never with its key: in another process it is the client that has that server there.

        Raises:
            TypeError: it is offline.
        """
        if self.offline is not None:
            raise TypeError(
                "What an offline client made cannot be pickled or copied, as only this process knows it: pass names "
                "and hashes, and make it there after xpstore.init(offline=True)."
            )
        return _received, (self.server, self.api_url, self._token)

    def kept(self, make: Callable[["ClientBase"], T]) -> T:
        """What is kept with this client by what stands on it: made once in each process, a forked child has its own."""
        key = (make, os.getpid())
        found: T | None = self._kept.get(key)
        return found if found is not None else self._kept.setdefault(key, make(self))

    @property
    def dropped_count(self) -> int:
        """How much that was logged will never be stored: its model is deleted, or the disk bound was met."""
        sender = self._media_senders.get(os.getpid())
        return self.recorder.dropped_count + (sender.dropped_count if sender else 0)

    def flush(self, timeout_seconds: float | None = None) -> None:
        """Waits until the server has everything that was logged before, by this process and by its children that ended.

        Offline it has the disk write the spool.

        Args:
            timeout_seconds: how long to wait; default the client's time-out. What is not sent then stays in the spool.

        Raises:
            Unavailable: the server is away.
            DeadlineExceeded: the time is over.
            ResourceExhausted: the server's disk is full.
        """
        seconds = self.timeout_seconds if timeout_seconds is None else timeout_seconds
        deadline = time.monotonic() + seconds
        self.recorder.flush(seconds)
        self.flush_media(max(deadline - time.monotonic(), 0.0))

    def flush_media(self, timeout_seconds: float) -> None:
        """The same for media alone."""
        if os.getpid() in self._media_senders or self._have_children_left_media():
            self.media_sender.flush(timeout_seconds)

    def _have_children_left_media(self) -> bool:
        from xpstore._offline.store import MEDIA_FILE_NAME  # here, as few programs need it

        return self.recorder.has_forked and self.offline is None and self._waits(MEDIA_FILE_NAME)

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
        if (place := self.offline or self._keeper_of(request)) is not None:
            with contextlib.suppress(_SentMeanwhile), self._while_it_waits(request):
                answer: Response = place.answer(request)
                return answer
        if is_ordered(request):
            try:
                timeout_seconds = self._settle(timeout_seconds or self.timeout_seconds)
            except ResourceExhausted:  # the server's disk is full
                if not is_final(request):
                    raise
        return super().call(method, request, timeout_seconds=timeout_seconds, answer_seconds=answer_seconds)

    def stream(
        self, method: Callable[..., Any], request: Any, *, timeout_seconds: float = STREAM_SECONDS
    ) -> Generator[Any, None, None]:
        """Yields the messages of a streaming answer as `Connection.stream` does, in the order of `call`."""
        if (place := self.offline or self._keeper_of(request)) is not None:
            with self._while_it_waits(request):
                yield from place.stream(request)
            return
        if is_ordered(request):
            self._settle(min(self.timeout_seconds, timeout_seconds))
        yield from super().stream(method, request, timeout_seconds=timeout_seconds)

    @contextlib.contextmanager
    def sending(self, method: Any, messages: Iterable[bytes]) -> Iterator[Any]:
        """Begins a call that sends a stream as `Connection.sending` does."""
        place = super().sending(method, messages) if self.offline is None else self.offline.sending(messages)
        with place as call:
            yield call

    def another(self) -> Connection:
        """Another connection as `Connection.another` makes it; offline itself, as there is nothing to connect to."""
        return super().another() if self.offline is None else self

    def attempts(
        self,
        seconds: float | None = None,
        repeated: tuple[type[Error], ...] = (Unavailable, DeadlineExceeded),
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> Attempts:
        """Attempts as `Connection.attempts` has them; offline there is one, as nothing comes back."""
        return super().attempts(seconds, repeated if self.offline is None else (), is_wanted)

    @property
    def keeper(self) -> "Keeper":
        """What keeps artifacts while the server is away, made for each process when it is needed."""
        from xpstore._offline.keeping import Keeper  # here, as few programs need it

        keeper = self._keepers.get(os.getpid())
        if keeper is None:
            parents = next(iter(self._keepers.values()), None)
            made = Keeper(self, self.recorder, self.iteration_steps, parents)
            keeper = self._keepers.setdefault(os.getpid(), made)
            if keeper is made:
                self.on_close(keeper.close)
                self.recorder.before_end.add(keeper.close)
        return keeper

    @property
    def media_sender(self) -> "MediaSender":
        """What media are logged through, made for each process when it is needed."""
        from xpstore._offline.media_sender import MediaSender  # here, as few programs need it

        sender = self._media_senders.get(os.getpid())
        if sender is None:
            made = MediaSender(self, self.recorder, self.offline)
            sender = self._media_senders.setdefault(os.getpid(), made)
        return sender

    def sent_id(self, version_id: str) -> str:
        """The id on the server of a version that waited in the spool; others stay what they are.

        Raises:
            Unavailable: it waits.
        """
        if not self._keepers:
            return version_id
        keeper = self.keeper
        if keeper.holds(version_id):
            raise Unavailable(f"The version {version_id} waits in the spool: the server does not have it yet.")
        return keeper.became(version_id)

    def _keeper_of(self, request: Any) -> "StandIn | None":
        """Answers a call about a version that is not sent yet; else the request names it as the server does."""
        keeper = self.keeper if self._keepers else None
        version_id = getattr(request, "version_id", "") if keeper is not None else ""
        if keeper is None or not version_id or request.DESCRIPTOR.name == "CommitArtifactRequest":
            return None
        if keeper.holds(version_id):
            return keeper.stand_in
        request.version_id = keeper.became(version_id)
        return None

    @contextlib.contextmanager
    def _while_it_waits(self, request: Any) -> Iterator[None]:
        """Has a call about what was sent in its middle be made again: the server has it then."""
        try:
            yield
        except (Unavailable, NotFound) as error:
            if self.offline is not None or self._keeper_of(request) is not None:
                raise
            raise _SentMeanwhile("It was sent just now: the server has it.") from error

    def _send_what_waits(self) -> None:
        """Sends what programs that are gone could not."""
        from xpstore._offline.store import FILE_NAME, MEDIA_FILE_NAME  # here, as few programs need it

        if self._waits(FILE_NAME):
            self.keeper.begin()
        if self._waits(MEDIA_FILE_NAME):
            self.media_sender.begin()

    def _waits(self, file_name: str) -> bool:
        """Whether something may wait in a file of the spool."""
        with contextlib.suppress(OSError):
            return (self.recorder.folder / file_name).exists()
        return False

    def _settle(self, seconds: float) -> float:
        """Sends what is pending. Returns how much is left of the time for it and the call together."""
        deadline = time.monotonic() + seconds
        self.recorder.settle(seconds)
        return max(deadline - time.monotonic(), LAST_ATTEMPT_SECONDS)

    def is_like(self, other: "ClientBase") -> bool:
        """Whether another one has the same server and key, and neither is closed."""
        return (
            (self.server, self.api_url, self.api_key) == (other.server, other.api_url, other.api_key)
            and (self.offline is None) == (other.offline is None)
            and not (self.is_closed or other.is_closed)
        )

    def take_options(self, other: "ClientBase") -> None:
        """Goes on with the options of another one that is like it, and with what that has just heard of the server."""
        self.timeout_seconds = other.timeout_seconds
        self._limits, self._limits_end = other._limits, other._limits_end
        self.recorder.is_strict = other.recorder.is_strict

    def close(self) -> None:
        """Closes the connection, after what was logged is sent. Handles made from it stop working.

        A server that is away is waited for a short time only: what is not sent then stays in the spool, and the next
        client of this server sends it.
        """
        if (sender := self._media_senders.get(os.getpid())) is not None:
            sender.finish()
        self.recorder.close()
        super().close()


class _SentMeanwhile(Unavailable):
    """What waited does no longer: streams are repeated for it as if the server had been away."""


class _Sent(ClientBase):
    """A client that was sent from another process: at its first use it becomes the one of its server here.

    Not before: what a worker cannot unpickle ends it, and `init()` may come after what it is to be used with.
    """

    def __init__(self, server: str, api_url: str) -> None:
        self._told = server, api_url

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "_told" not in vars(self):
            raise AttributeError(name)
        joined = joining[0](*self._told)
        # The same state: one connection, one spool. Threads may do this at once.
        self.__dict__, self.__class__ = vars(joined), type(joined)  # type: ignore[assignment]
        return getattr(self, name)

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (*self._told, "")


def _received(server: str, api_url: str, token: str) -> ClientBase:
    """A client that was pickled: that object itself, where it was."""
    client = _living.get(token)
    return client if client is not None and not client.is_closed else _Sent(server, api_url)


def _offline(client: ClientBase) -> "Offline":
    from xpstore._offline.offline import Offline  # here, as few programs are offline

    return Offline(client.recorder, client.iteration_steps)


def _a_recorder(client: ClientBase, api_key: str, *, is_offline: bool, is_strict: bool) -> "Recorder":
    from xpstore._spool.recorder import Recorder  # here, as `import xpstore` need not wait for it

    return Recorder(client, client.server, api_key, is_offline=is_offline, is_strict=is_strict)
