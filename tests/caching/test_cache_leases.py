"""Leases on cache entries: one of many callers computes, whoever is gone is replaced, and those who wait are told.

One server on SQLite, two replicas on PostgreSQL; leases end after three seconds without a heartbeat.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select

from support.leases import LEASE_SECONDS, Beating, expire, kind
from support.raw import entry_of, page_of, root_of
from support.raw_cache import RawCache, new_fingerprint, new_token
from xpstore import errors
from xpstore._values.ids import new_id
from xpstore_server.core import lease
from xpstore_server.store import tables
from xpstore_server.store.database import Database


def test_one_of_many_callers_computes(caches: list[RawCache], pool: ThreadPoolExecutor) -> None:
    callers, keys = 64, [new_fingerprint() for _ in range(3)]
    together = threading.Barrier(callers)
    computed: list[str] = []

    def ask(number: int) -> list[str]:
        cache, results = caches[number % 2], []
        for fingerprint in keys:
            together.wait(60)
            results.append(get_or_compute(cache, fingerprint, computed))
        return results

    results = list(pool.map(ask, range(callers)))
    assert sorted(computed) == sorted(keys)
    assert all(result == results[0] for result in results)
    assert len(caches[0].raw.versions()) == len(keys)


def get_or_compute(cache: RawCache, fingerprint: str, computed: list[str]) -> str:
    """What a client does; returns the version's id."""
    while True:
        token = new_token()
        answer = cache.reserve(fingerprint, token)
        if answer.HasField("entry"):
            return answer.entry.version.id
        if answer.HasField("granted"):
            with Beating(cache, token):
                computed.append(fingerprint)
                return cache.commit(fingerprint, token, fingerprint.encode()).version.id
        while kind(waited := cache.wait(fingerprint, answer.busy.id)) == "running":
            pass
        if kind(waited) == "entry":
            return waited.entry.version.id


def test_reserving_again_finds_the_own_lease(caches: list[RawCache]) -> None:
    here, there = caches
    fingerprint, token = new_fingerprint(), new_token()
    first = here.reserve(fingerprint, token, holder="me")
    again = there.reserve(fingerprint, token, holder="me")
    assert kind(again) == "granted" and again.granted.id == first.granted.id
    assert again.granted.acquired_at_us == first.granted.acquired_at_us
    busy = there.reserve(fingerprint, new_token())
    assert kind(busy) == "busy" and (busy.busy.id, busy.busy.holder) == (first.granted.id, "me")
    # The id does not tell the token, and a client can't guess it from that.
    assert token.hex() not in first.granted.id.replace("-", "")


def test_own_completion_is_found_by_a_forced_reservation_that_comes_late(caches: list[RawCache]) -> None:
    here, there = caches
    fingerprint, token = new_fingerprint(), new_token()
    here.reserve(fingerprint, token, force=True)
    here.commit(fingerprint, token)
    assert kind(there.reserve(fingerprint, token, force=True)) == "entry"
    assert kind(there.reserve(fingerprint, new_token(), force=True)) == "granted"


def test_token_is_for_one_computation(caches: list[RawCache]) -> None:
    cache, fingerprint, token = caches[0], new_fingerprint(), new_token()
    cache.reserve(fingerprint, token)
    with pytest.raises(errors.AlreadyExists):
        cache.reserve(new_fingerprint(), token)
    cache.fail(token)
    with pytest.raises(errors.AlreadyExists) as caught:
        cache.reserve(fingerprint, token)
    assert token.hex() not in str(caught.value)


def test_repeated_ends_change_nothing(caches: list[RawCache]) -> None:
    here, there = caches
    fingerprint, failed, released = new_fingerprint(), new_token(), new_token()
    here.reserve(fingerprint, failed)
    assert here.fail(failed) and not there.fail(failed) and not there.release(failed)
    here.reserve(fingerprint, released)
    assert there.release(released) and not here.release(released) and not here.fail(released)
    done = new_token()
    here.reserve(fingerprint, done)
    here.commit(fingerprint, done)
    assert not here.release(done) and not there.fail(done)
    assert here.lookup(fingerprint) is not None
    assert here.renew(failed, released, done) == [0, 1, 2]


