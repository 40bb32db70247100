"""Commits that complete a computation, spoken by hand: what is published, and what is not."""

import time

import pytest

import xpstore
from support.raw import chunk_of, entry_of, page_of, root_of
from support.raw_cache import CODE, SECOND_US, RawCache, fingerprint_of, new_fingerprint, new_token, part_of, process_of
from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.v1 import artifact_pb2


def test_what_was_completed_is_a_hit(cache: RawCache) -> None:
    process = process_of(lr="0.1")
    process.parts.append(part_of("module.f", "body", CODE))
    fingerprint, token = fingerprint_of(process), new_token()
    assert cache.lookup(fingerprint) is None
    reserved = cache.reserve(fingerprint, token, holder="me")
    assert (reserved.granted.holder, reserved.granted.held_by) == ("me", "admin")
    length_us = reserved.granted.expires_at_us - reserved.granted.acquired_at_us
    assert length_us == 2.5 * reserved.renew_every_us == 25 * SECOND_US
    assert cache.lookup(fingerprint) is None
    version = cache.commit(fingerprint, token, process=process, duration_us=5).version
    assert (version.fingerprint, version.process) == (fingerprint, process)
    found = cache.lookup(fingerprint)
    assert found is not None
    assert (found.fingerprint, found.version, found.duration_us, found.completed_by) == (
        fingerprint,
        version,
        5,
        "admin",
    )
    assert not found.HasField("expires_at_us") and abs(found.completed_at_us / SECOND_US - time.time()) < 60
    assert cache.reserve(fingerprint, new_token()).entry.version == version
    # The readable form goes wherever the version goes.
    answer = cache.client.call(
        cache.raw.stub.GetArtifactVersion, artifact_pb2.GetArtifactVersionRequest(version_id=version.id)
    )
    assert answer.version == version and cache.raw.versions() == [version]


def test_entry_is_of_one_project(cache: RawCache) -> None:
    entry = cache.compute()
    with xpstore.Project(f"other {new_id()}") as other:
        assert RawCache(cache.client, other.uid).lookup(entry.fingerprint) is None


def test_lookup_finds_what_hangs_on_the_version(cache: RawCache) -> None:
    used = cache.compute(b"input")
    draft = {"aliases": ["best", "a"], "used_version_ids": [used.version.id]}
    entry = cache.compute(b"output", draft=draft)
    found = cache.lookup(entry.fingerprint)
    assert found is not None
    assert (list(found.version.aliases), list(found.version.used_version_ids)) == (["a", "best"], [used.version.id])


def test_each_entry_has_a_version_of_its_own(cache: RawCache) -> None:
    first, second = cache.compute(), cache.compute()
    assert first.version.digest == second.version.digest
    assert (first.version.version, second.version.version) == (1, 2)
    # Computed again, with the same result: nothing new.
    again = cache.compute(fingerprint=first.fingerprint)
    assert again.version == first.version and again.completed_at_us > first.completed_at_us
    # With another one, or under another name: a new version, and the old one stays.
    other = cache.compute(b"other", fingerprint=first.fingerprint)
    assert other.version.version == 3
    assert cache.compute(b"other", fingerprint=first.fingerprint, name="renamed").version.id != other.version.id
    assert len(cache.raw.versions()) == 4
    assert cache.compute(b"other", first.fingerprint, name="renamed", draft={"force": True}).version.version == 2


def test_repeated_commit_is_answered_with_the_same_version(cache: RawCache) -> None:
    fingerprint, token, id_ = new_fingerprint(), new_token(), new_id()
    cache.reserve(fingerprint, token)
    first = cache.commit(fingerprint, token, version_id=id_)
    assert first.created and cache.commit(fingerprint, token, version_id=id_) == first
    # Also of one that found the version there, and has not published its own id.
    again, other_id = new_token(), new_id()
    cache.reserve(fingerprint, again, force=True)
    for _ in range(2):
        answer = cache.commit(fingerprint, again, version_id=other_id)
        assert (answer.version.id, answer.created) == (id_, False)
    # Also after somebody else has replaced the entry.
    cache.compute(b"other", fingerprint)
    assert cache.commit(fingerprint, token, version_id=id_).version.id == id_
    assert len(cache.raw.versions()) == 2


def test_commit_without_the_lease_publishes_nothing(cache: RawCache) -> None:
    fingerprint, token = new_fingerprint(), new_token()
    with pytest.raises(errors.Stale):
        cache.commit(fingerprint, token)  # never reserved
    for end in (cache.release, cache.fail):
        cache.reserve(fingerprint, token)
        assert end(token)
        with pytest.raises(errors.Stale) as caught:
            cache.commit(fingerprint, token)
        assert "expected" not in caught.value.metadata
        token = new_token()
    assert cache.raw.versions() == [] and cache.lookup(fingerprint) is None


def test_commit_of_another_fingerprint_is_refused(cache: RawCache) -> None:
    fingerprint, token = new_fingerprint(), new_token()
    cache.reserve(fingerprint, token)
    with pytest.raises(errors.InvalidArgument) as caught:
        cache.commit(new_fingerprint(), token)
    assert caught.value.metadata["field"] == "cache_completion.fingerprint"
    with xpstore.Project(f"other {new_id()}") as other, pytest.raises(errors.Stale):
        RawCache(cache.client, other.uid).commit(fingerprint, token)
    # The lease is still there.
    assert cache.commit(fingerprint, token).created


def test_missing_chunks_do_not_end_the_lease(cache: RawCache) -> None:
    fingerprint, token, data = new_fingerprint(), new_token(), b"sent late"
    cache.reserve(fingerprint, token)
    page = page_of(entry_of("value", data))
    assert cache.commit_root(fingerprint, token, root_of(page)).missing_digests
    assert cache.lookup(fingerprint) is None and cache.renew(token) == []
    cache.raw.upload(chunk_of(data), chunk_of(page))
    assert cache.commit_root(fingerprint, token, root_of(page)).created
    assert cache.lookup(fingerprint) is not None


def test_id_of_a_plain_version_is_not_completed(cache: RawCache) -> None:
    plain = cache.raw.publish({"value": b"result"}, "results")
    fingerprint, token = new_fingerprint(), new_token()
    cache.reserve(fingerprint, token)
    with pytest.raises(errors.AlreadyExists):
        cache.commit(fingerprint, token, version_id=plain.id)
    assert not plain.HasField("process") and cache.commit(fingerprint, token).version.version == 2
