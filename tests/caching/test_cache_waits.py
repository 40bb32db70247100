"""Waiting for a computation of somebody else: told what came of it, sent on, and never in a circle."""

import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

import grpc
import pytest

from support.leases import Beating, kind, until, waits_for
from support.raw_cache import SECOND_US, RawCache, new_fingerprint, new_token
from support.services import Server
from xpstore._values.ids import new_id
from xpstore_server.store.database import Database


def waiting(cache: RawCache, pool: ThreadPoolExecutor, fingerprint: str, lease_id: str, **options: Any) -> Future[Any]:
    """A wait that has begun."""
    begun = pool.submit(cache.wait, fingerprint, lease_id, **options)
    time.sleep(0.3)
    return begun


@pytest.mark.parametrize("other", [0, 1], ids=["here", "there"])
def test_those_who_wait_are_told(other: int, caches: list[RawCache], pool: ThreadPoolExecutor) -> None:
    here, there = caches[0], caches[other]
    fingerprint, token = new_fingerprint(), new_token()
    with Beating(here, token):
        id_ = here.reserve(fingerprint, token).granted.id
        waits = [waiting(there, pool, fingerprint, id_) for _ in range(3)]
        here.fail(token, "ValueError: no rows")
    for told in waits:
        failure = told.result().failure
        assert failure.error == "ValueError: no rows" and abs(failure.failed_at_us / SECOND_US - time.time()) < 60
    # Whoever still waits for that lease is told too; who comes later computes.
    assert there.wait(fingerprint, id_).failure.error == "ValueError: no rows"
    token = new_token()
    id_ = there.reserve(fingerprint, token).granted.id
    told = waiting(here, pool, fingerprint, id_)
    there.release(token)
    assert kind(told.result()) == "vacant"
    token = new_token()
    id_ = here.reserve(fingerprint, token).granted.id
    told = waiting(there, pool, fingerprint, id_)
    version = here.commit(fingerprint, token).version
    assert told.result().entry.version == version
    assert there.wait(fingerprint, id_).entry.version == version


def test_wait_gives_only_what_was_completed_under_that_lease(caches: list[RawCache]) -> None:
    here, there = caches
    old = here.compute()
    token = new_token()
    id_ = here.reserve(old.fingerprint, token, force=True).granted.id
    assert kind(there.reserve(old.fingerprint, new_token(), force=True)) == "busy"
    assert kind(there.reserve(old.fingerprint, new_token())) == "entry"
    here.release(token)
    assert kind(there.wait(old.fingerprint, id_)) == "vacant"
    # Completed, though past its time at once: those who waited get it.
    token = new_token()
    id_ = here.reserve(old.fingerprint, token, force=True).granted.id
    here.commit(old.fingerprint, token, b"new", ttl_us=1)
    assert there.wait(old.fingerprint, id_).entry.version.version == 2
    assert kind(there.wait(old.fingerprint, new_id())) == "vacant"
    assert kind(there.wait(new_fingerprint(), id_)) == "vacant"


def test_wait_is_bounded(caches: list[RawCache]) -> None:
    cache, fingerprint, token = caches[0], new_fingerprint(), new_token()
    held = cache.reserve(fingerprint, token, holder="me").granted
    for seconds in (0, 0.5):
        answer = cache.wait(fingerprint, held.id, seconds)
        assert kind(answer) == "running" and answer.running == held


def test_cancelled_waits_leave_nothing_behind(caches: list[RawCache], database: Database) -> None:
    cache, fingerprint, token, outer = caches[0], new_fingerprint(), new_token(), new_token()
    cache.reserve(new_fingerprint(), outer)
    held = cache.reserve(fingerprint, token).granted
    request = cache.wait_request(fingerprint, held.id, held=(outer,))
    with Beating(cache, token), Beating(cache, outer):
        for _ in range(20):
            call = cache.stub.WaitForCacheEntry.future(request, timeout=30, metadata=cache.client.metadata)
            time.sleep(0.02)
            call.cancel()
            with pytest.raises(grpc.FutureCancelledError):
                call.result()
        until(lambda: waits_for(database, outer) is None)
        version = cache.commit(fingerprint, token).version
    assert cache.wait(fingerprint, held.id).entry.version == version


