"""CacheService and the completion of a commit spoken by hand: hits, misses, bad input, and what a commit publishes."""

import time
from typing import Any

import pytest

import xpstore
from support.raw_cache import CODE, SECOND_US, RawCache, new_fingerprint, new_token, part_of, process_of
from support.services import Server
from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.v1 import artifact_pb2, project_pb2
from xpstore.v1 import cache_pb2 as pb


def delete(cache: RawCache, version_id: str) -> None:
    request = artifact_pb2.DeleteArtifactVersionRequest(version_id=version_id)
    cache.client.call(cache.raw.stub.DeleteArtifactVersion, request)


def undelete(cache: RawCache, version_id: str) -> None:
    request = artifact_pb2.UndeleteArtifactVersionRequest(version_id=version_id)
    cache.client.call(cache.raw.stub.UndeleteArtifactVersion, request)


def test_deleted_artifact_is_a_miss_until_it_is_undeleted(cache: RawCache) -> None:
    entry = cache.compute()
    delete(cache, entry.version.id)
    assert cache.lookup(entry.fingerprint) is None and list(cache.list().entries) == []
    explained = cache.explain(entry.fingerprint, process_of())
    assert explained.state == pb.CACHE_STATE_DELETED and not explained.entry.HasField("version")
    undelete(cache, entry.version.id)
    assert cache.lookup(entry.fingerprint) is not None
    delete(cache, entry.version.id)
    token = new_token()
    assert cache.reserve(entry.fingerprint, token).HasField("granted")
    assert cache.commit(entry.fingerprint, token).version.version == 2


def test_deleted_project_comes_back_with_its_entries(cache: RawCache, project: xpstore.Project) -> None:
    entry = cache.compute()
    project.delete()
    xpstore.Project.undelete(cache.project_uid)
    assert cache.lookup(entry.fingerprint) is not None


def test_entry_expires(cache: RawCache) -> None:
    entry = cache.compute(ttl_us=60 * SECOND_US)
    assert entry.expires_at_us == entry.completed_at_us + 60 * SECOND_US
    short = cache.compute(ttl_us=1)
    time.sleep(0.01)
    assert cache.lookup(short.fingerprint) is None and cache.lookup(entry.fingerprint) is not None
    explained = cache.explain(short.fingerprint, process_of())
    assert (explained.state, explained.entry.version) == (pb.CACHE_STATE_EXPIRED, short.version)
    assert [one.fingerprint for one in cache.list().entries] == [entry.fingerprint, short.fingerprint]
    # Computed anew with the same result, it has its version again.
    assert cache.compute(fingerprint=short.fingerprint).version.id == short.version.id
    assert cache.lookup(short.fingerprint) is not None


def update_project(cache: RawCache, *paths: str, **fields: Any) -> project_pb2.Project:
    request = project_pb2.UpdateProjectRequest(project_uid=cache.project_uid, **fields)
    request.update_mask.paths.extend(paths)
    return cache.client.call(cache.client.stubs.projects.UpdateProject, request).project


def test_age_is_bounded_by_request_and_by_project(cache: RawCache) -> None:
    entry = cache.compute()
    hour = 3600 * SECOND_US
    for max_age_us, is_hit in ((0, False), (1, False), (hour, True), ((1 << 63) - 1, True)):
        time.sleep(0.002)
        assert (cache.lookup(entry.fingerprint, max_age_us=max_age_us) is not None) == is_hit
    assert cache.reserve(entry.fingerprint, new_token(), max_age_us=0).HasField("granted")
    assert cache.explain(entry.fingerprint, process_of(), max_age_us=0).state == pb.CACHE_STATE_RUNNING
    assert update_project(cache, "cache_max_age_us", cache_max_age_us=1).cache_max_age_us == 1
    assert cache.lookup(entry.fingerprint) is None and cache.lookup(entry.fingerprint, max_age_us=hour) is None
    assert not update_project(cache, "cache_max_age_us").HasField("cache_max_age_us")
    assert cache.lookup(entry.fingerprint) is not None


