"""ReportCacheVerification, and formats of fingerprints: what is counted, for how long, and what is outdated."""

import pytest
from sqlalchemy import update

import xpstore
from support.backends import Backend
from support.raw_cache import RawCache, new_fingerprint, process_of
from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.v1 import cache_pb2 as pb
from xpstore_server.core import limits, verification
from xpstore_server.store import tables
from xpstore_server.store.database import Database

SAME, UNSTABLE, FAILED = pb.CACHE_VERIFICATION_SAME, pb.CACHE_VERIFICATION_UNSTABLE, pb.CACHE_VERIFICATION_FAILED


def counted(cache: RawCache) -> list[tuple[int, int]]:
    return [(one.outcome, one.count) for one in cache.statistics().verifications]


def test_outcomes_are_counted_in_their_order(cache: RawCache) -> None:
    assert counted(cache) == []
    for outcome in (FAILED, SAME, UNSTABLE, SAME):
        cache.verified(outcome)
    assert counted(cache) == [(SAME, 2), (UNSTABLE, 1), (FAILED, 1)]
    for every in pb.CacheVerification.values()[1:]:
        cache.verified(every)
    assert [count for _, count in counted(cache)] == [3, 1, 1, 2, 2]


def test_same_id_counts_once(cache: RawCache) -> None:
    id_ = new_id()
    for _ in range(2):
        cache.verified(SAME, id_)
    with pytest.raises(errors.AlreadyExists):
        cache.verified(FAILED, id_)
    assert counted(cache) == [(SAME, 1)]


def test_reports_are_of_one_project(cache: RawCache) -> None:
    cache.verified(SAME)
    with xpstore.Project(f"other {new_id()}") as other:
        assert counted(RawCache(cache.client, other.uid)) == []


def test_report_neither_needs_nor_changes_an_entry(cache: RawCache) -> None:
    entry = cache.compute()
    cache.verified(pb.CACHE_VERIFICATION_DIFFERENT)
    assert cache.lookup(entry.fingerprint) is not None


def test_reports_count_for_90_days(cache: RawCache, backend: Backend) -> None:
    old, young = new_id(), new_id()
    cache.verified(SAME, old)
    cache.verified(SAME, young)
    database = Database(backend.database_url)
    table, days = tables.cache_verification, 24 * 3600 * 1_000_000
    for id_, age_days in ((old, 90), (young, 89)):
        made = update(table).where(table.c.id == id_).values(at_us=table.c.at_us - age_days * days)
        database.write(lambda tx, made=made: tx.execute(made))  # type: ignore[misc]
    assert counted(cache) == [(SAME, 1)]
    assert [database.write(lambda tx: verification.forget(tx, tx.now_us())) for _ in range(2)] == [1, 0]
    database.close()
    assert counted(cache) == [(SAME, 1)]


def test_entry_says_the_format_of_its_fingerprint(cache: RawCache) -> None:
    newest, largest = limits.FINGERPRINT_FORMAT, (1 << 31) - 1
    unsaid = cache.compute(b"1")
    present, future = cache.compute(b"2", fingerprint_format=newest), cache.compute(b"3", fingerprint_format=largest)
    formats = [one.fingerprint_format for one in cache.list().entries]
    assert formats == [1, newest, largest]
    assert [one.fingerprint_format for one in (unsaid, present, future)] == formats
    statistics = cache.statistics()
    assert (statistics.entry_count, statistics.outdated_count) == (3, 1)
    assert (statistics.size_bytes, statistics.outdated_size_bytes) == (3, unsaid.version.size_bytes)


def test_entry_has_the_format_under_which_it_was_completed_last(cache: RawCache) -> None:
    fingerprint = new_fingerprint()
    for number in (limits.FINGERPRINT_FORMAT + 1, limits.FINGERPRINT_FORMAT + 2, limits.FINGERPRINT_FORMAT + 1):
        assert cache.compute(fingerprint=fingerprint, fingerprint_format=number).fingerprint_format == number


def test_outdated_entries_are_invalidated_with_their_bytes_and_no_others(cache: RawCache) -> None:
    old = cache.compute(b"old", process=process_of("f"))
    cache.compute(b"kept", process=process_of("f", a="1"), draft={"aliases": ["best"]})
    new = cache.compute(b"new", process=process_of("f"), fingerprint_format=limits.FINGERPRINT_FORMAT)
    assert cache.invalidate(outdated=True, delete_artifacts=True) == (2, 1)
    assert [one.fingerprint for one in cache.list().entries] == [new.fingerprint]
    assert old.version.id not in {version.id for version in cache.raw.versions()}
    assert cache.invalidate(outdated=True, delete_artifacts=True) == (0, 0)
    assert cache.statistics().outdated_count == 0
