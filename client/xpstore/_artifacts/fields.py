"""What a version says about itself, as it was when it was fetched."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

from xpstore._session.client import ClientBase
from xpstore._session.stamped import Stamped
from xpstore._values.json_text import from_json_object
from xpstore.errors import Unavailable
from xpstore.v1 import artifact_pb2 as pb

if TYPE_CHECKING:
    from xpstore._identity.process import Process

log = logging.getLogger("xpstore")

T = TypeVar("T")


class ArtifactFields(Stamped):
    """The fields that nobody assigns."""

    _wire: pb.ArtifactVersion
    _client: ClientBase

    @property
    def id(self) -> str:
        """UUID of this version."""
        return self._wire.id

    @property
    def is_sent(self) -> bool:
        """Whether the server has it; else it waits in the spool, as this client is offline or the server was away."""
        return self._wire.version > 0 or self._arrived()

    def _arrived(self) -> bool:
        if self._client.offline is None:
            self.refresh()
        return self._wire.version > 0

    def refresh(self) -> Self:
        """Fetches what the server has now."""
        raise NotImplementedError

    def _check_sent(self, what: str) -> None:
        if not self.is_sent:
            raise Unavailable(
                f"{self._wire.name!r} waits in the spool: only the server can say its {what}, once it is sent. "
                "`xpstore sync` sends it."
            )

    @property
    def version(self) -> int:
        """Number of this version: 1, 2, 3, ...

        Raises:
            Unavailable: it waits in the spool.
        """
        self._check_sent("version")
        return self._wire.version

    @property
    def digest(self) -> str:
        """Tree digest in hexadecimal: the identity of the content, the same from every client."""
        return self._wire.digest.hex()

    @property
    def hash_(self) -> str:
        """Fingerprint of the process that made it and its parameters; for a plain save, of saving this content."""
        return self._wire.fingerprint

    @property
    def process(self) -> "Process | None":
        """What made it and of what, if it was saved through the cache: the parts that its `hash_` was made of."""
        from xpstore._identity.message import from_wire  # here, as `import xpstore` need not wait for it

        return from_wire(self._wire.process) if self._wire.HasField("process") else None

    @property
    def size_bytes(self) -> int:
        """Sum of the sizes of its files."""
        return self._wire.size_bytes

    @property
    def aliases(self) -> list[str]:
        """Aliases that pointed here when this object was fetched, sorted.

        Raises:
            Unavailable: it waits in the spool.
        """
        self._check_sent("aliases")
        return self._told("aliases", self._wire.aliases, self._wire.alias_count)

    def _told(self, field: str, listed: Sequence[T], count: int) -> list[T]:
        """What the server lists: the first, of a version from before there were bounds, and how many there are."""
        if count > len(listed):
            log.warning("%s of %r: the first %d of %d.", field, self, len(listed), count)
        return list(listed)

    @property
    def metadata(self) -> dict[str, Any]:
        """What was given, and how to load it if it was an object."""
        return from_json_object("metadata", self._wire.metadata_json)
