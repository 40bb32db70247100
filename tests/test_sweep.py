"""The sweep and its fence: what nothing needs goes, what anything needs stays, whoever is faster."""

import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import func, select, update

from conftest import Backend
from raw import digest_of, entry_of, page_of
from xpstore_server.core import artifact, project, publish
from xpstore_server.core.manifest import PageRef
from xpstore_server.core.publish import Draft, Publisher
from xpstore_server.rpc.manifest import CODEC
from xpstore_server.store import migrate, tables
from xpstore_server.store.blobs import BlobStore, Buffer, open_blobs
from xpstore_server.store.chunks import NONE, ChunkStore, EncodedChunk
from xpstore_server.store.database import Database, Transaction
from xpstore_server.store.errors import BlobDamaged, BlobMissing, MissingChunks
from xpstore_server.store.sweep import Grace, Swept, sweep

NO_GRACE = Grace(0, 0, 0)
HOUR_US = 3_600 * 1_000_000


class WatchedBlobs:
    """A blob store that remembers what it holds, and does something of the test's choice before a pack is written."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self.keys: set[str] = set()
        self.before_put: Callable[[], None] = lambda: None

    def put(self, key: str, parts: Sequence[Buffer]) -> None:
        self.before_put()
        self._blobs.put(key, parts)
        self.keys.add(key)

    def get(self, key: str, offset: int, length: int) -> bytes:
        return self._blobs.get(key, offset, length)

    def delete(self, key: str) -> None:
        self._blobs.delete(key)
        self.keys.discard(key)

    def close(self) -> None:
        self._blobs.close()


class Store:
    """The stores of a server without the server."""

    def __init__(self, backend: Backend) -> None:
        self.database = Database(backend.database_url)
        migrate.upgrade(self.database)
        self.database.write(lambda tx: tx.execute(tables.project.delete()).rowcount)
        self.blobs = WatchedBlobs(open_blobs(backend.blob_url, 4))
        self.chunks = ChunkStore(self.database, self.blobs)
        self.publisher = Publisher(self.database, self.chunks, CODEC)
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

    def sweep(self, grace: Grace = NO_GRACE) -> Swept:
        return sweep(self.database, self.chunks, grace)

    def count(self, table: Any) -> int:
        return int(self.database.read(lambda tx: tx.execute(select(func.count()).select_from(table)).scalar_one()))

    def age(self, table: Any, column: str, age_us: int) -> None:
        """Makes everything in a table older."""
        aged = update(table).values({column: table.c[column] - age_us})
        self.database.write(lambda tx: tx.execute(aged).rowcount)

    def check_objects(self) -> None:
        """Every object is of a pack that is known: nothing would have to list the bucket."""
        query = select(tables.pack.c.id).union(select(tables.pack_pending.c.id))
        known = set(self.database.read(lambda tx: tx.execute(query).scalars().all()))
        assert {key.rpartition("/")[2] for key in self.blobs.keys} <= known


@pytest.fixture
def store(backend: Backend) -> Iterator[Store]:
    store = Store(backend)
    store.sweep()
    yield store
    store.check_objects()
    store.database.close()
    store.blobs.close()


def fresh(count: int = 1) -> list[bytes]:
    return [os.urandom(100) for _ in range(count)]


@pytest.mark.store
def test_pack_that_nothing_needs_is_removed(store: Store) -> None:
    needed, unneeded = fresh(), fresh()
    store.put(*needed)
    version = store.commit(*needed)
    store.put(*unneeded)
    assert store.sweep() == Swept(1, 1)
    assert store.sweep() == Swept(0, 0)
    assert store.chunks.missing(store.pool, [digest_of(*unneeded), digest_of(*needed)]) == {digest_of(*unneeded)}
    assert list(store.chunks.read(store.pool, [digest_of(*needed)])) == needed
    assert len(store.blobs.keys) == store.count(tables.pack)
    assert store.database.read(lambda tx: artifact.get(tx, version)).version == 1


@pytest.mark.store
def test_pack_stays_for_its_grace(store: Store) -> None:
    store.put(*fresh())
    grace = Grace()
    assert store.sweep(grace) == Swept(0, 0)
    store.age(tables.pack, "touched_at_us", 24 * HOUR_US)
    assert store.sweep(grace) == Swept(0, 0)
    store.age(tables.pack, "touched_at_us", 2 * HOUR_US)
    assert store.sweep(grace) == Swept(1, 0)
    assert len(store.blobs.keys) == 1
    store.age(tables.pack_pending, "created_at_us", 2 * HOUR_US)
    assert store.sweep(grace) == Swept(0, 1)
    assert not store.blobs.keys


@pytest.mark.store
def test_chunk_found_by_somebody_stays_for_another_grace(store: Store) -> None:
    pieces = fresh()
    store.put(*pieces)
    store.age(tables.pack, "touched_at_us", 26 * HOUR_US)
    assert store.chunks.missing(store.pool, [digest_of(*pieces)]) == set()
    assert store.sweep(Grace()) == Swept(0, 0)
    store.put(*pieces)
    assert store.count(tables.pack) == 1


@pytest.mark.store
def test_commit_after_the_sweep_names_what_is_missing(store: Store) -> None:
    pieces = fresh(2)
    store.put(*pieces)
    store.sweep()
    with pytest.raises(MissingChunks) as caught:
        store.commit(*pieces)
    assert set(caught.value.digests) == set(map(digest_of, pieces))
    assert store.count(tables.artifact_version) == store.count(tables.artifact_pack)
    store.put(*pieces)
    store.commit(*pieces)
    assert store.sweep() == Swept(0, 0)


@pytest.mark.store
def test_sweep_between_the_look_and_the_commit_is_noticed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = fresh(2)
    store.put(*pieces)
    check = store.publisher._check

    def slow_check(*arguments: Any) -> Any:
        checked = check(*arguments)
        store.sweep()
        return checked

    monkeypatch.setattr(store.publisher, "_check", slow_check)
    with pytest.raises(MissingChunks):
        store.commit(*pieces)
    assert store.count(tables.artifact_version) == 0


@pytest.mark.store
def test_pack_given_up_while_it_is_written_is_written_again(store: Store) -> None:
    sweeps: list[Swept] = []

    def sweep_once() -> None:
        if not sweeps:
            sweeps.append(store.sweep())

    store.blobs.before_put = sweep_once
    pieces = fresh()
    store.put(*pieces)
    assert sweeps == [Swept(0, 1)]
    assert len(store.blobs.keys) == store.count(tables.pack) == 1
    assert list(store.chunks.read(store.pool, [digest_of(*pieces)])) == pieces


@pytest.mark.store
def test_half_written_pack_of_a_crash_is_removed(store: Store) -> None:
    def crash() -> None:
        raise SystemExit

    store.blobs.before_put = crash
    with pytest.raises(SystemExit):
        store.put(*fresh())
    assert (store.count(tables.pack), store.count(tables.pack_pending)) == (0, 1)
    assert store.sweep(Grace()) == Swept(0, 0)
    assert store.sweep() == Swept(0, 1)
    assert store.count(tables.pack_pending) == 0


@pytest.mark.store
def test_commit_that_the_sweep_takes_for_abandoned_is_made_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Edges of a large commit come in batches; the sweep may delete the first ones before the last ones come."""
    monkeypatch.setattr(publish, "EDGES", 2)
    pieces = fresh(9)
    for piece in pieces:
        store.put(piece)
    finish, tries = publish._Version.finish, list[int]()

    def late_finish(version: Any, tx: Transaction, pack_ids: Any) -> Any:
        if not tries:
            committing = tables.artifact_version.c.state == "committing"
            tx.execute(tables.artifact_version.delete().where(committing))
        tries.append(len(pack_ids))
        return finish(version, tx, pack_ids)

    monkeypatch.setattr(publish._Version, "finish", late_finish)
    version = store.commit(*pieces)
    assert tries == [2, 2]
    edges = select(func.count()).where(tables.artifact_pack.c.version_id == version)
    assert store.database.read(lambda tx: tx.execute(edges).scalar_one()) == 10
    assert store.sweep() == Swept(0, 0)


