"""Buckets that keep versions or lock objects: freed is what is gone, and what is held is told and tried again."""

import secrets
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from minio.commonconfig import ENABLED
from minio.objectlockconfig import DAYS, ObjectLockConfig
from minio.versioningconfig import SUSPENDED, VersioningConfig

from s3_server import SeaweedFS
from support.backends import Backend, sqlite_url
from support.between.lying_s3 import LyingS3, Said, refusal, when
from support.operation.operating import run
from support.services import Server
from support.stores import Store, check_exact, fresh
from xpstore_server.store import bucket, tables
from xpstore_server.store.blobs.minio import MinioBlobs


def kept(seaweedfs: SeaweedFS, name: str) -> list[tuple[str, bool]]:
    """All versions and marks of deletions in a bucket."""
    found = seaweedfs.client.list_objects(bucket_name=name, recursive=True, include_version=True)
    return [(str(one.object_name), bool(one.is_delete_marker)) for one in found]


def versioned(seaweedfs: SeaweedFS, status: str = ENABLED) -> str:
    name = f"versions-{secrets.token_hex(6)}"
    seaweedfs.create_bucket(name)
    seaweedfs.client.set_bucket_versioning(bucket_name=name, config=VersioningConfig(status=ENABLED))
    if status != ENABLED:
        seaweedfs.client.set_bucket_versioning(bucket_name=name, config=VersioningConfig(status=status))
    return name


@pytest.fixture
def name(seaweedfs: SeaweedFS, lying: LyingS3) -> Iterator[str]:
    yield versioned(seaweedfs)
    lying.rules.clear()
    lying.asked.clear()


@pytest.fixture
def store(name: str, lying: LyingS3, tmp_path: Path) -> Iterator[Store]:
    url = lying.blob_url(name)
    store = Store(Backend(name="sqlite-s3", database_url=sqlite_url(tmp_path / "x.db"), blob_url=url))
    yield store
    store.blobs.close()
    store.database.close()


def saved(store: Store, name: str = "x") -> str:
    pieces = fresh(3)
    store.put(*pieces)
    return store.commit(*pieces, name=name)


@pytest.mark.parametrize("status", [ENABLED, SUSPENDED])
def test_deletion_leaves_no_version_and_no_mark(status: str, seaweedfs: SeaweedFS) -> None:
    name = versioned(seaweedfs, status)
    blobs = MinioBlobs.from_url(seaweedfs.blob_url(name), 2)
    assert any("keeps versions" in line for line in blobs.describe())
    for _ in range(2):  # a PUT of which the answer was lost is made again
        blobs.put("packs/a", [b"bytes"])
    blobs.put("packs/ab", [b"another"])
    blobs.delete("packs/a")
    assert kept(seaweedfs, name) == [("packs/ab", False)]
    blobs.delete("packs/none")
    blobs.delete("packs/ab")
    assert kept(seaweedfs, name) == []
    blobs.close()


def test_versions_that_come_while_the_server_runs_are_seen(seaweedfs: SeaweedFS) -> None:
    name = f"later-{secrets.token_hex(6)}"
    blobs = MinioBlobs.from_url(seaweedfs.create_bucket(name), 2)
    assert len(blobs.describe()) == 1
    seaweedfs.client.set_bucket_versioning(bucket_name=name, config=VersioningConfig(status=ENABLED))
    blobs.put("packs/a", [b"bytes"])
    blobs.delete("packs/a")
    assert kept(seaweedfs, name) == []
    assert any("keeps versions" in line for line in blobs.describe())
    blobs.close()


def test_gc_frees_what_it_says(store: Store, seaweedfs: SeaweedFS, name: str) -> None:
    store.delete(saved(store))
    before = sum(size for _, size in store.blobs.list("packs/"))
    swept = store.gc()
    assert (swept.freed_bytes, swept.held_objects) == (before, 0)
    assert kept(seaweedfs, name) == []


def test_put_whose_answer_was_lost_leaves_no_version(
    store: Store, lying: LyingS3, seaweedfs: SeaweedFS, name: str
) -> None:
    lying.rules.append(when("PUT", lambda asked, pass_on: (pass_on(), Said(503))[1], times=1))
    store.delete(saved(store))
    assert len(kept(seaweedfs, name)) > len(list(store.blobs.list("packs/")))  # one is there twice
    assert store.gc().held_objects == 0
    assert kept(seaweedfs, name) == []


