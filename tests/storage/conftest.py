"""Fixtures of the tests of storage."""

from collections.abc import Iterator

import pytest

from support.backends import Backend
from support.stores import Store, check_exact


@pytest.fixture
def store(backend: Backend) -> Iterator[Store]:
    store = Store(backend)
    store.gc()
    yield store
    store.blobs.before_put = lambda: None
    store.check_objects()
    store.gc(repack_all=True)
    check_exact(store.database, store.chunks, store.blobs)
    store.database.close()
    store.blobs.close()
