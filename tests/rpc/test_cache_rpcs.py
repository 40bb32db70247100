"""CacheService and the completion of a commit spoken by hand: hits, misses, bad input, and what a commit publishes."""

import time
from typing import Any

import pytest

import xpstore
from support.raw import chunk_of, entry_of, page_of, root_of
from support.raw_cache import CODE, SECOND_US, RawCache, new_fingerprint, new_token, part_of, process_of
from support.services import Server
from xpstore import errors
from xpstore.client import new_id
from xpstore.v1 import artifact_pb2, project_pb2
from xpstore.v1 import cache_pb2 as pb


@pytest.fixture
def cache(project: xpstore.Project) -> RawCache:
    return RawCache(project._client, project.uid)


def delete(cache: RawCache, version_id: str) -> None:
    request = artifact_pb2.DeleteArtifactVersionRequest(version_id=version_id)
    cache.client.call(cache.raw.stub.DeleteArtifactVersion, request)


def undelete(cache: RawCache, version_id: str) -> None:
    request = artifact_pb2.UndeleteArtifactVersionRequest(version_id=version_id)
    cache.client.call(cache.raw.stub.UndeleteArtifactVersion, request)


def test_what_was_completed_is_a_hit(cache: RawCache) -> None:
    fingerprint, token = new_fingerprint(), new_token()
    assert cache.lookup(fingerprint) is None
    reserved = cache.reserve(fingerprint, token, holder="me")
    assert (reserved.granted.holder, reserved.granted.held_by) == ("me", "admin")
    length_us = reserved.granted.expires_at_us - reserved.granted.acquired_at_us
    assert length_us == 2.5 * reserved.renew_every_us == 25 * SECOND_US
    assert cache.lookup(fingerprint) is None
    process = process_of(lr="0.1")
    process.parts.append(part_of("module.f", "body", CODE))
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
    with xpstore.Project(f"other {new_id()}") as other, pytest.raises(errors.InvalidArgument) as caught:
        RawCache(cache.client, other.uid).commit(fingerprint, token)
    assert caught.value.metadata["field"] == "cache_completion.token"
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


FINGERPRINT, TOKEN, ID = "a" * 64, b"t" * 16, new_id()
PROCESS: dict[str, Any] = {"name": "f"}
PART: dict[str, Any] = {"kind": 1, "name": "a", "fingerprint": FINGERPRINT, "text": "1"}


def with_part(**changes: Any) -> dict[str, Any]:
    return {"name": "f", "parts": [{**PART, **changes}]}


BAD_PROCESSES: list[tuple[str, dict[str, Any]]] = [
    (".name", {}),
    (".name", {"name": "x" * 257}),
    (".name", {"name": "\x00"}),
    (".parts", {"name": "f", "parts": [{**PART, "name": str(number)} for number in range(1_001)]}),
    ("", {"name": "f", "parts": [{**PART, "name": str(n), "text": "ü" * 256} for n in range(1_000)]}),
    (".parts.kind", with_part(kind=0)),
    (".parts.kind", with_part(kind=6)),
    (".parts.name", with_part(name="")),
    (".parts.name", with_part(name="n" * 513)),
    (".parts.name", {"name": "f", "parts": [PART, PART]}),
    (".parts.fingerprint", with_part(fingerprint="")),
    (".parts.fingerprint", with_part(fingerprint="A" * 64)),
    (".parts.text", with_part(text="t" * 257)),
    (".parts.text", with_part(text="\x00")),
]
BAD_FINGERPRINTS = ["", "A" * 64, "a" * 63, "a" * 65, "g" * 64, "a" * 64 + "\n"]
BAD_COMPLETIONS: list[tuple[str, dict[str, Any]]] = [
    *(("token", {"token": token}) for token in (b"", b"x" * 15, b"x" * 17)),
    *(("fingerprint", {"fingerprint": one}) for one in BAD_FINGERPRINTS),
    *(("duration_us", {"duration_us": one}) for one in (-1, (1 << 63) - 1)),
    *(("ttl_us", {"ttl_us": one}) for one in (0, -1, (1 << 63) - 1)),
    *((f"process{field}", {"process": process}) for field, process in BAD_PROCESSES),
]


@pytest.mark.parametrize(("field", "changes"), BAD_COMPLETIONS, ids=[row[0] for row in BAD_COMPLETIONS])
def test_bad_completion_names_its_field(field: str, changes: dict[str, Any], cache: RawCache) -> None:
    fingerprint, token = new_fingerprint(), new_token()
    cache.reserve(fingerprint, token)
    if "process" in changes:
        changes = {"process": artifact_pb2.ArtifactProcess(**changes["process"])}
    completion = {"fingerprint": fingerprint, "token": token, **changes}
    with pytest.raises(errors.InvalidArgument) as caught:
        cache.commit(completion.pop("fingerprint"), completion.pop("token"), **completion)
    assert caught.value.metadata["field"] == f"cache_completion.{field}"
    assert cache.raw.versions() == []


