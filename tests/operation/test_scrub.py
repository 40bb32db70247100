"""The scrub: packs whose bytes are not those that were stored are named, with the versions that need them."""

import os
import re
import time
from pathlib import Path

import pytest

from support.backends import Backend
from support.operation.operating import run
from support.raw import KIB
from support.stores import Store
from xpstore_server import commands
from xpstore_server.store.bucket import FIRST
from xpstore_server.store.scrub import Pace, Scrubbed, scrub

FAST = 1e12


def pieces(count: int = 3) -> list[bytes]:
    return [os.urandom(100 * KIB) for _ in range(count)]


@pytest.fixture
def store(backend: Backend) -> Store:
    store = Store(backend)
    store.gc()
    return store


def scrubbed(store: Store, at: tuple[str, str] = FIRST) -> tuple[Scrubbed, list[str]]:
    found, lines = Scrubbed(at=at), list[str]()
    scrub(store.database, store.blobs, Pace(FAST), found, lines.append)
    return found, lines


def packs(store: Store) -> list[str]:
    """The keys of packs, largest first: those of chunks before those of manifests."""
    return [key for key, _ in sorted(store.blobs.list("packs/"), key=lambda item: -item[1])]


def spoil(store: Store, key: str, change: object) -> None:
    """Puts other bytes in place of an object."""
    data = bytearray(store.blobs.get(key, 0, 1 << 30))
    store.blobs.delete(key)
    store.blobs.put(key, [change(data)])  # type: ignore[operator]


def flipped(data: bytearray) -> bytes:
    data[150 * KIB] ^= 1
    return bytes(data)


def test_sound_packs_are_all_read(store: Store) -> None:
    for name in ("a", "b"):
        store.put(*(some := pieces()))
        store.commit(*some, name=name)
    found, lines = scrubbed(store)
    assert (found.packs, found.chunks, found.damaged_packs, lines) == (4, 8, 0, [])
    assert found.read_bytes == sum(size for _, size in store.blobs.list("packs/"))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (flipped, "is damaged in 1 of 3 chunks, the first at byte 102400"),
        (lambda data: bytes(data[:-1]), "bytes instead of"),
        (lambda data: bytes(data) + b"x", "is sound"),
        (lambda data: bytes(data[:-1]) + b"\xff", "has a damaged footer"),
        (lambda data: bytes(len(data)), "is damaged in 3 of 3 chunks"),
    ],
)
def test_damage_is_told_with_the_version_that_needs_it(store: Store, change: object, fault: str) -> None:
    store.put(*(some := pieces()))
    store.commit(*some, name="mine")
    spoil(store, packs(store)[0], change)
    found, lines = scrubbed(store)
    if fault == "is sound":  # what is behind the pack belongs to nobody; `gc --verify-bucket` tells the size
        assert not lines
        return
    assert found.damaged_packs == 1 and found.packs == 2
    assert fault in lines[0] and lines[0].endswith("needed by mine@1")


def test_pack_that_is_gone_is_told_and_the_others_are_read(store: Store) -> None:
    for name in ("a", "b"):
        store.put(*(some := pieces()))
        store.commit(*some, name=name)
    store.blobs.delete(packs(store)[0])
    found, lines = scrubbed(store)
    assert found.packs == 4 and found.damaged_packs == 1 and "is missing; needed by" in lines[0]


def test_fault_of_one_read_is_no_damage(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put(*pieces())
    read, get = list[str](), store.blobs.get

    def badly(key: str, offset: int, length: int) -> bytes:
        read.append(key)
        data = get(key, offset, length)
        return data if len(read) > 1 else bytes(len(data))

    monkeypatch.setattr(store.blobs, "get", badly)
    found, lines = scrubbed(store)
    assert not lines and not found.damaged_packs and len(read) == 2


def test_scrub_goes_on_behind_the_pack_that_was_read_last(store: Store) -> None:
    for _ in range(4):
        store.put(*pieces(1))
    first, lines = Scrubbed(), list[str]()

    class BrokenOff(Exception):
        pass

    class OnePack(Pace):
        def took(self, size_bytes: int) -> None:
            if first.packs == 2:
                raise BrokenOff

    with pytest.raises(BrokenOff):
        scrub(store.database, store.blobs, OnePack(FAST), first, lines.append)
    rest, _ = scrubbed(store, first.at)
    assert (first.packs, rest.packs) == (2, 2)


def test_pace_is_kept_and_what_was_slow_is_not_made_up_for() -> None:
    now, slept = [100.0], list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    pace = Pace(10.0, lambda: now[0], sleep)
    pace.took(50)
    now[0] += 3.0
    pace.took(50)
    now[0] += 60.0
    pace.took(50)
    assert slept == [5.0, 2.0]


def settings(backend: Backend) -> dict[str, str]:
    return {"XPSTORE_DATABASE_URL": backend.database_url, "XPSTORE_BLOB_URL": backend.blob_url}


def test_command_says_what_it_read_and_what_is_damaged(store: Store, backend: Backend, tmp_path: Path) -> None:
    store.put(*(some := pieces()))
    store.commit(*some, name="mine")
    began = time.monotonic()
    sound = run("scrub", "--mib-per-second", "0.2", folder=tmp_path, **settings(backend))
    read = sum(size for _, size in store.blobs.list("packs/"))
    assert time.monotonic() - began > 0.9 * read / (0.2 * KIB * KIB)  # no faster than it was told
    assert sound.returncode == 0 and re.search(r"chunks verified +4\n", sound.stdout), sound.stderr
    spoil(store, packs(store)[0], flipped)
    damaged = run("scrub", folder=tmp_path, **settings(backend))
    assert damaged.returncode == 1 and re.search(r"damaged packs +1\n", damaged.stdout)
    assert damaged.stderr.startswith("xpstore-server: pack ") and "needed by mine@1" in damaged.stderr
    bad = run("scrub", "--after", "here", folder=tmp_path, **settings(backend))
    assert bad.returncode == 1 and bad.stderr == "xpstore-server: --after: write PROJECT/PACK, two ids, not 'here'\n"


def test_command_that_is_interrupted_says_where_to_go_on(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        store.put(*pieces(1))

    class Interrupted(Pace):
        def took(self, size_bytes: int) -> None:
            if len(read) == 2:
                raise KeyboardInterrupt
            read.append(size_bytes)

    read = list[int]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commands, "Pace", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            commands.scrub_packs(store, 1.0, FIRST)  # type: ignore[arg-type]
    told = capsys.readouterr().err
    after = re.fullmatch(r"xpstore-server: broken off after 2 packs; to go on: scrub --after (\S+)/(\S+)\n", told)
    assert after is not None
    assert scrubbed(store, (after[1], after[2]))[0].packs == 1
