"""Deletion frees bytes: after the undo window, wherever they lie, whoever reads, commits or collects meanwhile."""

import os
import uuid

import numpy as np
import pytest
from sqlalchemy import insert, select

from support.garbage import lacks, large, large_put, pinned, read
from support.raw import KIB
from support.rows import append
from support.stores import HOUR_US, NOW, Store, check_exact, contents, fresh
from xpstore.format.packs import PACK_BYTES
from xpstore_server.core import artifact, project
from xpstore_server.core.errors import NotFound
from xpstore_server.core.metrics import metric
from xpstore_server.store import purge, tables
from xpstore_server.store.limbo import HIDDEN
from xpstore_server.store.points import from_values
from xpstore_server.store.repack import candidates
from xpstore_server.store.sweep import Grace, Swept
from xpstore_server.store.transaction import Transaction

DAY_US = 24 * HOUR_US


@pytest.mark.store
def test_deleted_version_can_be_brought_back_until_its_window_is_over(store: Store) -> None:
    pieces = large(2)
    store.put(*pieces)
    version = store.commit(*pieces)
    store.delete(version)
    store.age(tables.artifact_version, "deleted_at_us", 7 * DAY_US - HOUR_US)
    assert store.gc(Grace(0, 0, 0)) == Swept(repacked_packs=0)
    store.undelete(version)
    read(store, *pieces)
    store.delete(version)
    store.age(tables.artifact_version, "deleted_at_us", 7 * DAY_US)
    size_bytes = contents(store.blobs)[0]
    swept = store.gc(Grace(0, 0, 0))
    assert (swept.purged_versions, swept.condemned_packs, swept.removed_objects) == (1, 2, 2)
    assert swept.freed_bytes == size_bytes and not list(store.blobs.list(""))
    with pytest.raises(NotFound):
        store.undelete(version)


@pytest.mark.store
def test_janitor_of_a_fresh_store_takes_nothing(store: Store) -> None:
    pinned(store, large(), large())
    store.put(*fresh())
    before = store.dump()
    assert store.gc(Grace()) == Swept()
    assert store.dump() == before


@pytest.mark.store
def test_undelete_is_refused_from_the_moment_the_purge_decides(store: Store) -> None:
    pieces = fresh(2)
    for piece in pieces:
        store.put(piece)
    saved, lost = (store.commit(piece, name=str(at)) for at, piece in enumerate(pieces))
    store.delete(saved)
    store.delete(lost)
    store.undelete(saved)
    ends = store.ends(NOW)
    store.database.write(lambda tx: purge._mark_versions(tx, ends))
    assert store.count(tables.artifact_version) == 2
    with pytest.raises(NotFound):
        store.undelete(lost)
    assert store.gc().purged_versions == 1
    read(store, pieces[0])
    assert lacks(store, pieces[1])


@pytest.mark.store
def test_numbers_of_purged_versions_are_not_given_again(store: Store) -> None:
    for expected in (1, 2, 3):
        pieces = fresh()
        store.put(*pieces)
        version = store.commit(*pieces)
        assert store.database.read(lambda tx, id_=version: artifact.get(tx, id_)).version == expected  # type: ignore[misc]
        store.delete(version)
        assert store.gc().purged_versions == 1
    assert store.count(tables.artifact) == 1


@pytest.mark.store
def test_dead_bytes_of_a_pack_that_is_needed_are_freed(store: Store) -> None:
    kept, dead = large(2), large(3)
    version = pinned(store, kept, dead)
    before = contents(store.blobs)[0]
    swept = store.gc()
    assert (swept.purged_versions, swept.repacked_packs) == (1, 1)
    assert swept.freed_bytes - swept.written_bytes == before - contents(store.blobs)[0]
    check_exact(store.database, store.chunks, store.blobs)
    read(store, *kept)
    assert lacks(store, *dead)
    assert store.gc() == Swept()
    assert store.database.read(lambda tx: artifact.get(tx, version)).version == 1


@pytest.mark.store
def test_few_dead_bytes_are_left_until_everything_is_repacked(store: Store) -> None:
    kept, dead = large(9), large(1)
    pinned(store, kept, dead)
    assert store.gc().repacked_packs == 0
    assert not lacks(store, *dead)
    assert store.gc(repack_all=True).repacked_packs > 0
    check_exact(store.database, store.chunks, store.blobs)
    assert store.gc(repack_all=True) == Swept()


@pytest.mark.store
def test_bytes_of_an_upload_that_was_never_committed_are_freed(store: Store) -> None:
    kept, dead = large(), large()
    store.put(*kept, *dead)
    store.commit(*kept)
    assert store.gc(Grace()) == Swept()
    store.age(tables.pack, "touched_at_us", 26 * HOUR_US)
    assert store.gc(Grace()).repacked_packs == 1
    store.age(tables.pack_pending, "created_at_us", 2 * HOUR_US)
    store.gc(Grace())
    check_exact(store.database, store.chunks, store.blobs)


@pytest.mark.store
def test_copies_of_a_chunk_that_lost_are_freed(store: Store) -> None:
    pieces = large(2)
    uploads: list[int] = []

    def meanwhile() -> None:
        if not uploads:
            uploads.append(1)
            store.put(pieces[0])

    store.blobs.before_put = meanwhile
    store.put(*pieces)
    store.commit(*pieces)
    assert contents(store.blobs)[2] > len(contents(store.blobs)[1])
    store.gc()
    check_exact(store.database, store.chunks, store.blobs)