KEY = {"project_uid": ID, "fingerprint": FINGERPRINT}
# Each row: the RPC, the field it must name, and a request.
BAD: list[tuple[str, str, dict[str, Any]]] = [
    *(("LookupCacheEntry", "fingerprint", {**KEY, "fingerprint": one}) for one in BAD_FINGERPRINTS),
    ("LookupCacheEntry", "project_uid", {**KEY, "project_uid": "x"}),
    ("LookupCacheEntry", "max_age_us", {**KEY, "max_age_us": -1}),
    ("ReserveCacheEntry", "project_uid", {**KEY, "project_uid": "", "token": TOKEN}),
    ("ReserveCacheEntry", "fingerprint", {**KEY, "fingerprint": "", "token": TOKEN}),
    ("ReserveCacheEntry", "token", KEY),
    ("ReserveCacheEntry", "token", {**KEY, "token": b"x" * 32}),
    ("ReserveCacheEntry", "holder", {**KEY, "token": TOKEN, "holder": "x" * 257}),
    ("ReserveCacheEntry", "holder", {**KEY, "token": TOKEN, "holder": "\x00"}),
    ("ReserveCacheEntry", "max_age_us", {**KEY, "token": TOKEN, "max_age_us": -1}),
    ("RenewCacheLeases", "tokens", {"tokens": [TOKEN, b"x"]}),
    ("RenewCacheLeases", "tokens", {"tokens": [TOKEN] * 1_001}),
    ("WaitForCacheEntry", "project_uid", {**KEY, "project_uid": "x", "lease_id": ID}),
    ("WaitForCacheEntry", "fingerprint", {**KEY, "fingerprint": "x", "lease_id": ID}),
    ("WaitForCacheEntry", "lease_id", KEY),
    ("WaitForCacheEntry", "timeout_us", {**KEY, "lease_id": ID, "timeout_us": -1}),
    ("WaitForCacheEntry", "held_tokens", {**KEY, "lease_id": ID, "held_tokens": [b"x"]}),
    ("WaitForCacheEntry", "held_tokens", {**KEY, "lease_id": ID, "held_tokens": [TOKEN] * 1_001}),
    ("FailCacheLease", "token", {"token": b"x"}),
    ("FailCacheLease", "error", {"token": TOKEN, "error": "x" * 4_097}),
    ("FailCacheLease", "error", {"token": TOKEN, "error": "\x00"}),
    ("ReleaseCacheLease", "token", {"token": b""}),
    ("InvalidateCacheEntries", "project_uid", {"project_uid": "x", "all": True}),
    ("InvalidateCacheEntries", "selector", {"project_uid": ID}),
    ("InvalidateCacheEntries", "selector", {"project_uid": ID, "all": False}),
    ("InvalidateCacheEntries", "fingerprint", {"project_uid": ID, "fingerprint": "x"}),
    ("InvalidateCacheEntries", "process_name", {"project_uid": ID, "process_name": ""}),
    ("ListCacheEntries", "project_uid", {"project_uid": "x"}),
    ("ListCacheEntries", "process_name", {"project_uid": ID, "process_name": ""}),
    ("ListCacheEntries", "page_size", {"project_uid": ID, "page_size": -1}),
    ("ListCacheEntries", "page_token", {"project_uid": ID, "page_token": "nonsense"}),
    ("ExplainCacheEntry", "project_uid", {**KEY, "project_uid": "x", "process": PROCESS}),
    ("ExplainCacheEntry", "fingerprint", {**KEY, "fingerprint": "x", "process": PROCESS}),
    ("ExplainCacheEntry", "max_age_us", {**KEY, "process": PROCESS, "max_age_us": -1}),
    ("ExplainCacheEntry", "process.name", KEY),
    *(("ExplainCacheEntry", f"process{field}", {**KEY, "process": one}) for field, one in BAD_PROCESSES),
    ("GetCacheStatistics", "project_uid", {"project_uid": "x"}),
]


@pytest.mark.parametrize(("rpc", "field", "fields"), BAD, ids=[f"{row[0]}-{row[1]}" for row in BAD])
def test_bad_input_names_its_field(rpc: str, field: str, fields: dict[str, Any], cache: RawCache) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        cache.call(rpc, getattr(pb, f"{rpc}Request")(**fields))
    assert caught.value.metadata["field"] == field
    assert "xxxxxxxxxxxxxxxx" not in str(caught.value) or field != "token"  # no error shows a token


UNKNOWN: list[tuple[str, dict[str, Any]]] = [
    ("LookupCacheEntry", KEY),
    ("ReserveCacheEntry", {**KEY, "token": TOKEN}),
    ("WaitForCacheEntry", {**KEY, "lease_id": ID}),
    ("InvalidateCacheEntries", {"project_uid": ID, "all": True}),
    ("ListCacheEntries", {"project_uid": ID}),
    ("ExplainCacheEntry", {**KEY, "process": PROCESS}),
    ("GetCacheStatistics", {"project_uid": ID}),
]


@pytest.mark.parametrize(("rpc", "fields"), UNKNOWN, ids=[row[0] for row in UNKNOWN])
def test_unknown_and_deleted_projects_are_not_found(
    rpc: str, fields: dict[str, Any], cache: RawCache, project: xpstore.Project
) -> None:
    make = getattr(pb, f"{rpc}Request")
    project.delete()
    for uid in (ID, cache.project_uid):
        with pytest.raises(errors.NotFound) as caught:
            cache.call(rpc, make(**{**fields, "project_uid": uid}))
        assert caught.value.metadata["resource"] == "project"


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
    entries = [cache.compute(process=process_of("odd" if number % 2 else "even")) for number in range(5)]
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
    one, two, three = (cache.compute(process=process_of(name)) for name in ("f", "f", "g"))
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
    entry = cache.compute()
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