def test_those_who_wait_for_each_other_are_told(
    caches: list[RawCache], database: Database, pool: ThreadPoolExecutor
) -> None:
    """F computes g, g computes f: from two processes, through two replicas."""
    keys, tokens = [new_fingerprint(), new_fingerprint()], [new_token(), new_token()]
    with Beating(caches[0], *tokens):
        ids = [caches[number].reserve(keys[number], tokens[number]).granted.id for number in range(2)]
        waits = [
            pool.submit(caches[number].wait, keys[1 - number], ids[1 - number], held=(tokens[number],))
            for number in range(2)
        ]
        first = wait(waits, return_when=FIRST_COMPLETED).done.pop()
        assert kind(first.result()) == "deadlock"
        # Who is told computes without a lease, and so completes what the other one waits for.
        told = waits.index(first)
        version = caches[told].commit(keys[told], tokens[told]).version
        answer = waits[1 - told].result()
        assert kind(answer) == "deadlock" or answer.entry.version == version
        until(lambda: waits_for(database, tokens[1 - told]) is None)
        assert caches[told].release(tokens[1 - told])


def test_wait_that_closes_no_circle_goes_on(caches: list[RawCache], database: Database) -> None:
    here, there = caches
    f, g, in_f, in_g = new_fingerprint(), new_fingerprint(), new_token(), new_token()
    with Beating(here, in_f, in_g):
        here.reserve(f, in_f)
        g_id = there.reserve(g, in_g).granted.id
        assert kind(here.wait(g, g_id, 0.6, held=(in_f,))) == "running"
        until(lambda: waits_for(database, in_f) is None)


def test_circle_of_three_and_the_own_lease_are_deadlocks(caches: list[RawCache], pool: ThreadPoolExecutor) -> None:
    keys, tokens = [new_fingerprint() for _ in range(3)], [new_token() for _ in range(3)]
    with Beating(caches[0], *tokens):
        pairs = list(zip(keys, tokens, strict=True))
        ids = [caches[number % 2].reserve(*pairs[number]).granted.id for number in range(3)]
        waits = [
            pool.submit(caches[number % 2].wait, keys[after], ids[after], held=(new_token(), tokens[number]))
            for number, after in ((0, 1), (1, 2), (2, 0))
        ]
        assert kind(wait(waits, return_when=FIRST_COMPLETED).done.pop().result()) == "deadlock"
        assert kind(caches[0].wait(keys[0], ids[0], held=(tokens[0],))) == "deadlock"
        for token in tokens:
            caches[0].release(token)


def test_waiters_are_sent_on_by_a_server_that_leaves(
    caches: list[RawCache], replicas: list[Server], database: Database
) -> None:
    cache, fingerprint, token, outer = caches[0], new_fingerprint(), new_token(), new_token()
    cache.reserve(new_fingerprint(), outer)
    id_ = cache.reserve(fingerprint, token).granted.id
    request = cache.wait_request(fingerprint, id_, held=(outer,))
    call = cache.stub.WaitForCacheEntry.future(request, timeout=30, metadata=cache.client.metadata)
    until(lambda: waits_for(database, outer) is not None)
    replicas[0].restart()  # it drains for ten seconds at most, and would break a call that waits for twenty
    assert kind(call.result()) == "running"


def test_many_wait_for_many_keys(caches: list[RawCache]) -> None:
    """Nobody is forgotten, and others are served meanwhile."""
    cache, keys = caches[0], {new_fingerprint(): new_token() for _ in range(50)}
    with Beating(cache, *keys.values()):
        ids = {key: cache.reserve(key, token).granted.id for key, token in keys.items()}
        calls = [
            one.stub.WaitForCacheEntry.future(one.wait_request(key, ids[key]), timeout=60, metadata=one.client.metadata)
            for key in keys
            for one in caches * 4  # 400: of one key 512 may wait for the database, where all ask in the same moment
        ]
        time.sleep(1)
        assert cache.lookup(new_fingerprint()) is None
        assert [call.exception() or call.result() for call in calls if call.done()] == []
        for token in keys.values():
            cache.fail(token, "stop")
        assert {call.result().failure.error for call in calls} == {"stop"}
