"""Which chunks a version needs: those of its files, and the pages of its manifest."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import select

from xpstore_server.core.errors import InvalidArgument
from xpstore_server.core.manifest import ManifestCodec
from xpstore_server.store.batches import batches
from xpstore_server.store.chunks import ChunkStore
from xpstore_server.store.database import Database
from xpstore_server.store.errors import BlobDamaged, BlobMissing, MissingChunks
from xpstore_server.store.tables import artifact_version

log = logging.getLogger("xpstore")

# Versions share pages, which need not be read twice. Beyond so many, 20 MB of digests, some are.
REMEMBERED_PAGES = 200_000
# Versions of one query: each may have a root of 1 MiB.
QUERY_VERSIONS = 100
UNREADABLE = (BlobMissing, BlobDamaged, MissingChunks, InvalidArgument)


@dataclass(slots=True)
class Answer:
    """What versions need of some chunks, and which versions could not be asked."""

    needed: set[bytes] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)


class Needs:
    """Reads manifests page by page: a version may have millions of chunks."""

    def __init__(self, database: Database, chunks: ChunkStore, codec: ManifestCodec) -> None:
        self._database = database
        self._chunks = chunks
        self._codec = codec

    def among(self, pool: str, version_ids: Iterable[str], digests: Collection[bytes]) -> Answer:
        """Which of these chunks the versions need."""
        answer, seen = Answer(), set[bytes]()
        for version_id, pages in self._pages_of(sorted(version_ids)):
            try:
                for page in pages():
                    if page not in seen:
                        answer.needed.update(digest for digest in self.of_page(pool, page) if digest in digests)
                        if len(seen) < REMEMBERED_PAGES:
                            seen.add(page)
            except UNREADABLE as error:
                answer.unread.add(version_id)
                log.warning("version %s cannot be asked what it needs: %s", version_id, error)
        return answer

    def _pages_of(self, version_ids: Sequence[str]) -> Iterator[tuple[str, Callable[[], list[bytes]]]]:
        """Versions that are there, and what reads the digests of their pages: many share a manifest."""
        known = dict[bytes, list[bytes]]()

        def pages(root: bytes) -> list[bytes]:
            if root not in known:
                known.clear()
                known[root] = [page.digest for page in self._codec.decode_root(root)]
            return known[root]

        for some in batches(version_ids, QUERY_VERSIONS):
            query = select(artifact_version.c.id, artifact_version.c.manifest).where(artifact_version.c.id.in_(some))
            for row in self._database.read(lambda tx, query=query: tx.execute(query).all()):  # type: ignore[misc]
                yield row.id, partial(pages, bytes(row.manifest))

    def pages(self, version_id: str) -> list[bytes]:
        """The digests of a version's pages; none if it is gone."""
        query = select(artifact_version.c.manifest).where(artifact_version.c.id == version_id)
        root = self._database.read(lambda tx: tx.execute(query).scalar())
        return [] if root is None else [page.digest for page in self._codec.decode_root(bytes(root))]

    def of_page(self, pool: str, page: bytes) -> Iterator[bytes]:
        """Yields the page's own digest and those of the chunks that it names."""
        data = next(self._chunks.read(pool, [page]))
        yield page
        for entry in self._codec.decode_page(data):
            yield from entry.chunk_digests