def test_what_an_older_release_left_hidden_is_found_and_freed(
    store: Store, seaweedfs: SeaweedFS, name: str, tmp_path: Path
) -> None:
    here, gone = saved(store, "here"), saved(store, "gone")
    store.delete(gone)
    before = set(store.blobs.list("packs/"))
    swept = store.gc()
    left = set(store.blobs.list("packs/"))
    for key, size in before - left:  # as it was: a mark instead of a removal
        seaweedfs.client.put_object(bucket_name=name, object_name=key, data=_bytes(size), length=size)
        seaweedfs.client.remove_object(bucket_name=name, object_name=key)
    found = bucket.verify(store.database, store.blobs, print)
    assert found.is_sound
    assert (found.hidden_objects, found.hidden_bytes) == (len(before - left), swept.freed_bytes)
    assert found.unknown_objects == 0
    store.database.close()
    environment = {"XPSTORE_BLOB_URL": seaweedfs.blob_url(name), "XPSTORE_DATABASE_URL": sqlite_url(tmp_path / "x.db")}
    result = run("gc", "--verify-bucket", folder=tmp_path, **environment)
    assert result.returncode == 0, result.stderr
    assert f"deleted, but kept by it  {found.hidden_objects} (" in result.stdout
    assert not any(is_mark for _, is_mark in kept(seaweedfs, name))
    assert {key for key, _ in kept(seaweedfs, name)} == {key for key, _ in left}
    assert here


def test_what_a_lock_holds_is_told_as_held_and_tried_again(store: Store, lying: LyingS3, seaweedfs: SeaweedFS) -> None:
    store.delete(saved(store))
    before = sum(size for _, size in store.blobs.list("packs/"))
    locked = when("DELETE", refusal(403, "AccessDenied"), query="versionId")
    lying.rules.append(locked)
    for _ in range(2):
        swept = store.gc()
        assert (swept.freed_bytes, swept.removed_objects, swept.held_bytes) == (0, 0, before)
        assert swept.held_objects == store.count(tables.pack_pending) > 0
    found = bucket.verify(store.database, store.blobs, print)
    assert found.is_sound and not found.unknown_objects  # they have a row
    lying.rules.clear()
    swept = store.gc()
    assert (swept.freed_bytes, swept.held_objects) == (before, 0)
    assert store.count(tables.pack_pending) == 0
    check_exact(store.database, store.chunks, store.blobs)


def test_key_that_may_not_list_versions_frees_nothing_and_says_so(store: Store, lying: LyingS3) -> None:
    store.delete(saved(store))
    lying.rules.append(when("GET", refusal(403, "AccessDenied"), key="", query="versions"))
    swept = store.gc()
    assert swept.held_objects and not swept.freed_bytes


def test_lock_of_a_real_server_holds_and_is_told_at_start(seaweedfs: SeaweedFS, tmp_path: Path) -> None:
    name = f"locked-{secrets.token_hex(6)}"
    seaweedfs.client.make_bucket(bucket_name=name, object_lock=True)
    config = ObjectLockConfig(mode="GOVERNANCE", duration=1, duration_unit=DAYS)
    seaweedfs.client.set_object_lock_config(bucket_name=name, config=config)
    url = seaweedfs.blob_url(name)
    store = Store(Backend(name="sqlite-s3", database_url=sqlite_url(tmp_path / "x.db"), blob_url=url))
    assert any("object lock" in line and "1 days (GOVERNANCE)" in line for line in store.blobs.describe())
    store.delete(saved(store))
    swept = store.gc()
    assert swept.held_objects and not swept.freed_bytes
    assert len(kept(seaweedfs, name)) == swept.held_objects
    settings = {"XPSTORE_BLOB_URL": url, "XPSTORE_DATABASE_URL": sqlite_url(tmp_path / "x.db")}
    for command in (["gc", "--now"], ["gc", "--now", "--verify-bucket"]):
        told = run(*command, folder=tmp_path, **settings).stdout
        assert f"held by the bucket, not freed  {swept.held_objects} (" in told, told
    with Server(settings["XPSTORE_DATABASE_URL"], url, tmp_path) as server:
        assert "object lock" in server.log.read_text()
    store.blobs.close()
    store.database.close()


def _bytes(size: int) -> BytesIO:
    return BytesIO(b"x" * size)