@pytest.mark.store
def test_chunks_promised_to_somebody_stay_for_the_grace(store: Store) -> None:
    kept, dead = large(), large()
    pinned(store, kept, dead)
    grace = Grace(undo_us=0)
    store.age(tables.pack, "touched_at_us", 26 * HOUR_US)
    assert not lacks(store, *dead)
    assert store.gc(grace).repacked_packs == 0
    store.commit(*dead, name="again")
    store.age(tables.pack, "touched_at_us", 26 * HOUR_US)
    assert store.gc(grace).repacked_packs == 0
    read(store, *dead)


@pytest.mark.store
def test_small_packs_are_merged(store: Store) -> None:
    pieces = fresh(candidates.MERGED)
    for piece in pieces[:-5]:
        store.put(piece)
        store.commit(piece, name="small")
    assert store.gc() == Swept()
    for piece in pieces[-5:]:
        store.put(piece)
        store.commit(piece, name="small")
    assert store.gc().repacked_packs == 2 * len(pieces)
    assert store.count(tables.pack) == len(list(store.blobs.list(""))) == 1
    read(store, *pieces)
    assert store.gc(repack_all=True) == Swept()


@pytest.mark.store
def test_merged_packs_are_of_the_usual_size(store: Store) -> None:
    pieces = [os.urandom(1000 * KIB) for _ in range(20)]
    for piece in pieces:
        store.put(piece)
    store.commit(*pieces)
    store.gc()
    sizes = sorted(size for _, size in store.blobs.list(""))
    assert len(sizes) == 2 and sizes[-1] <= PACK_BYTES
    read(store, *pieces)


@pytest.mark.store
def test_preview_says_what_would_go_and_changes_nothing(store: Store) -> None:
    pinned(store, large(2), large(2))
    store.put(*large())
    version = store.commit(*large_put(store))
    store.delete(version)
    before, objects = store.dump(), sorted(store.blobs.list(""))
    expected = store.collector.preview(NOW)
    assert store.collector.preview(Grace()) == Swept()
    assert (store.dump(), sorted(store.blobs.list(""))) == (before, objects)
    assert store.gc() == expected
    assert expected.purged_versions == 2 and expected.repacked_packs == 1 and expected.freed_bytes > 1000 * KIB


@pytest.mark.store
def test_deleted_project_is_freed_with_all_its_rows(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "BATCH", 100)
    kept = large_put(store)
    store.commit(*kept)
    uid, store.pool = store.pool, store._new_project()
    fill(store)
    monkeypatch.setattr(store, "pool", uid)
    doomed = select(tables.project.c.uid).where(tables.project.c.uid.not_in((uid, *HIDDEN)))
    (other,) = store.database.read(lambda tx: tx.execute(doomed).scalars().all())
    store.database.write(lambda tx: project.delete(tx, "me", project_uid=other))
    assert store.gc(Grace(0, 0, 0)).purged_projects == 0
    store.database.write(lambda tx: project.undelete(tx, "me", project_uid=other))
    store.database.write(lambda tx: project.delete(tx, "me", project_uid=other))
    preview = store.collector.preview(NOW)
    swept = store.gc()
    assert (preview.purged_projects, preview.freed_bytes) == (1, swept.freed_bytes)
    assert swept.purged_projects == 1 and swept.freed_bytes > 300 * KIB
    assert store.count(tables.block) == store.count(tables.series) == store.count(tables.model) == 0
    assert store.count(tables.experiment) == len(HIDDEN)
    assert (store.count(tables.project), store.count(tables.artifact_version)) == (1 + len(HIDDEN), 1)
    read(store, *kept)
    with pytest.raises(NotFound):
        store.database.write(lambda tx: project.undelete(tx, "me", project_uid=other))


def fill(store: Store) -> None:
    """A model with 1,000 metric points and an artifact."""
    store.commit(*large_put(store))
    ids = {name: str(uuid.uuid4()) for name in ("experiment", "model")}
    stamps = {"created_at_us": 1, "created_by": "me", "updated_at_us": 1, "updated_by": "me", "revision": 1}
    model = {"experiment_id": ids["experiment"], "hash": "h", "step": 0, "config_json": "{}", "next_ordinal": 0}
    points = from_values([("float", "1.0")] * 1000, [None] * 1000, [1] * 1000)
    part = metric.SeriesPart("loss", "", points, np.zeros(1000, np.int64))

    def unit(tx: Transaction) -> None:
        owner = {"project_uid": store.pool, **stamps}
        tx.execute(insert(tables.experiment), [{"id": ids["experiment"], "name": "e", **owner}])
        tx.execute(insert(tables.model), [{"id": ids["model"], **model, **owner}])
        append(tx, store.pool, ids["model"], part)

    store.database.write(unit)


@pytest.mark.store
def test_collection_that_is_stopped_goes_on_next_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "BATCH", 1)
    for _ in range(3):
        pinned(store, large(), large(2))
    for limit in range(12):
        answers = [False] * limit
        store.collector.collect(NOW, is_stopped=lambda answers=answers: answers.pop() if answers else True)  # type: ignore[misc]
    store.gc()
    check_exact(store.database, store.chunks, store.blobs)