def test_project_says_how_long_entries_live(cache: RawCache) -> None:
    before = cache.compute()
    changed = update_project(cache, "cache_ttl_us", cache_ttl_us=60 * SECOND_US)
    assert changed.cache_ttl_us == 60 * SECOND_US and not changed.HasField("cache_max_age_us")
    after, own = cache.compute(), cache.compute(ttl_us=SECOND_US)
    assert after.expires_at_us - after.completed_at_us == 60 * SECOND_US
    assert own.expires_at_us - own.completed_at_us == SECOND_US
    found = cache.lookup(before.fingerprint)
    assert found is not None and not found.HasField("expires_at_us")


@pytest.mark.parametrize("field", ["cache_ttl_us", "cache_max_age_us"])
@pytest.mark.parametrize("value", [0, -1, (1 << 63) - 1])
def test_bad_period_of_a_project_is_refused(field: str, value: int, cache: RawCache) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        update_project(cache, field, **{field: value})
    assert caught.value.metadata["field"] == field


def wait_for_hits(cache: RawCache, fingerprint: str, hits: int) -> pb.CacheEntry:
    deadline = time.monotonic() + 30
    while True:
        (entry,) = [one for one in cache.list().entries if one.fingerprint == fingerprint]
        if entry.hits == hits:
            return entry
        assert entry.hits < hits and time.monotonic() < deadline, entry.hits
        time.sleep(0.1)


def test_hits_are_counted(cache: RawCache) -> None:
    token, fingerprint = new_token(), new_fingerprint()
    cache.reserve(fingerprint, token)
    version = cache.commit(fingerprint, token, duration_us=7).version
    (fresh,) = cache.list().entries
    assert fresh.hits == 0 and not fresh.HasField("last_hit_at_us")
    for _ in range(3):
        cache.lookup(fingerprint)
    cache.reserve(fingerprint, new_token())
    cache.explain(fingerprint, process_of())
    entry = wait_for_hits(cache, fingerprint, 4)
    assert entry.last_hit_at_us >= entry.completed_at_us
    statistics = cache.statistics()
    assert (statistics.entry_count, statistics.hits, statistics.saved_us) == (1, 4, 28)
    assert statistics.size_bytes == version.size_bytes == len(b"result")


def test_hits_are_written_when_the_server_leaves(cache: RawCache, server: Server) -> None:
    entry = cache.compute()
    for _ in range(5):
        cache.lookup(entry.fingerprint)
    server.restart()
    (found,) = cache.list().entries
    assert found.hits == 6  # with the one of `compute`


def test_statistics_bear_large_numbers(cache: RawCache) -> None:
    assert cache.statistics() == pb.GetCacheStatisticsResponse()
    longest = 253_402_300_799_999_999
    entry = cache.compute(duration_us=longest)
    for _ in range(99):
        cache.lookup(entry.fingerprint)
    wait_for_hits(cache, entry.fingerprint, 100)
    assert cache.statistics().saved_us == (1 << 63) - 1


def test_list_comes_in_pages(cache: RawCache) -> None:
    entries = [cache.compute(process=process_of("odd" if number % 2 else "even", n=str(number))) for number in range(5)]
    fingerprints = [entry.fingerprint for entry in entries]
    found: list[str] = []
    token = ""
    while not found or token:
        page = cache.list(page_size=2, page_token=token)
        assert len(page.entries) <= 2
        found, token = found + [entry.fingerprint for entry in page.entries], page.next_page_token
    assert found == fingerprints
    assert [one.fingerprint for one in cache.list(process_name="odd").entries] == fingerprints[1::2]
    assert list(cache.list(process_name="other").entries) == []
    bound = cache.list(page_size=1).next_page_token
    with pytest.raises(errors.InvalidArgument):
        cache.list(process_name="odd", page_token=bound)


