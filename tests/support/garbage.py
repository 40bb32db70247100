"""Versions that share packs, some of them gone."""

import os

from support.raw import KIB, digest_of
from support.stores import Store


def large(count: int = 1) -> list[bytes]:
    return [os.urandom(300 * KIB) for _ in range(count)]


def read(store: Store, *pieces: bytes) -> None:
    """Checks that chunks are there and whole."""
    assert list(store.chunks.read(store.pool, [digest_of(piece) for piece in pieces])) == list(pieces)


def lacks(store: Store, *pieces: bytes) -> bool:
    return len(store.chunks.missing(store.pool, [digest_of(piece) for piece in pieces])) == len(pieces)


def pinned(store: Store, kept: list[bytes], dead: list[bytes]) -> str:
    """A pack of which one version keeps a part; another, which is gone, needed the rest. Returns the first one."""
    store.put(*kept, *dead)
    version = store.commit(*kept, name="kept")
    store.delete(store.commit(*dead, name="dead"))
    return version


def large_put(store: Store) -> list[bytes]:
    pieces = large()
    store.put(*pieces)
    return pieces