@pytest.mark.store
def test_commit_left_half_way_is_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "EDGES", 1)

    def crash(*_: Any) -> None:
        raise SystemExit

    pieces = fresh(3)
    for piece in pieces:
        store.put(piece)
    with monkeypatch.context() as patch:
        patch.setattr(publish._Version, "finish", crash)
        with pytest.raises(SystemExit):
            store.commit(*pieces)
    edges = store.count(tables.artifact_pack)
    assert edges and store.count(tables.artifact_version) == 1
    assert store.sweep(Grace(0, 0)).condemned_packs == 4 - edges
    assert store.sweep().condemned_packs == edges
    assert store.count(tables.artifact_version) == store.count(tables.artifact_pack) == 0


@pytest.mark.store
def test_content_of_an_earlier_try_is_not_published(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "EDGES", 1)
    first, second = fresh(2), fresh(2)
    for piece in (*first, *second):
        store.put(piece)
    id_ = str(uuid.uuid4())

    def crash(*_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(publish._Version, "finish", crash)
        with pytest.raises(SystemExit):
            store.commit(*first, version_id=id_)
    expected = store.commit(*second, name="other")
    assert store.commit(*second, version_id=id_) == id_
    assert store.digest(id_) == store.digest(expected)


@pytest.mark.store
def test_lost_or_damaged_object_is_told_apart(store: Store) -> None:
    pieces = fresh()
    digests = store.put(*pieces)
    (key,) = store.blobs.keys
    place = store.chunks.resolve(store.pool, digests)[digests[0]]
    store.blobs.put(key, [b"x" * 500])
    with pytest.raises(BlobDamaged):
        store.chunks.read_at(store.pool, digests[0], place)
    store.blobs.put(key, [b"short"])
    with pytest.raises((BlobDamaged, BlobMissing)):
        store.chunks.read_at(store.pool, digests[0], place)
    store.blobs._blobs.delete(key)
    with pytest.raises(BlobMissing):
        store.chunks.read_at(store.pool, digests[0], place)
    with pytest.raises(MissingChunks):
        store.chunks.resolve(store.pool, [digest_of(b"unknown")])
