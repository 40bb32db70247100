"""LookupCacheEntries: which of many fingerprints are hits, by the rules of the look-up of one, and in one statement."""

import time
from collections.abc import Callable

import pytest
from sqlalchemy import event

import xpstore
from support.backends import Backend
from support.raw_cache import SECOND_US, RawCache, new_fingerprint, new_token
from support.services import Server
from xpstore._values.ids import new_id
from xpstore.v1 import artifact_pb2, project_pb2
from xpstore.v1 import cache_pb2 as pb
from xpstore_server.core import cache as rules
from xpstore_server.store.database import Database


def positions(hits: list[pb.CacheHit]) -> list[int]:
    return [hit.position for hit in hits]


def test_hits_stand_at_their_positions_with_what_it_takes_to_read_them(cache: RawCache) -> None:
    entries = [cache.compute(str(number).encode(), duration_us=number) for number in range(3)]
    one, two, three = (entry.fingerprint for entry in entries)
    hits = cache.lookup_many(new_fingerprint(), three, one, new_fingerprint(), two, one)
    assert positions(hits) == [1, 2, 4, 5]
    for hit, entry in zip(hits, (entries[2], entries[0], entries[1], entries[0]), strict=True):
        version = entry.version
        expected = (version.id, version.digest, version.size_bytes, entry.duration_us)
        assert (hit.version_id, hit.digest, hit.size_bytes, hit.duration_us) == expected
    assert cache.lookup_many() == [] == cache.lookup_many(new_fingerprint())


@pytest.mark.parametrize("others", [0, 1, 999], ids=["alone", "with another", "with 999 others"])
def test_it_is_a_hit_when_the_look_up_of_one_says_so(cache: RawCache, others: int) -> None:
    entry, more = cache.compute(), [new_fingerprint() for _ in range(others)]

    def is_hit(max_age_us: int | None = None) -> bool:
        fields = {} if max_age_us is None else {"max_age_us": max_age_us}
        hits = cache.lookup_many(*more, entry.fingerprint, **fields)
        assert bool(hits) == (cache.lookup(entry.fingerprint, **fields) is not None)
        assert positions(hits) == [others] * len(hits)
        return bool(hits)

    time.sleep(0.002)
    assert [is_hit(age) for age in (None, 0, 1, 3600 * SECOND_US, (1 << 63) - 1)] == [True, False, False, True, True]
    with_age = project_pb2.UpdateProjectRequest(project_uid=cache.project_uid, cache_max_age_us=1)
    for request, expected in (
        (with_age, False),
        (project_pb2.UpdateProjectRequest(project_uid=cache.project_uid), True),
    ):
        request.update_mask.paths.append("cache_max_age_us")
        cache.client.call(cache.client.stubs.projects.UpdateProject, request)
        assert is_hit() == expected
    version = {"version_id": entry.version.id}
    cache.client.call(cache.raw.stub.DeleteArtifactVersion, artifact_pb2.DeleteArtifactVersionRequest(**version))
    assert not is_hit()
    cache.client.call(cache.raw.stub.UndeleteArtifactVersion, artifact_pb2.UndeleteArtifactVersionRequest(**version))
    assert is_hit()
    cache.invalidate(all=True)
    assert not is_hit()
    cache.compute(fingerprint=entry.fingerprint, ttl_us=1)
    time.sleep(0.01)
    assert not is_hit()


def test_entry_of_another_project_is_a_miss(cache: RawCache) -> None:
    entry = cache.compute()
    with xpstore.Project(f"other {new_id()}") as other:
        assert RawCache(cache.client, other.uid).lookup_many(entry.fingerprint) == []
        assert RawCache(cache.client, other.uid).lookup_many(entry.fingerprint, new_fingerprint()) == []


def test_what_somebody_computes_is_a_miss_until_it_is_there(cache: RawCache) -> None:
    fingerprint, token = new_fingerprint(), new_token()
    cache.reserve(fingerprint, token)
    assert cache.lookup_many(fingerprint) == []
    cache.commit(fingerprint, token)
    assert positions(cache.lookup_many(fingerprint)) == [0]


def test_each_time_that_a_hit_is_asked_for_counts(cache: RawCache, server: Server) -> None:
    one, two = cache.compute(duration_us=10), cache.compute()
    before = {entry.fingerprint: entry.hits for entry in (one, two)}
    cache.lookup_many(one.fingerprint)
    cache.lookup_many(one.fingerprint, new_fingerprint(), two.fingerprint, one.fingerprint)
    server.restart()
    found = {entry.fingerprint: entry for entry in cache.list().entries}
    assert before == {one.fingerprint: 0, two.fingerprint: 0}
    # With the one of each `compute`.
    assert [found[entry.fingerprint].hits for entry in (one, two)] == [1 + 3, 1 + 1]
    assert found[one.fingerprint].last_hit_at_us >= one.completed_at_us


def test_thousand_fingerprints_of_which_all_are_hits(cache: RawCache) -> None:
    entries = [cache.compute() for _ in range(20)]
    asked = [entries[number % 20].fingerprint for number in range(1_000)]
    hits = cache.lookup_many(*asked)
    assert positions(hits) == list(range(1_000))
    assert all(hit.version_id == entries[hit.position % 20].version.id for hit in hits)


def statements(database: Database, unit: Callable[[], object]) -> list[str]:
    seen = list[str]()

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if not statement.startswith("BEGIN"):
            seen.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    unit()
    event.remove(database.engine, "before_cursor_execute", note)
    return seen


@pytest.mark.parametrize("number", [1, 2, 1_000])
def test_look_up_is_one_statement_and_reads_no_description(backend: Backend, cache: RawCache, number: int) -> None:
    entry = cache.compute()
    asked = [*(new_fingerprint() for _ in range(number - 1)), entry.fingerprint]
    database = Database(backend.database_url)
    found: list[str] = []

    def look() -> None:
        found.extend(database.read(lambda tx: rules.lookup_many(tx, cache.project_uid, asked, None)))

    (statement,) = statements(database, look)
    database.close()
    assert found == [entry.fingerprint]
    assert "process_json" not in statement and "manifest" not in statement and "metadata_json" not in statement
