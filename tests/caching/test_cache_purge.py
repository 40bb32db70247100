"""What the purge and the collection take of the cache, and that no token is kept."""

from sqlalchemy import func, select, update

from support.leases import expire
from support.operation.operating import run_beside
from support.raw_cache import SECOND_US, RawCache, new_fingerprint, new_token, process_of
from support.services import Server
from xpstore.v1 import cache_pb2 as pb
from xpstore_server.core import lease, limits
from xpstore_server.store import tables
from xpstore_server.store.database import Database
from xpstore_server.store.purge import purge
from xpstore_server.store.sweep import NO_GRACE, Swept


def test_gc_forgets_what_is_over(caches: list[RawCache], database: Database, replicas: list[Server]) -> None:
    cache = caches[0]
    failed, lost, kept = new_token(), new_token(), new_token()
    for token in (failed, lost, kept):
        cache.reserve(new_fingerprint(), token)
    cache.fail(failed)
    for token, minutes in ((failed, 60), (lost, 60), (kept, 59)):
        expire(database, lease.id_of(token), -60 * minutes)
    cache.verified(pb.CACHE_VERIFICATION_SAME)
    verified = tables.cache_verification
    database.write(lambda tx: tx.execute(update(verified).values(at_us=tx.now_us() - limits.VERIFICATION_KEPT_US)))
    expired, fresh = cache.compute(b"1", ttl_us=1), cache.compute(b"2", ttl_us=3600 * SECOND_US)
    collect(replicas[0])
    assert len(cache.list().entries) == 2  # within the undo window
    assert database.read(lambda tx: tx.execute(select(verified)).all()) == []
    found = database.read(lambda tx: set(tx.execute(select(tables.cache_lease.c.id)).scalars()))
    assert not found & {lease.id_of(failed), lease.id_of(lost)} and lease.id_of(kept) in found
    collect(replicas[0], "--now")
    assert [one.fingerprint for one in cache.list().entries] == [fresh.fingerprint]
    assert {version.id for version in cache.raw.versions()} == {expired.version.id, fresh.version.id}


def collect(server: Server, *flags: str) -> None:
    """What the janitor does, by hand."""
    assert run_beside(server, "gc", *flags).returncode == 0


def test_purged_versions_take_their_entries_along(caches: list[RawCache], database: Database) -> None:
    cache = caches[0]
    gone, stays = cache.compute(b"1"), cache.compute(b"2", process=process_of("g"))
    assert cache.invalidate(process_name="nobody", delete_artifacts=True) == (0, 0)
    table = tables.artifact_version
    deleted = update(table).where(table.c.id == gone.version.id).values(state="deleted", deleted_at_us=1)
    database.write(lambda tx: tx.execute(deleted))
    purge(database, NO_GRACE.ends(0), Swept())
    entries = select(tables.cache_entry.c.fingerprint).where(tables.cache_entry.c.project_uid == cache.project_uid)
    assert database.read(lambda tx: tx.execute(entries).scalars().all()) == [stays.fingerprint]


def test_purged_projects_take_entries_leases_and_verifications_along(
    caches: list[RawCache], database: Database
) -> None:
    cache = caches[0]
    cache.compute()
    cache.reserve(new_fingerprint(), new_token())
    cache.verified(pb.CACHE_VERIFICATION_SAME)
    table = tables.project
    database.write(lambda tx: tx.execute(update(table).where(table.c.uid == cache.project_uid).values(deleted_at_us=1)))
    purge(database, NO_GRACE.ends(0), Swept())
    for one in (tables.cache_entry, tables.cache_lease, tables.cache_verification, tables.project):
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
