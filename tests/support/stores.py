"""The stores of a server without the server, for tests that look inside."""

import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import func, select, update

from support.backends import Backend
from support.raw import digest_of, entry_of, page_of
from xpstore.format.packs import decode_footer, footer_size
from xpstore.format.tree import PageRef
from xpstore.v1 import artifact_pb2 as pb
from xpstore_server.core import artifact, project
from xpstore_server.core.garbage.collector import GarbageCollector
from xpstore_server.core.garbage.reachability import Needs
from xpstore_server.core.garbage.rebuild_index import IndexBuilder
from xpstore_server.core.publish import Draft, Publisher
from xpstore_server.rpc.manifest import CODEC
from xpstore_server.store import migrate, sweep, tables
from xpstore_server.store.blobs.opened import open_blobs
from xpstore_server.store.blobs.store import BlobStore, Buffer, Spot
from xpstore_server.store.chunks import ChunkStore
from xpstore_server.store.database import Database
from xpstore_server.store.encoded import NONE, EncodedChunk
from xpstore_server.store.limbo import HIDDEN
from xpstore_server.store.sweep import Ends, Grace, Swept, condemn, give_up, remove_trash
from xpstore_server.store.transaction import Transaction
from xpstore_server.store.transfers.client_packs import ClientPacks

NO_GRACE = Grace(0, 0, 0)  # but for the undo window
NOW = sweep.NO_GRACE
HOUR_US = 3_600 * 1_000_000


class WatchedBlobs:
    """A blob store that remembers what it holds, and does something of the test's choice before a pack is written."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self.is_own_folder = blobs.is_own_folder
        self.keys: set[str] = set()
        self.before_put: Callable[[], None] = lambda: None

    def put(self, key: str, parts: Sequence[Buffer]) -> None:
        self.before_put()
        self._blobs.put(key, parts)
        self.keys.add(key)

    def get(self, key: str, offset: int, length: int) -> bytes:
        return self._blobs.get(key, offset, length)

    def spot(self, key: str, offset: int, length: int, seconds: int) -> Spot | None:
        return self._blobs.spot(key, offset, length, seconds)

    def inlet(self, key: str, size_bytes: int, crc32: int, seconds: int) -> Spot | None:
        return self._blobs.inlet(key, size_bytes, crc32, seconds)

    def adopt(self, key: str, size_bytes: int) -> int:
        self.keys.add(key)
        return self._blobs.adopt(key, size_bytes)

    def delete(self, key: str) -> None:
        self._blobs.delete(key)
        self.keys.discard(key)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        return self._blobs.list(prefix)

    def hidden(self, prefix: str) -> Iterator[tuple[str, int]]:
        return self._blobs.hidden(prefix)

    def check(self, timeout_seconds: float) -> None:
        self._blobs.check(timeout_seconds)

    def describe(self) -> Sequence[str]:
        return self._blobs.describe()

    def close(self) -> None:
        self._blobs.close()


class Store:
    """The stores of a server without the server."""

    def __init__(self, backend: Backend) -> None:
        self.database = Database(backend.database_url)
        migrate.upgrade(self.database)
        for table in (tables.project, tables.experiment, tables.model):  # the latter two of limbo
            (key,) = table.primary_key.columns
            others = table.delete().where(key.not_in(HIDDEN))
            self.database.write(lambda tx, others=others: tx.execute(others).rowcount)  # type: ignore[misc]
        self.blobs = WatchedBlobs(open_blobs(backend.blob_url, 4))
        self.chunks = ChunkStore(self.database, self.blobs)
        self.client_packs = ClientPacks(self.database, self.blobs)
        self.publisher = Publisher(self.database, self.chunks, CODEC)
        needs = Needs(self.database, self.chunks, CODEC)
        self.collector = GarbageCollector(self.database, self.chunks, self.blobs, needs)
        self.index_builder = IndexBuilder(self.database, self.chunks, self.blobs, needs)
        self.pool = self._new_project()

    def _new_project(self) -> str:
        id_ = str(uuid.uuid4())
        options = {"project_id": id_, "name": "p", "description": "", "creation_id": id_, "allow_existing": False}
        row, _ = self.database.write(lambda tx: project.create(tx, "me", **options))  # type: ignore[arg-type]
        return str(row.uid)

    def put(self, *pieces: bytes) -> list[bytes]:
        """Writes a pack; returns the digests."""
        self.chunks.write_pack(self.pool, [EncodedChunk(digest_of(one), NONE, len(one), one) for one in pieces])
        return [digest_of(one) for one in pieces]

    def commit(self, *pieces: bytes, name: str = "x", version_id: str | None = None) -> str:
        """Publishes files with these contents; their chunks must be there. Returns the version's id."""
        page = page_of(*(entry_of(f"{at:03}", one) for at, one in enumerate(pieces)))
        self.put(page)
        row, _ = self.publisher.commit(
            "me",
            project_uid=self.pool,
            version_id=version_id or str(uuid.uuid4()),
            draft=Draft(name, "directory"),
            pages=[PageRef(digest_of(page), len(page), "000", 0)],
        )
        return str(row.id)

    def digest(self, version_id: str) -> bytes:
        return bytes(self.database.read(lambda tx: artifact.get(tx, version_id)).digest)

    def delete(self, version_id: str) -> None:
        assert self.database.write(lambda tx: artifact.delete_version(tx, "me", version_id))

    def undelete(self, version_id: str) -> None:
        self.database.write(lambda tx: artifact.undelete_version(tx, "me", version_id))

    def gc(self, grace: Grace = NOW, *, repack_all: bool = False) -> Swept:
        return self.collector.collect(grace, repack_all=repack_all)

    def ends(self, grace: Grace) -> Ends:
        return grace.ends(self.database.read(lambda tx: tx.now_us()))

    def sweep(self, grace: Grace = NO_GRACE) -> tuple[int, int]:
        """How many packs were condemned, and how many objects removed."""
        swept, ends = Swept(), self.ends(grace)
        give_up(self.database, ends)
        condemn(self.database, ends, swept)
        remove_trash(self.database, self.blobs, ends, swept)
        return swept.condemned_packs, swept.removed_objects

    def count(self, table: Any) -> int:
        return int(self.database.read(lambda tx: tx.execute(select(func.count()).select_from(table)).scalar_one()))

    def age(self, table: Any, column: str, age_us: int) -> None:
        """Makes everything in a table older."""
        aged = update(table).values({column: table.c[column] - age_us})
        self.database.write(lambda tx: tx.execute(aged).rowcount)

    def dump(self) -> dict[str, list[Any]]:
        """All rows of all tables."""

        def rows(tx: Transaction) -> dict[str, list[Any]]:
            return {
                name: sorted(map(repr, tx.execute(select(table)))) for name, table in tables.metadata.tables.items()
            }

        return self.database.read(rows)

    def check_objects(self) -> None:
        """Every object is of a pack that is known: nothing would have to list the bucket."""
        query = select(tables.pack.c.id).union(select(tables.pack_pending.c.id))
        known = set(self.database.read(lambda tx: tx.execute(query).scalars().all()))
        assert {key.rpartition("/")[2] for key in self.blobs.keys} <= known


