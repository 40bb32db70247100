"""Bucket and database side by side: what is missing is told, what is unknown removed, and the index made anew."""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update
from typer.testing import CliRunner

from support.backends import Backend, sqlite_url
from support.raw import KIB, digest_of
from support.stores import HOUR_US, Store, check_exact, contents
from xpstore.format import packs
from xpstore.format.packs import DamagedPack, PackedChunk, encode_footer, read_footer
from xpstore_server import logs
from xpstore_server.__main__ import cli
from xpstore_server.store import bucket, tables
from xpstore_server.store.packs import pack_key
from xpstore_server.store.sweep import Grace

Command = Callable[..., dict[str, str]]


@pytest.fixture
def store(backend: Backend) -> Iterator[Store]:
    store = Store(backend)
    store.gc()
    yield store
    for key, _ in list(store.blobs.list("")):
        store.blobs.delete(key)
    store.database.close()
    store.blobs.close()


@pytest.fixture
def command(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command of `xpstore-server` on the store, beside it."""
    monkeypatch.setattr(logs, "configure", lambda level: None)

    def run(*words: str, expect: int = 0) -> dict[str, str]:
        places = ["--database-url", backend.database_url, "--blob-url", backend.blob_url]
        result = CliRunner().invoke(cli, [*words, *places], env={})
        assert result.exit_code == expect, result.output
        lines = (line.rpartition("  ") for line in result.output.splitlines() if "  " in line)
        return {"all": result.output, **{name.strip(): value for name, _, value in lines}}

    return run


def saved(store: Store, name: str = "x", count: int = 3) -> list[bytes]:
    """Content of a new version."""
    pieces = [os.urandom(50 * KIB) for _ in range(count)]
    store.put(*pieces)
    store.commit(*pieces, name=name)
    return pieces


def key_of(store: Store, piece: bytes) -> str:
    place = store.chunks.resolve(store.pool, [digest_of(piece)])[digest_of(piece)]
    return pack_key(store.pool, place.pack_id)


def read(store: Store, *pieces: bytes) -> None:
    assert list(store.chunks.read(store.pool, [digest_of(piece) for piece in pieces])) == list(pieces)


def added(shown: dict[str, str]) -> list[str]:
    return [shown[f"added {what}"] for what in ("packs", "chunks", "edges")]


@pytest.mark.store
def test_deleted_bytes_go_at_a_command(store: Store, command: Command) -> None:
    kept = saved(store, "kept")
    dead = [os.urandom(50 * KIB)]
    store.put(*dead)
    store.delete(store.commit(*dead, name="dead"))
    before = contents(store.blobs)[0]
    assert command("gc")["freed"] == "0 bytes"
    shown = command("gc", "--now", "--dry-run")
    assert (
        shown["purged versions"] == "1" and "Nothing is changed" in shown["all"] and contents(store.blobs)[0] == before
    )
    shown = command("gc", "--now", "--repack", "all", "--verify-bucket")
    assert (shown["purged versions"], shown["removed objects"]) == ("1", "4")
    check_exact(store.database, store.chunks, store.blobs)
    read(store, *kept)
    assert store.chunks.missing(store.pool, [digest_of(dead[0])])
    assert command("gc", "--now")["removed objects"] == "0"


@pytest.mark.store
def test_missing_and_cut_objects_are_told_with_the_versions_that_need_them(store: Store, command: Command) -> None:
    missing, cut, kept = saved(store, "missing"), saved(store, "cut"), saved(store, "kept")
    sound = {key_of(store, pieces[0]): b"" for pieces in (missing, cut)}
    for key in sound:
        sound[key] = store.blobs.get(key, 0, 1 << 20)
    store.blobs.delete(key_of(store, missing[0]))
    store.blobs.put(key_of(store, cut[0]), [b"short"])
    # An object that nobody knows may be what was lost: it stays.
    store.blobs.put(pack_key(store.pool, str(uuid.uuid4())), [b"unknown"])
    shown = command("gc", "--verify-bucket", expect=1)
    assert "is missing; needed by missing@1" in shown["all"]
    assert "has 5 bytes instead of" in shown["all"] and "needed by cut@1" in shown["all"]
    assert (shown["damaged packs"], shown["of these removed"]) == ("2", "0 (0 bytes)")
    for key, data in sound.items():
        store.blobs.put(key, [data])
    read(store, *missing, *cut, *kept)
    assert command("gc", "--verify-bucket")["of these removed"] == "1 (7 bytes)"
    assert command("gc", "--verify-bucket")["unknown objects"] == "0 (0 bytes)"


@pytest.mark.store
def test_foreign_objects_are_left_alone(store: Store, command: Command) -> None:
    saved(store)
    id_ = str(uuid.uuid4())
    foreign = [
        "README",
        "packs/README",
        f"packs/{store.pool}/{id_}",
        f"packs/{store.pool}/{'00' if id_[:2] != '00' else '11'}/{id_}",
        f"packs/{store.pool}/{id_[:2]}/{id_.upper()}x",
        f"packs/{store.pool}/{id_[:2]}/{id_}/below",
        pack_key(str(uuid.uuid4()), id_),
    ]
    for key in foreign:
        store.blobs.put(key, [b"not ours"])
    shown = command("gc", "--now", "--repack", "all", "--verify-bucket")
    assert (shown["not ours, left alone"], shown["unknown objects"]) == ("7", "0 (0 bytes)")
    assert command("rebuild-index")["added packs"] == "0"
    assert set(foreign) <= {key for key, _ in store.blobs.list("")}


@pytest.mark.store
def test_objects_being_written_or_waiting_are_known(store: Store) -> None:
    store.put(os.urandom(100))
    store.gc(Grace(0, HOUR_US, 0))
    assert store.count(tables.pack_pending) == 1

    def look() -> None:
        verified = bucket.verify(store.database, store.blobs, print)
        assert (verified.unknown_objects, verified.foreign_objects, verified.damaged_packs) == (0, 0, 0)
        assert bucket.remove_unknown(store.database, store.blobs) == bucket.Removed()

    store.blobs.before_put = look
    saved(store)
    look()


@pytest.mark.store
def test_listing_without_order_finds_the_same(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "PAGE", 2)
    first, *others = (saved(store, str(at), 1) for at in range(6))
    store.blobs.delete(key_of(store, first[0]))
    shown: list[str] = []
    listing = store.blobs.list
    monkeypatch.setattr(store.blobs, "list", lambda prefix: iter(sorted(listing(prefix), key=lambda one: one[0][-1])))
    verified = bucket.verify(store.database, store.blobs, shown.append)
    assert verified.damaged_packs == len(shown) == 1 and "needed by 0@1" in shown[0]
    read(store, *(pieces[0] for pieces in others))


@pytest.mark.store
def test_index_is_made_anew_from_the_packs(store: Store, command: Command) -> None:
    pieces = [*saved(store, "a"), *saved(store, "b")]
    store.delete(store.commit(*pieces, name="deleted"))
    rows = [store.count(table) for table in (tables.pack, tables.chunk, tables.artifact_pack)]
    for table in (tables.artifact_pack, tables.chunk, tables.pack):
        store.database.write(lambda tx, table=table: tx.execute(delete(table)).rowcount)  # type: ignore[misc]
    shown = command("gc", "--verify-bucket", expect=1)
    assert "run `xpstore-server rebuild-index`" in shown["all"] and shown["of these removed"] == "0 (0 bytes)"
    shown = command("rebuild-index")
    assert added(shown) == [str(count) for count in rows]
    assert [store.count(table) for table in (tables.pack, tables.chunk, tables.artifact_pack)] == rows
    read(store, *pieces)
    assert added(command("rebuild-index")) == ["0", "0", "0"]
    command("gc", "--verify-bucket")
    store.gc(repack_all=True)
    check_exact(store.database, store.chunks, store.blobs)
    read(store, *pieces)


@pytest.mark.store
def test_what_is_damaged_is_told_and_the_rest_indexed(store: Store, command: Command) -> None:
    lost, kept = saved(store, "lost"), saved(store, "kept")
    key = key_of(store, lost[0])
    data = store.blobs.get(key, 0, 1 << 20)
    store.blobs.put(key, [data[:-1], bytes([data[-1] ^ 1])])
    for table in (tables.artifact_pack, tables.chunk, tables.pack):
        store.database.write(lambda tx, table=table: tx.execute(delete(table)).rowcount)  # type: ignore[misc]
    shown = command("rebuild-index", expect=1)
    assert "is damaged: bad trailer" in shown["all"] and "lacks 3 chunks" in shown["all"]
    read(store, *kept)
    store.blobs.put(key, [data])
    assert added(command("rebuild-index")) == ["1", "3", "1"]
    read(store, *lost)


@pytest.mark.store
def test_trash_is_not_indexed_again(store: Store, command: Command) -> None:
    pieces = [os.urandom(100)]
    store.put(*pieces)
    store.gc(Grace(0, HOUR_US, 0))
    assert command("rebuild-index")["added packs"] == "0"
    trash = update(tables.pack_pending).values(state="writing")
    store.database.write(lambda tx: tx.execute(trash).rowcount)
    assert command("rebuild-index")["added packs"] == "0"


def test_draft_of_a_write_that_crashed_goes_with_the_pack(tmp_path: Path) -> None:
    store = Store(Backend(name="disk", database_url=sqlite_url(tmp_path / "db"), blob_url=(tmp_path / "b").as_uri()))

    def crash() -> None:
        (id_,) = store.database.read(lambda tx: tx.execute(select(tables.pack_pending.c.id)).scalars().all())
        key = pack_key(store.pool, id_).replace(id_, f".{id_}")
        store.blobs._blobs.put(key, [b"half a pack"])
        raise SystemExit

    store.blobs.before_put = crash
    with pytest.raises(SystemExit):
        store.put(b"piece")
    assert [path for path in (tmp_path / "b").rglob("*") if path.is_file()] and not list(store.blobs.list(""))
    assert store.sweep() == (0, 1)
    assert not [path for path in (tmp_path / "b").rglob("*") if path.is_file()]
    store.database.close()


def test_footer_larger_than_the_first_look_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = str(uuid.uuid4())
    chunks = [PackedChunk(os.urandom(32), 1, at * 10, 10, 10) for at in range(100)]
    data = bytes(1000) + encode_footer(pool, chunks)

    def fetch(offset: int, length: int) -> bytes:
        return data[offset : offset + length]

    for first in (4, 20, 100, len(data), 1 << 20):
        monkeypatch.setattr(packs, "END_BYTES", first)
        if first < 20:
            with pytest.raises(DamagedPack):
                read_footer(len(data), fetch)
        else:
            assert read_footer(len(data), fetch) == (pool, chunks)
    with pytest.raises(DamagedPack):
        read_footer(len(data) - 10, lambda offset, length: data[10 + offset : 10 + offset + length])
