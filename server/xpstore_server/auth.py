"""Who is calling: an API key in `authorization: Bearer`, looked up by its hash."""

import time
from collections.abc import Iterable
from contextvars import ContextVar

from xpstore_server.core import access
from xpstore_server.core.errors import Unauthenticated
from xpstore_server.store.database import Database

# A revoked key works for at most this long.
CACHE_SECONDS = 10.0
CACHE_SIZE = 10_000

_principal: ContextVar[str] = ContextVar("principal")


def principal() -> str:
    """The name of the key of the call under way."""
    return _principal.get()


def caller() -> str:
    """The same; "" for what the server does by itself."""
    return _principal.get("")


class Authenticator:
    """Checks keys, with a short memory so that a call costs no query."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[bytes, tuple[float, str]] = {}

    async def admit(self, metadata: Iterable[tuple[str, str | bytes]]) -> str:
        """Sets and returns the principal of this call, or raises Unauthenticated."""
        header = next((str(value) for key, value in metadata if key == "authorization"), "")
        scheme, _, key = header.partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise Unauthenticated("An API key is required: send the metadata 'authorization: Bearer KEY'.")
        name = await self._name(access.key_hash(key.strip()))
        if name is None:
            raise Unauthenticated("This API key is not known here. Check XPSTORE_API_KEY and the address.")
        _principal.set(name)
        return name

    async def _name(self, hash_: bytes) -> str | None:
        now = time.monotonic()
        until, name = self._known.get(hash_, (0.0, ""))
        if now < until:
            return name
        found = await self._database.read_async(lambda tx: access.find(tx, hash_))
        if found is not None:
            if len(self._known) >= CACHE_SIZE:
                self._known.clear()
            self._known[hash_] = (now + CACHE_SECONDS, found)
        return found
