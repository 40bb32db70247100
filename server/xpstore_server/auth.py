"""Who is calling: an API key in `authorization: Bearer`, looked up by its hash, or a session begun with one."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar

from xpstore_server.core import access
from xpstore_server.core.errors import ResourceExhausted, Unauthenticated
from xpstore_server.core.roles import session
from xpstore_server.store.database import Database
from xpstore_server.store.secrets import Secrets

# A revoked key works for at most this long. From half of it on the keys are read again beside the calls.
CACHE_SECONDS = 10.0
# Keys that are read together. What is beyond is looked up one by one, and so is one that was just made.
KEYS = 10_000
# What was looked up, known or not, is remembered as long.
FOUND = 10_000
# Look-ups of unknown keys: at once, and waiting for their turn.
LOOKUPS = 8
WAITING = 32

MISSING = "An API key is required: send the metadata 'authorization: Bearer KEY'."
NOT_KNOWN = "This API key is not known here. Check XPSTORE_API_KEY and the address."
NO_KEY = "This is no API key of this server: it is cut off or mistyped. Check XPSTORE_API_KEY."

ENDED = "This session has ended. Log in again."

# Where metadata have the token of a session. No header of a request can be called so: what serves HTTP puts it there,
# and looks first where the request comes from.
SESSION = ":session"

_principal: ContextVar[str] = ContextVar("principal")
_key: ContextVar[bytes] = ContextVar("key")


def principal() -> str:
    """The name of the key of the call under way."""
    return _principal.get()


def caller() -> str:
    """The same; "" for what the server does by itself."""
    return _principal.get("")


def key() -> bytes:
    """The hash of the key of the call under way."""
    return _key.get()


class Authenticator:
    """Checks keys in memory, so that a call costs no query, and a stranger's key hardly anything.

    Args:
        database: where they are.
        secrets: that sign tokens of sessions; None where there are no sessions.
    """

    def __init__(self, database: Database, secrets: Secrets | None = None) -> None:
        self._database = database
        self._secrets = secrets
        self._live: dict[bytes, str] = {}
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None
        self._found: dict[bytes, tuple[float, str | None]] = {}
        self._sessions: dict[bytes, tuple[float, bytes | None]] = {}
        self._ended = 0
        self._renewing: set[asyncio.Future[None]] = set()
        self._lookups = asyncio.Semaphore(LOOKUPS)
        self._looking = 0

    async def admit(self, metadata: Iterable[tuple[str, str | bytes]], may_look_up: Callable[[], bool]) -> str:
        """Sets and returns the principal of this call.

        Args:
            metadata: of the call.
            may_look_up: whether its address may have an unknown key looked up.

        Raises:
            Unauthenticated: there is no key, or none that is known.
            ResourceExhausted: too many keys are looked up.
        """
        header = next((str(value) for key, value in metadata if key == "authorization"), "")
        token = next((str(value) for key, value in metadata if key == SESSION), None)
        if header or token is None:
            hash_ = _hash_in(header)
        else:
            hash_ = await self._key_of(token)
        name = self._known(hash_) or await self._name(hash_, may_look_up)
        _principal.set(name)
        _key.set(hash_)
        return name

    async def begin_session(self, hash_: bytes) -> str:
        """Begins a session of the key with this hash, and returns its token."""
        assert self._secrets is not None
        token = session.new_token(self._secrets.signing())
        await self._database.write_async(lambda tx: session.begin(tx, hash_, token))
        return token

    async def end_session(self, token: str) -> None:
        """Ends a session: here at once, on other servers when they ask for it again."""
        hash_ = access.key_hash(token)
        await self._database.write_async(lambda tx: session.end(tx, hash_))
        self._ended += 1
        self._sessions.pop(hash_, None)

    def load(self) -> None:
        """Reads the keys before the first call comes."""
        self._keep(time.monotonic(), self._database.read(lambda tx: access.live(tx, KEYS)))

    def _known(self, hash_: bytes) -> str | None:
        """The name of a live key, if memory is fresh enough to say it."""
        age = time.monotonic() - self._read_at
        if age >= CACHE_SECONDS or (name := self._live.get(hash_)) is None:
            return None
        if age >= CACHE_SECONDS / 2:
            self._start_reading()
        return name

    async def _name(self, hash_: bytes, may_look_up: Callable[[], bool]) -> str:
        if time.monotonic() - self._read_at >= CACHE_SECONDS:
            # Callers whose key was known a moment ago are not among the strangers, of whom few may wait.
            with contextlib.nullcontext() if hash_ in self._live else self._turn():
                await asyncio.shield(self._start_reading())
            if (name := self._live.get(hash_)) is not None:
                return name
        until, found = self._found.get(hash_, (0.0, None))
        if time.monotonic() >= until:
            if found is None and not may_look_up():
                raise Unauthenticated(NOT_KNOWN)
            found = await self._look_up(hash_)
        if found is None:
            raise Unauthenticated(NOT_KNOWN)
        return found

    async def _key_of(self, token: str) -> bytes:
        """The hash of the key that a session was begun with."""
        if self._secrets is None or not session.is_possible(token, self._secrets.believed()):
            raise Unauthenticated(ENDED)
        hash_ = access.key_hash(token)
        until, known = self._sessions.get(hash_, (0.0, None))
        if time.monotonic() >= until:
            known = await self._look_up_session(hash_)
        if known is None:
            raise Unauthenticated(ENDED)
        return known

    async def _look_up_session(self, hash_: bytes) -> bytes | None:
        started, ended = time.monotonic(), self._ended
        with contextlib.nullcontext() if hash_ in self._sessions else self._turn():
            async with self._lookups:
                found = await self._database.read_async(lambda tx: session.find(tx, hash_))
        known, left_us, is_due = found or (None, session.IDLE_US, False)
        if is_due:
            self._renew(hash_)
        if len(self._sessions) >= FOUND:
            self._sessions.clear()
        if ended == self._ended:  # else it may be this one that was ended while it was looked up
            self._sessions[hash_] = (started + min(CACHE_SECONDS, left_us / 1_000_000), known)
        return known

    def _renew(self, hash_: bytes) -> None:
        """Nobody waits for it: what only reads goes on while nothing can be written."""
        renewing = asyncio.ensure_future(self._database.write_async(lambda tx: session.renew(tx, hash_)))
        self._renewing.add(renewing)
        renewing.add_done_callback(self._renewed)

    def _renewed(self, renewing: "asyncio.Future[None]") -> None:
        self._renewing.discard(renewing)
        if not renewing.cancelled():
            renewing.exception()

    async def _look_up(self, hash_: bytes) -> str | None:
        started = time.monotonic()
        with self._turn():
            async with self._lookups:
                found = await self._database.read_async(lambda tx: access.find(tx, hash_))
        if len(self._found) >= FOUND:
            self._found.clear()
        self._found[hash_] = (started + CACHE_SECONDS, found)
        return found

    def _start_reading(self) -> "asyncio.Task[None]":
        if self._reading is None or self._reading.done():
            self._reading = asyncio.ensure_future(self._read())
            # Nobody may wait for it: calls say themselves that the database is away.
            self._reading.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._reading

    async def _read(self) -> None:
        started = time.monotonic()
        self._keep(started, await self._database.read_async(lambda tx: access.live(tx, KEYS)))

    def _keep(self, started: float, live: dict[bytes, str]) -> None:
        self._live, self._read_at = live, started

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        if self._looking >= LOOKUPS + WAITING:
            message = "Too many keys are looked up. Wait a moment."
            raise ResourceExhausted(message, retry_seconds=1.0, limit="max_lookups", expected=LOOKUPS + WAITING)
        self._looking += 1
        try:
            yield
        finally:
            self._looking -= 1


def _hash_in(header: str) -> bytes:
    """The hash of the key that a header has."""
    scheme, _, key = header.partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key:
        raise Unauthenticated(MISSING)
    if not access.is_possible(key):
        raise Unauthenticated(NO_KEY)
    return access.key_hash(key)