def fresh(count: int = 1) -> list[bytes]:
    return [os.urandom(100) for _ in range(count)]


def needed_chunks(database: Database, chunks: ChunkStore) -> set[tuple[str, bytes]]:
    """Pool and digest of each chunk that a live version needs, read from the manifests."""
    version, owner = tables.artifact_version, tables.project
    query = select(version.c.project_uid, version.c.manifest).join(owner, owner.c.uid == version.c.project_uid)
    live = query.where(version.c.state == "live", owner.c.deleted_at_us.is_(None))
    needed = set[tuple[str, bytes]]()
    for row in database.read(lambda tx: tx.execute(live).all()):
        for page in pb.ManifestRoot.FromString(bytes(row.manifest)).pages:
            needed.add((row.project_uid, page.digest))
            (data,) = chunks.read(row.project_uid, [page.digest])
            for entry in pb.ManifestPage.FromString(bytes(data)).entries:
                digests = (entry.chunk_digests[start : start + 32] for start in range(0, len(entry.chunk_digests), 32))
                needed.update((row.project_uid, digest) for digest in digests)
    return needed


def contents(blobs: BlobStore) -> tuple[int, dict[tuple[str, bytes], int], int]:
    """Bytes of all objects, stored size of each chunk by pool and digest, and how many copies there are."""
    size_bytes, sizes, copies = 0, dict[tuple[str, bytes], int](), 0
    for key, size in blobs.list("packs/"):
        data = blobs.get(key, 0, size)
        pool, placed = decode_footer(data)
        assert len(data) == size == sum(entry.stored_size for entry in placed) + footer_size(len(placed))
        sizes.update(((pool, entry.digest), entry.stored_size) for entry in placed)
        size_bytes += size
        copies += len(placed)
    return size_bytes, sizes, copies


def check_exact(database: Database, chunks: ChunkStore, blobs: BlobStore) -> None:
    """The bucket holds each chunk that live versions need once, and nothing else."""
    _, sizes, copies = contents(blobs)
    assert sizes.keys() == needed_chunks(database, chunks)
    assert copies == len(sizes)
