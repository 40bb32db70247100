"""Leases on cache entries: one of many callers computes, whoever is gone is replaced, and those who wait are told.

One server on SQLite, two replicas on PostgreSQL; leases end after three seconds without a heartbeat.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import grpc
import pytest
from sqlalchemy import func, select, update

import xpstore
from support.backends import Backend
from support.raw import entry_of, page_of, root_of
from support.raw_cache import SECOND_US, RawCache, new_fingerprint, new_token, process_of
from support.services import Server
from xpstore import errors
from xpstore.client import new_id
from xpstore_server.core import lease
from xpstore_server.store import tables
from xpstore_server.store.database import Database
from xpstore_server.store.purge import purge
from xpstore_server.store.sweep import NO_GRACE, Swept

LEASE_SECONDS = 3.0


@pytest.fixture(scope="module")
def replicas(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    folder: Path = tmp_path_factory.mktemp("replicas")
    settings = {"XPSTORE_CACHE_LEASE_SECONDS": str(LEASE_SECONDS)}
    servers = [
        Server(backend.database_url, backend.blob_url, folder, environment=settings)
        for _ in range(1 if backend.name == "sqlite-disk" else 2)
    ]
    for server in servers:
        server.start()
    yield servers
    for server in servers:
        server.stop()


@pytest.fixture
def caches(replicas: list[Server]) -> Iterator[list[RawCache]]:
    """One fresh project through two clients: on PostgreSQL through a replica each."""
    clients = [xpstore.Client(replicas[0].api_key, replicas[number % len(replicas)].address) for number in range(2)]
    with clients[0].project(f"leases {new_id()}") as project:
        yield [RawCache(client, project.uid) for client in clients]
    for client in clients:
        client.close()


@pytest.fixture
def database(backend: Backend, replicas: list[Server]) -> Iterator[Database]:
    database = Database(backend.database_url)
    yield database
    database.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(80) as pool:
        yield pool


def kind(answer: Any) -> str | None:
    """Which outcome it is."""
    found: str | None = answer.WhichOneof("outcome")
    return found


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Beating:
    """Renews leases until it leaves."""

    def __init__(self, cache: RawCache, *tokens: bytes) -> None:
        self._cache, self._tokens, self._end = cache, tokens, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._end.wait(LEASE_SECONDS / 5):
            self._cache.renew(*self._tokens)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


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


def expire(database: Database, lease_id: str, seconds: float) -> None:
    """Moves the end of a lease."""
    table = tables.cache_lease

    def unit(tx: Any) -> None:
        end = tx.now_us() + int(seconds * SECOND_US)
        tx.execute(update(table).where(table.c.id == lease_id).values(expires_at_us=end))

    database.write(unit)


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


def waits_for(database: Database, token: bytes) -> str | None:
    query = select(tables.cache_lease.c.waits_for).where(tables.cache_lease.c.id == lease.id_of(token))
    found: str | None = database.read(lambda tx: tx.execute(query).scalar_one())
    return found


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
    caches: list[RawCache], replicas: list[Server], pool: ThreadPoolExecutor
) -> None:
    cache, fingerprint, token = caches[0], new_fingerprint(), new_token()
    id_ = cache.reserve(fingerprint, token).granted.id
    request = cache.wait_request(fingerprint, id_)
    call = cache.stub.WaitForCacheEntry.future(request, timeout=30, metadata=cache.client.metadata)
    time.sleep(0.3)
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
            for one in caches * 8
        ]
        time.sleep(1)
        assert cache.lookup(new_fingerprint()) is None and not any(call.done() for call in calls)
        for token in keys.values():
            cache.fail(token, "stop")
        assert {call.result().failure.error for call in calls} == {"stop"}


def test_gc_forgets_what_is_over(caches: list[RawCache], database: Database, replicas: list[Server]) -> None:
    cache = caches[0]
    failed, lost, kept = new_token(), new_token(), new_token()
    for token in (failed, lost, kept):
        cache.reserve(new_fingerprint(), token)
    cache.fail(failed)
    for token, minutes in ((failed, 60), (lost, 60), (kept, 59)):
        expire(database, lease.id_of(token), -60 * minutes)
    expired, fresh = cache.compute(b"1", ttl_us=1), cache.compute(b"2", ttl_us=3600 * SECOND_US)
    collect(replicas[0])
    assert len(cache.list().entries) == 2  # within the undo window
    found = database.read(lambda tx: set(tx.execute(select(tables.cache_lease.c.id)).scalars()))
    assert not found & {lease.id_of(failed), lease.id_of(lost)} and lease.id_of(kept) in found
    collect(replicas[0], "--now")
    assert [one.fingerprint for one in cache.list().entries] == [fresh.fingerprint]
    assert {version.id for version in cache.raw.versions()} == {expired.version.id, fresh.version.id}


def collect(server: Server, *flags: str) -> None:
    """What the janitor does, by hand."""
    command = [sys.executable, "-m", "xpstore_server", "gc", *flags]
    subprocess.run(command, env=server.environment, check=True, capture_output=True, timeout=120)


def test_purged_versions_take_their_entries_along(caches: list[RawCache], database: Database) -> None:
    cache = caches[0]
    gone, stays = cache.compute(b"1"), cache.compute(b"2", process=process_of("g"))
    assert cache.invalidate(process_name="nobody", delete_artifacts=True) == (0, 0)
    table = tables.artifact_version
    deleted = update(table).where(table.c.id == gone.version.id).values(state="deleted", deleted_at_us=1)
    database.write(lambda tx: tx.execute(deleted))
    purge(database, NO_GRACE, Swept())
    entries = select(tables.cache_entry.c.fingerprint).where(tables.cache_entry.c.project_uid == cache.project_uid)
    assert database.read(lambda tx: tx.execute(entries).scalars().all()) == [stays.fingerprint]


def test_purged_projects_take_entries_and_leases_along(caches: list[RawCache], database: Database) -> None:
    cache = caches[0]
    cache.compute()
    cache.reserve(new_fingerprint(), new_token())
    table = tables.project
    database.write(lambda tx: tx.execute(update(table).where(table.c.uid == cache.project_uid).values(deleted_at_us=1)))
    purge(database, NO_GRACE, Swept())
    for one in (tables.cache_entry, tables.cache_lease, tables.project):
        column = one.c.uid if one is tables.project else one.c.project_uid
        rows = select(func.count()).select_from(one).where(column == cache.project_uid)
        assert database.read(lambda tx, rows=rows: tx.execute(rows).scalar_one()) == 0  # type: ignore[misc]


def test_nothing_tells_the_token(caches: list[RawCache], database: Database) -> None:
    """It is the right to publish: neither an answer nor the database has it."""
    here, there = caches
    fingerprint, token = new_fingerprint(), new_token()
    granted = here.reserve(fingerprint, token)
    answers = [granted, there.reserve(fingerprint, new_token()), there.wait(fingerprint, granted.granted.id, 0)]
    assert not any(token in answer.SerializeToString() for answer in answers)
    mine = select(tables.cache_lease).where(tables.cache_lease.c.id == granted.granted.id)
    row = database.read(lambda tx: tuple(tx.execute(mine).one()))
    assert token not in row and token.hex() not in repr(row)
