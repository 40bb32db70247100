"""Callers take turns at the database: none waits for all that another wants, and what nobody wants is not done."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text

from support.backends import Backend
from xpstore_server.store import database as store
from xpstore_server.store import migrate
from xpstore_server.store.database import OF_ONE, READERS, Database
from xpstore_server.store.errors import StoreBusy, StoreTooLong, StoreUnavailable
from xpstore_server.store.ids import new_id
from xpstore_server.store.tables import api_key
from xpstore_server.store.transaction import Transaction
from xpstore_server.store.turns import jobs
from xpstore_server.store.turns.jobs import Job, Pool, Turns
from xpstore_server.store.writers import WRITERS

PATIENCE_SECONDS = 60.0


@pytest.fixture
def database(backend: Backend) -> Iterator[Database]:
    database = Database(backend.database_url)
    migrate.upgrade(database)
    yield database
    database.close()


def called_by(database: Database, caller: str) -> None:
    database.caller = lambda: caller


def endless(tx: Transaction) -> None:
    """A statement that ends in years."""
    if tx.is_sqlite:
        tx.execute(text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"))
    else:
        tx.execute(text("SELECT pg_sleep(100000)"))


def wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.01)


def jobs_of(*callers: str) -> list[Job[None]]:
    return [Job(caller, lambda: None, ()) for caller in callers]


def test_each_caller_has_its_turn() -> None:
    turns = Turns()
    for job in jobs_of("a", "a", "a", "a", "b", "b", "c"):
        turns.put(job)
    drawn = [turns.get() for _ in range(7)]
    assert [job.caller for job in drawn if job] == ["a", "b", "c", "a", "b", "a", "a"]
    assert turns.is_empty and turns.get(wait=False) is None


def test_one_caller_never_has_all_threads() -> None:
    turns = Turns(at_once=2)
    for job in jobs_of("a", "a", "a", "b"):
        turns.put(job)
    first, _, third = turns.get(), turns.get(), turns.get()
    assert first and third and (first.caller, third.caller) == ("a", "a")
    assert turns.get(wait=False) is None
    turns.done(first)
    last = turns.get(wait=False)
    assert last is not None and last.caller == "a"


def test_what_waits_is_bounded_for_each_and_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MOST_OF_ONE", 3)
    monkeypatch.setattr(jobs, "MOST", 5)
    turns = Turns()
    mine = jobs_of("a", "a", "a")
    for job in mine:
        turns.put(job)
    with pytest.raises(StoreBusy, match="of this key wait for the database: 3 may") as caught:
        turns.put(*jobs_of("a"))
    assert (caught.value.limit, caught.value.most) == ("max_queue", 3)
    for job in jobs_of("b", "b"):
        turns.put(job)
    with pytest.raises(StoreBusy, match="of all keys wait for the database: 5 may"):
        turns.put(*jobs_of("c"))
    turns.put(*jobs_of(""))  # the server's own work is never refused
    for job in mine:  # those whose callers left make room
        job.future.cancel()
    for job in jobs_of("a", "c"):
        turns.put(job)
    drawn = Counter(drawn.caller for _ in range(6) if (drawn := turns.get(wait=False)))
    assert drawn == {"a": 1, "b": 2, "c": 1, "": 1}


def test_pool_finishes_what_waits_and_takes_no_more() -> None:
    pool, gate, done = Pool(2, "test", 1), threading.Event(), list[str]()
    held = [pool.submit(caller, gate.wait) for caller in "ab"]
    more = [pool.submit(caller, done.append, caller) for caller in "aabbc"]
    closing = threading.Thread(target=pool.close)
    closing.start()
    gate.set()
    closing.join(PATIENCE_SECONDS)
    assert not closing.is_alive() and sorted(done) == ["a", "a", "b", "b", "c"]
    assert all(job.future.done() for job in held) and all(job.future.done() for job in more)
    with pytest.raises(StoreUnavailable, match="shutting down"):
        pool.submit("a", gate.wait)


@pytest.mark.client
def test_what_is_done_is_durable_before_a_long_unit_begins(database: Database) -> None:
    """SQLite commits what waits together; who is known to be slow does not keep others from their answer."""
    called_by(database, "heavy")
    database.write(lambda tx: time.sleep(0.05))
    gate, began, seen = threading.Event(), threading.Event(), list[bool]()

    def first(tx: Transaction) -> None:
        began.set()
        gate.wait(PATIENCE_SECONDS)

    called_by(database, "first")
    held = database._submit(first)
    began.wait(PATIENCE_SECONDS)
    called_by(database, "light")
    light = [database._submit(lambda tx: None) for _ in range(3)]
    called_by(database, "heavy")
    heavy = database._submit(lambda tx: seen.append(light[0].future.done()))
    gate.set()
    for job in (held, *light, heavy):
        job.future.result(PATIENCE_SECONDS)
    assert seen == [True]


def test_light_writer_is_not_behind_all_of_a_heavy_one(database: Database) -> None:
    """Counted, not timed: of a hundred units at most a slice is done before."""
    done, gate = list[str](), threading.Event()

    def unit(tx: Transaction, who: str) -> None:
        gate.wait()
        time.sleep(0.025)
        done.append(who)

    async def write(who: str) -> None:
        called_by(database, who)
        await database.write_async(lambda tx: unit(tx, who))

    async def both() -> None:
        heavy = [asyncio.ensure_future(write("heavy")) for _ in range(40)]
        await asyncio.sleep(0)
        light = asyncio.ensure_future(write("light"))
        await asyncio.sleep(0)
        gate.set()
        await light
        await asyncio.gather(*heavy)

    asyncio.run(both())
    assert done.index("light") <= 16 and len(done) == 41


def test_others_read_while_one_reads_without_end(database: Database) -> None:
    async def both() -> None:
        called_by(database, "heavy")
        heavy = [asyncio.ensure_future(database.read_async(endless, 30.0)) for _ in range(2 * READERS)]
        await asyncio.sleep(0.2)
        called_by(database, "light")
        for _ in range(20):
            assert await asyncio.wait_for(database.read_async(one), PATIENCE_SECONDS / 3) == 1
        for each in heavy:
            each.cancel()
        # Those under way are ended, and those that wait never begin: all threads are free again.
        called_by(database, "heavy")
        assert await asyncio.wait_for(database.read_async(one), PATIENCE_SECONDS / 3) == 1
        assert OF_ONE < READERS

    asyncio.run(both())


def one(tx: Transaction) -> int:
    return int(tx.execute(text("SELECT 1")).scalar_one())


def test_statements_end_at_their_bound(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "WRITE_SECONDS", 0.5)
    called_by(database, "somebody")

    async def bounded() -> None:
        for is_read in (True, False):
            with pytest.raises(StoreTooLong, match="took too long") as caught:
                await (database.read_async(endless, 0.5) if is_read else database.write_async(endless))
            assert caught.value.limit == "statement_time"
            assert await database.read_async(one) == 1 and await database.write_async(one) == 1

    asyncio.run(bounded())


def test_write_that_takes_too_long_takes_nothing_of_its_group_with_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "WRITE_SECONDS", 0.5)
    called_by(database, "somebody")
    names = [new_id() for _ in range(8)]

    def insert(tx: Transaction, name: str) -> None:
        tx.insert(api_key, {"id": name, "name": name, "hash": name.encode(), "created_at_us": 0})

    async def group() -> list[Any]:
        units = [database.write_async(lambda tx, name=name: insert(tx, name)) for name in names]  # type: ignore[misc]
        units.insert(4, database.write_async(endless))
        return await asyncio.gather(*units, return_exceptions=True)

    outcomes = asyncio.run(group())
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [StoreTooLong]
    there = database.read(lambda tx: tx.execute(api_key.select().where(api_key.c.name.in_(names))).all())
    assert len(there) == len(names)


def test_what_is_not_wanted_any_more_is_not_written(database: Database) -> None:
    """A write that waits is dropped with its caller; one that has begun is done."""
    begun, gate, names = threading.Event(), threading.Event(), [new_id() for _ in range(3)]

    def unit(tx: Transaction, name: str) -> None:
        begun.set()
        gate.wait(PATIENCE_SECONDS)
        tx.insert(api_key, {"id": name, "name": name, "hash": name.encode(), "created_at_us": 0})

    async def leave() -> None:
        called_by(database, "somebody")
        first = asyncio.ensure_future(database.write_async(lambda tx: unit(tx, names[0])))
        await asyncio.to_thread(begun.wait, PATIENCE_SECONDS)
        more = [database.write_async(lambda tx: unit(tx, new_id())) for _ in range(2 * WRITERS)]
        held = [asyncio.ensure_future(each) for each in more]
        await asyncio.sleep(0.1)
        left = asyncio.ensure_future(database.write_async(lambda tx: unit(tx, names[1])))
        await asyncio.sleep(0)
        first.cancel()
        left.cancel()
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(*held)
        await database.write_async(lambda tx: unit(tx, names[2]))

    asyncio.run(leave())
    there = database.read(lambda tx: tx.execute(api_key.select().where(api_key.c.name.in_(names))).all())
    assert {row.name for row in there} == {names[0], names[2]}
