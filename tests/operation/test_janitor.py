"""What the janitor takes follows what it frees, and holds nobody up."""

import uuid
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event, insert, select

from support.backends import Backend, sqlite_url
from support.garbage import large, read
from support.operation.many_models import many_models
from support.rows import append
from support.stores import NOW, Store, check_exact, fresh
from xpstore.format.packs import PACK_BYTES
from xpstore_server import commands
from xpstore_server.core import artifact, experiment, model, model_step, project
from xpstore_server.core.errors import NotFound
from xpstore_server.core.lease import Sightings
from xpstore_server.core.metrics import compaction, metric
from xpstore_server.core.metrics.compaction import EndedSeries
from xpstore_server.store import limbo, purge, tables
from xpstore_server.store.clock import SECOND_US, Clock
from xpstore_server.store.points import from_values
from xpstore_server.store.sweep import AGREED_US, NEVER, Grace
from xpstore_server.store.transaction import Transaction

DAY_US = 24 * 3600 * SECOND_US


@pytest.fixture
def store(tmp_path: Path) -> Any:
    backend = Backend(
        name="sqlite-disk", database_url=sqlite_url(tmp_path / "x.db"), blob_url=(tmp_path / "blobs").as_uri()
    )
    store = Store(backend)
    yield store
    store.database.close()


class Hands:
    """A wall clock and a steady one that a test moves."""

    def __init__(self) -> None:
        self.wall = 1_000 * DAY_US
        self.steady = 0
        self.clock = Clock(lambda: self.wall, lambda: self.steady)

    def passes(self, seconds: float, jump_us: int = 0) -> int:
        self.steady += int(seconds * SECOND_US)
        self.wall += int(seconds * SECOND_US) + jump_us
        return self.clock.now_us()


def test_clock_follows_no_jump_and_comes_back_to_the_wall_clock() -> None:
    for jump_us in (8 * DAY_US, -8 * DAY_US, 7_200 * SECOND_US, -7_200 * SECOND_US):
        hands = Hands()
        begun, told = hands.clock.now_us(), [hands.passes(0.001, jump_us)]
        told += [hands.passes(1) for _ in range(100)]
        assert all(0.8 * SECOND_US < after - before < 1.1 * SECOND_US for before, after in pairwise(told))
        assert 85 * SECOND_US < told[-1] - begun < 110 * SECOND_US
        assert hands.clock.agreed_us() == 100 * SECOND_US
        told.append(hands.passes(1, -jump_us))
        assert told[-1] > told[-2] and hands.clock.agreed_us() == 0
        for _ in range(50):
            told.append(hands.passes(10))
        assert told == sorted(set(told)) and abs(hands.clock.now_us() - hands.wall) < 3 * SECOND_US


def test_clock_that_stood_still_for_a_restart_goes_on_in_order() -> None:
    hands = Hands()
    hands.clock.now_us()
    seen = hands.wall + 3_600 * SECOND_US
    hands.clock.not_before(seen)
    first = hands.passes(1)
    assert first >= seen and hands.passes(60) - first >= 50 * SECOND_US


def test_graces_end_only_when_two_clocks_have_gone_alike() -> None:
    grace, now = Grace(), 1_000 * DAY_US
    unsure = grace.ends(now, AGREED_US - 1)
    assert (unsure.condemn_us, unsure.undo_us, unsure.now_us, unsure.is_sure) == (NEVER, NEVER, NEVER, False)
    assert grace.ends(now, AGREED_US).undo_us == now - 7 * DAY_US
    # One that is shorter need not be watched for longer than itself.
    assert Grace(undo_us=SECOND_US).ends(now, SECOND_US).undo_us == now - SECOND_US
    assert NOW.ends(now, 0).is_sure


def test_lease_ends_one_length_after_it_was_seen_whatever_it_says() -> None:
    hands = Hands()
    seen = Sightings(25 * SECOND_US, lambda: hands.steady)

    class Lease:
        id = "a"
        expires_at_us = hands.wall + 8 * DAY_US

    assert not seen.is_over(Lease, hands.wall)  # type: ignore[arg-type]
    hands.passes(20)
    Lease.expires_at_us += SECOND_US  # its holder renews it
    assert not seen.is_over(Lease, hands.wall)  # type: ignore[arg-type]
    hands.passes(24)
    assert not seen.is_over(Lease, hands.wall)  # type: ignore[arg-type]
    hands.passes(1)
    assert seen.is_over(Lease, hands.wall)  # type: ignore[arg-type]