def test_heartbeats_keep_a_lease(caches: list[RawCache]) -> None:
    here, there = caches
    fingerprint, token = new_fingerprint(), new_token()
    here.reserve(fingerprint, token)
    with Beating(here, token):
        time.sleep(2 * LEASE_SECONDS)
        assert kind(there.reserve(fingerprint, new_token())) == "busy"
        assert there.renew(new_token(), token) == [0]


def test_lost_lease_is_taken_over_by_one(caches: list[RawCache], pool: ThreadPoolExecutor) -> None:
    fingerprint, token = new_fingerprint(), new_token()
    lost = caches[0].reserve(fingerprint, token).granted
    waits = [pool.submit(caches[number % 2].wait, fingerprint, lost.id) for number in range(10)]
    assert {kind(one.result()) for one in waits} == {"vacant"}
    answers = list(pool.map(lambda number: caches[number % 2].reserve(fingerprint, new_token()), range(32)))
    assert sorted(map(str, map(kind, answers))) == ["busy"] * 31 + ["granted"]
    (taken,) = [one.granted.id for one in answers if kind(one) == "granted"]
    assert {one.busy.id for one in answers if kind(one) == "busy"} == {taken}
    assert caches[0].renew(token) == [0]


def test_lease_past_its_time_that_nobody_wants_goes_on(caches: list[RawCache]) -> None:
    here, there = caches
    fingerprint, token = new_fingerprint(), new_token()
    here.reserve(fingerprint, token)
    time.sleep(LEASE_SECONDS + 0.1)
    with pytest.raises(errors.Stale):
        here.commit(fingerprint, token)
    assert here.raw.versions() == []
    assert there.renew(token) == []
    assert here.commit(fingerprint, token).created


def test_stopped_owner_publishes_nothing_over_its_successor(caches: list[RawCache], database: Database) -> None:
    here, there = caches
    fingerprint, stopped, successor, id_ = new_fingerprint(), new_token(), new_token(), new_id()
    here.reserve(fingerprint, stopped)
    time.sleep(LEASE_SECONDS + 0.1)
    assert kind(there.reserve(fingerprint, successor)) == "granted"
    with pytest.raises(errors.Stale):
        here.commit(fingerprint, stopped, b"stale", version_id=id_)
    version = there.commit(fingerprint, successor, b"fresh").version
    with pytest.raises(errors.Stale):
        here.commit(fingerprint, stopped, b"stale", version_id=id_)
    found = here.lookup(fingerprint)
    assert found is not None and found.version == version and here.raw.versions() == [version]
    rows = select(func.count()).where(tables.artifact_version.c.id == id_)
    assert database.read(lambda tx: tx.execute(rows).scalar_one()) == 0


def test_commit_that_loses_its_lease_on_the_way_leaves_nothing(
    caches: list[RawCache], database: Database, pool: ThreadPoolExecutor
) -> None:
    """Takeovers race commits: each either publishes and completes, or does neither."""
    for round_ in range(10):
        fingerprint, owner, successor = new_fingerprint(), new_token(), new_token()
        caches[0].reserve(fingerprint, owner)
        caches[0].commit_root(fingerprint, owner, root_of(page_of(entry_of("value", b"x"))))  # chunks are missing
        expire(database, lease.id_of(owner), seconds=0.05)
        commit = pool.submit(outcome_of, lambda: caches[0].commit(fingerprint, owner, b"1"))  # noqa: B023
        time.sleep(0.02 + round_ * 0.01)
        answer = caches[1].reserve(fingerprint, successor)
        found = caches[1].lookup(fingerprint)
        if isinstance(commit.result(), errors.Stale):
            assert found is None
            assert kind(answer) in ("granted", "busy")
        else:
            assert caches[1].lookup(fingerprint) is not None
            assert kind(answer) in ("entry", "busy")
    states = select(tables.artifact_version.c.state).where(tables.artifact_version.c.state == "committing")
    assert database.read(lambda tx: tx.execute(states).all()) == []


def outcome_of(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except errors.Stale as error:
        return error
