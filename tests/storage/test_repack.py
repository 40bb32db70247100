"""Repacking: whoever reads, commits, sweeps, crashes or repacks meanwhile, nothing alive is lost."""

from typing import Any

import pytest
from sqlalchemy import select, update

from support.garbage import large, pinned, read
from support.raw import digest_of
from support.stores import HOUR_US, NOW, Store, check_exact, fresh
from xpstore_server.store import purge, tables
from xpstore_server.store.errors import MissingChunks
from xpstore_server.store.repack import candidates
from xpstore_server.store.sweep import Grace, Swept


@pytest.mark.store
def test_reader_that_found_its_chunks_before_a_repack_reads_them_after_it(store: Store) -> None:
    kept, dead = large(2), large()
    pinned(store, kept, dead)
    places = store.chunks.resolve(store.pool, [digest_of(piece) for piece in kept])
    assert store.gc().repacked_packs == 1
    for piece in kept:
        (found,) = store.chunks.fetch(store.pool, [places[digest_of(piece)]])
        assert found.data == piece


@pytest.mark.store
def test_commit_during_a_repack_keeps_what_the_repack_took_for_dead(store: Store) -> None:
    kept, dead = large(2), large(2)
    pinned(store, kept, dead)
    versions: list[str] = []

    def commit() -> None:
        if not versions:
            versions.append("")
            versions[0] = store.commit(*dead, name="in between")

    store.blobs.before_put = commit
    assert store.gc().repacked_packs == 0
    read(store, *kept, *dead)
    assert store.gc(repack_all=True).removed_objects
    read(store, *kept, *dead)


@pytest.mark.store
def test_commit_that_resolved_packs_before_a_repack_finds_them_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, dead = large(2), large(2)
    pinned(store, kept, dead)
    check, runs = store.publisher._check, list[Swept]()

    def slow_check(*arguments: Any) -> Any:
        checked = check(*arguments)
        if not runs:
            runs.append(store.gc())
        return checked

    monkeypatch.setattr(store.publisher, "_check", slow_check)
    with pytest.raises(MissingChunks):
        store.commit(*kept, *dead, name="all")
    assert runs[0].repacked_packs == 1
    read(store, *kept)


@pytest.mark.store
def test_version_purged_during_a_repack_is_noticed(store: Store) -> None:
    kept, dead, late = large(2), large(2), large(2)
    store.put(*late, *kept, *dead)
    store.commit(*kept, name="kept")
    store.delete(store.commit(*dead, name="dead"))
    version = store.commit(*late, name="late")
    done: list[bool] = []

    def drop() -> None:
        if not done:
            done.append(True)
            store.delete(version)
            purge.purge(store.database, store.ends(NOW), Swept())

    store.blobs.before_put = drop
    assert store.gc().repacked_packs == 0
    assert store.gc().repacked_packs == 1
    check_exact(store.database, store.chunks, store.blobs)


@pytest.mark.store
def test_two_repacks_at_once_do_the_work_once(store: Store) -> None:
    kept, dead = large(2), large(2)
    pinned(store, kept, dead)
    others: list[Swept] = []

    def other() -> None:
        if not others:
            others.append(Swept())
            others[0] = store.gc()

    store.blobs.before_put = other
    assert store.gc().repacked_packs == 0
    assert others[0].repacked_packs == 1
    check_exact(store.database, store.chunks, store.blobs)
    read(store, *kept)


@pytest.mark.store
def test_repack_that_the_sweep_takes_for_abandoned_leaves_nothing(store: Store) -> None:
    kept, dead = large(2), large(2)
    pinned(store, kept, dead)
    sweeps: list[object] = []
    store.blobs.before_put = lambda: sweeps.append(store.sweep()) if not sweeps else None
    assert store.gc().repacked_packs == 0
    read(store, *kept)
    store.check_objects()
    assert store.gc().repacked_packs == 1