def test_gc_believes_a_clock_as_far_as_a_server_has_seen_it(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    version = store.commit(*large_put(store))
    store.delete(version)
    now = store.database.read(lambda tx: tx.now_us())
    store.age(tables.artifact_version, "deleted_at_us", 7 * DAY_US)
    store.database.write(lambda tx: limbo.see(tx, now - 8 * DAY_US))

    def gc(**options: bool) -> None:
        assert commands.collect(store, Grace(), repack_all=False, dry_run=False, verify_bucket=False, **options)  # type: ignore[arg-type]

    gc()
    assert "--trust-clock" in capsys.readouterr().err
    store.undelete(version)
    store.delete(version)
    store.age(tables.artifact_version, "deleted_at_us", 7 * DAY_US)
    gc(trust_clock=True)
    with pytest.raises(NotFound):
        store.undelete(version)


def large_put(store: Store) -> list[bytes]:
    pieces = large()
    store.put(*pieces)
    return pieces


def steps_of(store: Store, work: Callable[[], object]) -> int:
    """Statements and hundreds of steps of SQLite's machine that something takes."""
    count = 0

    def one(*_: Any) -> int:
        nonlocal count
        count += 1
        return 0

    def connected(connection: Any, *_: Any) -> None:
        connection.set_progress_handler(one, 100)

    event.listen(store.database.engine, "checkout", connected)
    event.listen(store.database.engine, "before_cursor_execute", one)
    try:
        work()
    finally:
        event.remove(store.database.engine, "checkout", connected)
        event.remove(store.database.engine, "before_cursor_execute", one)
    return count


def shared_by(store: Store, count: int) -> None:
    """Makes so many more versions that need what the version of the store needs."""
    version, edge = tables.artifact_version, tables.artifact_pack

    def unit(tx: Transaction) -> None:
        live = select(version).where(version.c.state == "live", version.c.project_uid == store.pool)
        row = tx.execute(live).mappings().first()
        assert row is not None
        packs = tx.execute(select(edge.c.pack_id).where(edge.c.version_id == row["id"])).scalars().all()
        ids = [str(uuid.uuid4()) for at in range(count)]
        rows = [{**row, "id": id_, "version": at + 10, "revision": 1} for at, id_ in enumerate(ids)]
        tx.execute(insert(version), rows)
        tx.execute(insert(edge), [{"version_id": id_, "pack_id": pack} for id_ in ids for pack in packs])

    store.database.write(unit)


def marked(store: Store) -> Any:
    suspect = select(tables.pack.c.id).where(tables.pack.c.suspect_at_us.is_not(None))
    return store.database.read(lambda tx: tx.execute(suspect).all())


def test_one_deletion_takes_as_long_beside_many_versions_as_beside_few(store: Store) -> None:
    counts = []
    for further in (1_000, 10_000):
        pieces = large(8)
        dead = fresh()
        store.pool = store._new_project()
        store.put(*pieces, *dead)
        store.commit(*pieces)
        shared_by(store, further)
        store.delete(store.commit(*pieces, *dead, name="dead"))
        counts.append(steps_of(store, store.gc))
        assert not marked(store)  # none is looked at again
        read(store, *pieces)
    print(counts)
    assert counts[1] < 2 * counts[0], counts
    assert counts[1] < counts[0] + 500, counts  # a large constant part hides no growth: 9,000 versions more


def packs_beside(store: Store, count: int, size_bytes: int = PACK_BYTES) -> None:
    """Adds rows of so many packs that something needs, of objects that are not there."""
    columns = {"pool": store.pool, "size_bytes": size_bytes, "created_at_us": 1, "touched_at_us": 1}
    rows = [{"id": str(uuid.uuid4()), **columns} for _ in range(count)]
    store.database.write(lambda tx: tx.execute(insert(tables.pack), rows))


def test_sweep_of_nothing_takes_as_long_beside_many_packs_as_beside_few(store: Store) -> None:
    store.commit(*large_put(store))
    store.collector.collect(Grace().ends(1))
    counts = []
    for further in (1_000, 9_000):
        packs_beside(store, further)
        counts.append(steps_of(store, lambda: store.collector.collect(Grace().ends(1), marked=True)))
    print(counts)
    assert counts[1] < counts[0] + 50, counts


def test_merging_takes_as_long_beside_many_versions_as_beside_few(store: Store) -> None:
    counts = []
    for further in (1_000, 10_000):
        store.pool = store._new_project()
        large_put(store)
        store.commit(*large_put(store))
        shared_by(store, further)
        for number in range(30):
            small = fresh()
            store.put(*small)
            store.commit(*small, name=f"small {number}")
        before = store.count(tables.pack)
        counts.append(steps_of(store, store.gc))
        assert store.count(tables.pack) < before - 20, "they are merged"
    print(counts)
    assert counts[1] < 2 * counts[0], counts


def test_dead_bytes_of_a_shared_pack_are_freed_if_they_are_many(store: Store) -> None:
    kept, dead = large(5), large(20)
    store.put(*kept, *dead)
    store.commit(*kept)
    shared_by(store, 50)
    store.delete(store.commit(*dead, name="dead"))
    assert store.gc().repacked_packs == 1
    check_exact(store.database, store.chunks, store.blobs)
    read(store, *kept)


def test_needless_packs_are_found_by_their_marks(store: Store) -> None:
    """Whatever an edge goes with: a version, a commit that was given up, a project."""
    given_up = fresh()
    for pieces, name in ((large(), "kept"), (large(2), "gone"), (given_up, "given up")):
        store.put(*pieces)
        store.commit(*pieces, name=name)
    own, store.pool = store.pool, store._new_project()
    store.commit(*large_put(store), name="of a project that goes")
    doomed, store.pool = store.pool, own
    store.collector.collect(NOW)  # takes the marks away
    assert not marked(store)
    version = tables.artifact_version
    names = select(version.c.id, tables.artifact.c.name).join(tables.artifact)
    ids = {row.name: row.id for row in store.database.read(lambda tx: tx.execute(names).all())}
    store.delete(ids["gone"])
    store.delete(ids["given up"])
    store.database.write(lambda tx: project.delete(tx, "me", project_uid=doomed))
    for _ in range(2):
        store.collector.collect(NOW, marked=True)
    check_exact(store.database, store.chunks, store.blobs)


def test_experiment_is_gone_at_once_and_its_rows_go_a_few_at_a_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = many_models(store, 5_000)
    other = many_of_another_name(store)
    one = select(tables.model.c.id).where(tables.model.c.experiment_id == id_).limit(1)
    some_model = str(store.database.read(lambda tx: tx.execute(one).scalar_one()))
    deletion = steps_of(store, lambda: store.database.write(lambda tx: experiment.delete(tx, "me", id_)))
    back = steps_of(store, lambda: store.database.write(lambda tx: experiment.undelete(tx, "me", id_)))
    assert store.database.read(lambda tx: model.get(tx, some_model)).experiment_id == id_
    second = steps_of(store, lambda: store.database.write(lambda tx: experiment.delete(tx, "me", id_)))
    assert max(deletion, back, second) < 50  # hundreds of steps, whatever hangs on it
    for gone in (lambda tx: experiment.get(tx, id_), lambda tx: model.get(tx, some_model)):
        with pytest.raises(NotFound):
            store.database.read(gone)
    assert store.database.write(lambda tx: model.allot(tx, store.pool, {some_model: 1})) == {}
    again, created = store.database.write(
        lambda tx: experiment.create(
            tx, "me", project_uid=store.pool, experiment_id=str(uuid.uuid4()), name="e", allow_existing=False
        )
    )
    assert created and again.name == "e"
    taken: list[int] = []
    take = purge.Pace.take

    def counted(pace: purge.Pace, tx: Transaction, delete_some: Any) -> int:
        taken.append(take(pace, tx, delete_some))
        return taken[-1]

    monkeypatch.setattr(purge.Pace, "take", counted)
    answers = [False] * 8
    store.collector.collect(NOW, is_stopped=lambda: answers.pop() if answers else True)  # a crash: the next goes on
    assert 0 < sum(map(store.count, (tables.model, tables.model_tag, tables.series))) - 3 < 3 * 5_000
    store.collector.collect(NOW)
    assert sum(taken) == 1 + 3 * 5_000 and max(taken) <= purge.BATCH
    rows = (store.count(tables.model), store.count(tables.series), store.count(tables.model_tag))
    assert rows == (1, 1, 1) and store.count(tables.experiment) == 4  # limbo's two, the other, the new one
    assert store.database.read(lambda tx: experiment.get(tx, other)).id == other


def many_of_another_name(store: Store) -> str:
    store_pool, store.pool = store.pool, store._new_project()
    other = many_models(store, 1)
    store.pool = store_pool
    return other


def logged(store: Store, count: int) -> tuple[str, str]:
    """A model with so many points of step 0, 1, ..., logged one by one; and its series."""
    many_models(store, 1)
    owner = select(tables.model.c.id).where(tables.model.c.project_uid == store.pool)
    id_ = str(store.database.read(lambda tx: tx.execute(owner).scalars().all())[-1])
    for at in range(count):
        points = from_values([("int", str(at))], [at], [at])
        part = metric.SeriesPart("bit by bit", "", points, np.zeros(1, np.int64))
        store.database.write(partial(append, project_uid=store.pool, model_id=id_, part=part))
    series = select(tables.series.c.id).where(tables.series.c.model_id == id_, tables.series.c.name == "bit by bit")
    return id_, str(store.database.read(lambda tx: tx.execute(series).scalar_one()))


def test_series_that_ended_becomes_one_block(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    _, series_id = logged(store, 31)
    assert store.count(tables.block) == 31
    monkeypatch.setattr(compaction, "LOOKED_AT", 1)
    ended = EndedSeries(store.database)
    turns = [ended.compact_some() for _ in range(4)]
    assert sum(turns) == 30 and turns.count(0) == 3
    assert store.count(tables.block) == 1
    row = store.database.read(lambda tx: tx.execute(select(tables.block)).one())
    assert (row.series_id, row.points, row.max_step) == (series_id, 31, 30)


def test_series_that_somebody_appends_to_is_left_alone(store: Store) -> None:
    logged(store, 5)
    now = store.database.read(lambda tx: tx.now_us())
    recent = tables.series.update().values(last_time_us=now)
    store.database.write(lambda tx: tx.execute(recent).rowcount)
    assert EndedSeries(store.database).compact_some() == 0


def test_many_points_are_cleared_and_rewound_a_few_blocks_at_a_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metric, "BATCH", 4)
    monkeypatch.setattr(metric, "CLEARED_BLOCKS", 3)
    id_, _ = logged(store, 20)
    counts = []
    while True:
        rewound = store.database.write(lambda tx: model_step.rewind(tx, "me", model_id=id_, step=9))
        counts.append(rewound.removed_points)
        if rewound.model is not None:
            break
    assert counts == [4, 4, 2] and rewound.model.step == 9
    left = store.database.read(lambda tx: metric.last(tx, model_id=id_, name="bit by bit", phase=None))
    assert (left.step, left.value) == (9, "9")
    cleared = [store.database.write(lambda tx: metric.clear_some(tx, id_)) for _ in range(5)]
    assert cleared == [3, 3, 3, 1, 0]
    assert store.count(tables.block) == 0


def test_artifact_of_many_versions_is_deleted_a_few_at_a_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.commit(*large_put(store))
    shared_by(store, 6)
    versions = tables.artifact_version
    owner = store.database.read(lambda tx: tx.execute(select(versions.c.artifact_id).distinct()).scalar_one())
    monkeypatch.setattr(artifact, "DELETED_VERSIONS", 3)
    deleted = [store.database.write(lambda tx: artifact.delete_some(tx, "me", owner)) for _ in range(4)]
    assert deleted == [3, 3, 1, 0]
    with pytest.raises(NotFound):
        store.database.read(lambda tx: artifact.get_artifact(tx, artifact_id=owner))
