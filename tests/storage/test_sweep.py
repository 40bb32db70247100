"""The sweep and its fence: what nothing needs goes, what anything needs stays, whoever is faster."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import func, select

from support.backends import Backend
from support.raw import digest_of
from support.stores import HOUR_US, Store, fresh
from xpstore_server.core import artifact, publish
from xpstore_server.core.roles import session
from xpstore_server.store import tables
from xpstore_server.store.errors import BlobDamaged, BlobMissing, MissingChunks
from xpstore_server.store.sweep import Grace
from xpstore_server.store.transaction import Transaction


@pytest.fixture
def store(backend: Backend) -> Iterator[Store]:
    store = Store(backend)
    store.sweep()
    yield store
    store.check_objects()
    store.database.close()
    store.blobs.close()


@pytest.mark.store
def test_pack_that_nothing_needs_is_removed(store: Store) -> None:
    needed, unneeded = fresh(), fresh()
    store.put(*needed)
    version = store.commit(*needed)
    store.put(*unneeded)
    assert store.sweep() == (1, 1)
    assert store.sweep() == (0, 0)
    assert store.chunks.missing(store.pool, [digest_of(*unneeded), digest_of(*needed)]) == {digest_of(*unneeded)}
    assert list(store.chunks.read(store.pool, [digest_of(*needed)])) == needed
    assert len(store.blobs.keys) == store.count(tables.pack)
    assert store.database.read(lambda tx: artifact.get(tx, version)).version == 1


def test_sessions_that_ended_are_removed(store: Store) -> None:
    for _ in range(2):
        store.database.write(lambda tx: session.begin(tx, b"key", session.new_token(b"secret")))
    store.gc()
    assert store.count(tables.session) == 2
    store.age(tables.session, "ends_at_us", 12 * HOUR_US)
    store.gc()
    assert store.count(tables.session) == 0


@pytest.mark.store
def test_pack_stays_for_its_grace(store: Store) -> None:
    store.put(*fresh())
    grace = Grace()
    assert store.sweep(grace) == (0, 0)
    store.age(tables.pack, "touched_at_us", 24 * HOUR_US)
    assert store.sweep(grace) == (0, 0)
    store.age(tables.pack, "touched_at_us", 2 * HOUR_US)
    assert store.sweep(grace) == (1, 0)
    assert len(store.blobs.keys) == 1
    store.age(tables.pack_pending, "created_at_us", 2 * HOUR_US)
    assert store.sweep(grace) == (0, 1)
    assert not store.blobs.keys


@pytest.mark.store
def test_chunk_found_by_somebody_stays_for_another_grace(store: Store) -> None:
    pieces = fresh()
    store.put(*pieces)
    store.age(tables.pack, "touched_at_us", 26 * HOUR_US)
    assert store.chunks.missing(store.pool, [digest_of(*pieces)]) == set()
    assert store.sweep(Grace()) == (0, 0)
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
    assert store.sweep() == (0, 0)


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
    sweeps: list[tuple[int, int]] = []

    def sweep_once() -> None:
        if not sweeps:
            sweeps.append(store.sweep())

    store.blobs.before_put = sweep_once
    pieces = fresh()
    store.put(*pieces)
    assert sweeps == [(0, 1)]
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
    assert store.sweep(Grace()) == (0, 0)
    assert store.sweep() == (0, 1)
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
    assert store.sweep() == (0, 0)


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
    assert store.sweep(Grace(0, 0))[0] == 4 - edges
    assert store.sweep()[0] == edges
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
    store.blobs.put(key, [b"x" * 500])
    with pytest.raises(BlobDamaged):
        list(store.chunks.read(store.pool, digests))
    store.blobs.put(key, [b"short"])
    with pytest.raises((BlobDamaged, BlobMissing)):
        list(store.chunks.read(store.pool, digests))
    store.blobs._blobs.delete(key)
    with pytest.raises(BlobMissing):
        list(store.chunks.read(store.pool, digests))
    with pytest.raises(MissingChunks):
        store.chunks.resolve(store.pool, [digest_of(b"unknown")])