@pytest.mark.store
def test_repack_that_crashed_is_done_again(store: Store) -> None:
    kept, dead = large(2), large(2)
    pinned(store, kept, dead)

    def crash() -> None:
        raise SystemExit

    store.blobs.before_put = crash
    with pytest.raises(SystemExit):
        store.gc()
    store.blobs.before_put = lambda: None
    assert store.gc().repacked_packs == 1
    read(store, *kept)
    check_exact(store.database, store.chunks, store.blobs)


@pytest.mark.store
def test_version_that_is_being_committed_keeps_its_packs_as_they_are(store: Store) -> None:
    kept, dead = large(2), large(2)
    version = pinned(store, kept, dead)
    state = update(tables.artifact_version).where(tables.artifact_version.c.id == version)
    store.database.write(lambda tx: tx.execute(state.values(state="committing")).rowcount)
    assert store.gc(Grace(0, 0, HOUR_US, 0)).repacked_packs == 0
    store.database.write(lambda tx: tx.execute(state.values(state="live")).rowcount)
    assert store.gc().repacked_packs == 1


@pytest.mark.store
def test_damaged_pack_is_left_as_it_is(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    kept, dead = large(2), large(2)
    pinned(store, kept, dead)
    place = store.chunks.resolve(store.pool, [digest_of(kept[0])])[digest_of(kept[0])]
    (key,) = (key for key in store.blobs.keys if place.pack_id in key)
    sound = store.blobs.get(key, 0, 1 << 30)
    store.blobs.put(key, [b"x" * len(sound)])
    before = store.count(tables.chunk)
    assert store.gc().repacked_packs == 0
    assert place.pack_id in caplog.text and "cannot be repacked" in caplog.text
    assert store.count(tables.chunk) >= before - 2  # the page of the version that is gone
    store.blobs.put(key, [sound])
    assert store.gc().repacked_packs == 1
    read(store, *kept)


@pytest.mark.store
def test_pack_of_a_version_whose_manifest_is_lost_is_left_as_it_is(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    kept, dead = large(2), large(2)
    version = pinned(store, kept, dead)
    place = store.chunks.resolve(store.pool, [digest_of(kept[0])])[digest_of(kept[0])]
    edges = select(tables.artifact_pack.c.pack_id).where(tables.artifact_pack.c.version_id == version)
    needed = store.database.read(lambda tx: tx.execute(edges).scalars().all())
    (page,) = (key for key in store.blobs.keys if key[-36:] in needed and place.pack_id not in key)
    sound = store.blobs.get(page, 0, 999)
    store.blobs.delete(page)
    assert store.gc().repacked_packs == 0
    assert version in caplog.text and "cannot be asked" in caplog.text
    read(store, *kept)
    store.blobs.put(page, [sound])
    assert store.gc().repacked_packs == 1


@pytest.mark.store
def test_few_chunks_are_looked_at_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, bound in {"BATCH_PACKS": 3, "BATCH_CHUNKS": 6, "GROUP_PACKS": 2, "GROUP_CHUNKS": 4, "POOLS": 1}.items():
        monkeypatch.setattr(candidates, name, bound)
    kept = []
    for _ in range(3):
        store.pool = store._new_project()
        for at in range(5):
            pieces = fresh(5)
            store.put(*pieces)
            store.commit(*pieces[:2], name=str(at))
            kept.append((store.pool, pieces[:2]))
    asked: list[int] = []
    among = store.collector._needs.among

    def count(pool: str, version_ids: Any, digests: Any) -> Any:
        asked.append(len(digests))
        return among(pool, version_ids, digests)

    monkeypatch.setattr(store.collector._needs, "among", count)
    assert store.gc().repacked_packs >= 15
    assert len(asked) >= 15 and max(asked) <= 6
    for pool, pieces in kept:
        assert list(store.chunks.read(pool, [digest_of(piece) for piece in pieces])) == pieces