def test_invalidated_entries_are_misses_and_their_artifacts_stay(cache: RawCache) -> None:
    one, two, three = (cache.compute(process=process_of(name, n=n)) for name, n in ("f1", "f2", "g3"))
    assert cache.invalidate(fingerprint=one.fingerprint) == (1, 0)
    assert cache.invalidate(fingerprint=one.fingerprint) == (0, 0)
    assert cache.lookup(one.fingerprint) is None and cache.lookup(two.fingerprint) is not None
    assert cache.invalidate(process_name="f") == (1, 0)
    assert cache.lookup(two.fingerprint) is None and cache.lookup(three.fingerprint) is not None
    assert cache.invalidate(all=True) == (1, 0)
    assert list(cache.list().entries) == [] and len(cache.raw.versions()) == 3


def test_invalidate_deletes_artifacts_that_no_alias_points_to(cache: RawCache) -> None:
    plain, aliased = cache.compute(b"1"), cache.compute(b"2", draft={"aliases": ["best"]})
    with xpstore.Project(f"other {new_id()}") as other:
        elsewhere = RawCache(cache.client, other.uid)
        elsewhere.compute()
        assert cache.invalidate(all=True, delete_artifacts=True) == (2, 1)
        assert len(elsewhere.list().entries) == 1
    assert [version.id for version in cache.raw.versions()] == [aliased.version.id]
    undelete(cache, plain.version.id)
    assert cache.lookup(plain.fingerprint) is None  # the entry is gone for good


def test_computation_under_way_survives_invalidation(cache: RawCache) -> None:
    fingerprint, token = new_fingerprint(), new_token()
    cache.reserve(fingerprint, token)
    assert cache.invalidate(all=True) == (0, 0)
    cache.commit(fingerprint, token)
    assert cache.lookup(fingerprint) is not None


def test_explain_says_what_differs_from_the_nearest_call(cache: RawCache) -> None:
    lost = cache.explain(new_fingerprint(), process_of("f", a="1"))
    assert lost.state == pb.CACHE_STATE_ABSENT and not lost.HasField("nearest") and not lost.differences
    cache.compute(process=process_of("f", a="9", b="9"))
    near = cache.compute(process=process_of("f", a="1", b="2", old="3"))
    cache.compute(process=process_of("g", a="1", b="3", new="4"))
    answer = cache.explain(new_fingerprint(), process_of("f", a="1", b="3", new="4"))
    assert answer.state == pb.CACHE_STATE_ABSENT and not answer.HasField("entry")
    assert answer.nearest.version == near.version
    differences = [(one.asked.text, one.known.text) for one in answer.differences]
    assert differences == [("3", "2"), ("4", ""), ("", "3")]
    assert [one.HasField("asked") for one in answer.differences] == [True, True, False]
    assert [one.HasField("known") for one in answer.differences] == [True, False, True]


def test_explain_tells_hits_and_running_computations(cache: RawCache) -> None:
    entry = cache.compute(process=process_of())
    answer = cache.explain(entry.fingerprint, process_of())
    assert (answer.state, answer.entry.version) == (pb.CACHE_STATE_HIT, entry.version)
    assert not answer.HasField("nearest")
    # A part of the same name but another kind is another part.
    fingerprint, token = new_fingerprint(), new_token()
    lease = cache.reserve(fingerprint, token, holder="somebody").granted
    process = artifact_pb2.ArtifactProcess(name="module.f", parts=[part_of("x", "1", CODE)])
    answer = cache.explain(fingerprint, process)
    assert (answer.state, answer.lease) == (pb.CACHE_STATE_RUNNING, lease)
    assert answer.nearest.fingerprint == entry.fingerprint and len(answer.differences) == 1


def test_largest_process_goes_through(cache: RawCache) -> None:
    parts = [part_of(f"{number:0>128}", "ü" * 16) for number in range(1_000)]
    process = artifact_pb2.ArtifactProcess(name="large", parts=parts)
    assert process.ByteSize() > 200 << 10
    entry = cache.compute(process=process)
    assert entry.version.process == process
    near = cache.explain(new_fingerprint(), artifact_pb2.ArtifactProcess(name="large"))
    assert len(near.differences) == 1_000
