"""What a version says about itself, as it was when it was fetched."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

from xpstore._notebook.glance import Glance
from xpstore._notebook.html import facts, line, shown, table
from xpstore._service.paging import iterate
from xpstore._session.client import ClientBase
from xpstore._session.stamped import Stamped
from xpstore._values.json_text import from_json_object
from xpstore.errors import Unavailable, Unimplemented
from xpstore.v1 import artifact_pb2 as pb

if TYPE_CHECKING:
    from xpstore._identity.process import Process

log = logging.getLogger("xpstore")

T = TypeVar("T")

# Files that a notebook shows of a version.
MOST_FILES = 10


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
        """Aliases that pointed here when this object was fetched, sorted; of more than 100 those that point here now.

        Raises:
            Unavailable: it waits in the spool.
        """
        self._check_sent("aliases")
        return self._all("aliases", self._wire.aliases, self._wire.alias_count, self._list_aliases)

    def _list_aliases(self) -> Iterator[str]:
        request = pb.ListArtifactAliasesRequest(artifact_id=self._wire.artifact_id)
        every = iterate(self._client, self._client.stubs.artifacts.ListArtifactAliases, request, "aliases")
        return (one.alias for one in every if one.version_id == self._wire.id)

    def _links(self) -> Iterator[pb.ArtifactLink]:
        """What it belongs to, oldest first; asked for no further than it is looked at."""
        first = self._wire.links
        yield from first
        if self._wire.link_count > len(first):
            yield from self._all("links", first, self._wire.link_count, self._list_links)[len(first) :]

    def _list_links(self) -> Iterator[pb.ArtifactLink]:
        request = pb.ListArtifactLinksRequest(version_id=self._wire.id)
        return iterate(self._client, self._client.stubs.artifacts.ListArtifactLinks, request, "links")

    def _used_ids(self) -> list[str]:
        """The versions it was made from."""
        return self._all("used", self._wire.used_version_ids, self._wire.used_version_count, self._list_used)

    def _list_used(self) -> Iterator[str]:
        request = pb.ListArtifactLineageRequest(version_id=self._wire.id)
        every = iterate(self._client, self._client.stubs.artifacts.ListArtifactLineage, request, "versions")
        return (one.version_id for one in every)

    def _all(self, field: str, first: Sequence[T], count: int, ask: Callable[[], Iterable[T]]) -> list[T]:
        """What there is of something: a version as it was fetched has the first of it, and how many there are."""
        if count <= len(first):
            return list(first)
        try:
            return list(ask())
        except Unimplemented:  # by a server of before 1.0, which lists them nowhere
            log.warning("%s of %r: the first %d of %d.", field, self, len(first), count)
            return list(first)

    @property
    def metadata(self) -> dict[str, Any]:
        """What was given, and how to load it if it was an object."""
        return from_json_object("metadata", self._wire.metadata_json)

    def _repr_html_(self) -> str:
        """What it is and its first files, for notebooks: asks the server, briefly."""
        return shown(lambda: f"{type(self).__name__} {self._wire.name}", self._shown())

    def _shown(self) -> Iterator[str]:
        wire = self._wire
        pairs = [
            ("version", wire.version or "waits in the spool"),
            ("description", wire.description),
            ("size", f"{wire.size_bytes:,} bytes in {wire.file_count:,} files"),
            ("aliases", list(wire.aliases)),
            ("created", self.created_at),
            ("digest", self.digest),
            ("id", wire.id),
        ]
        yield facts([*pairs, *((f"metadata.{key}", value) for key, value in self.metadata.items())])
        request = pb.ListArtifactFilesRequest(version_id=wire.id, page_size=MOST_FILES)
        files = Glance(self._client).call(self._client.stubs.artifacts.ListArtifactFiles, request).files
        yield table(("file", "size"), ((file.path, f"{file.size_bytes:,} bytes") for file in files))
        if wire.file_count > len(files):
            yield line(f"and {wire.file_count - len(files):,} more files")
