"""A lease is of the key and project that it was reserved with: with another its token is as one that is not known."""

from collections.abc import Iterator

import pytest

from support.greedy.keys import another
from support.raw_cache import RawCache, new_fingerprint, new_token
from support.services import Server
from xpstore import Project, errors
from xpstore._values.ids import new_id


@pytest.fixture
def cache(project: Project) -> RawCache:
    return RawCache(project._client, project.uid)


@pytest.fixture
def stranger(cache: RawCache, server: Server) -> Iterator[RawCache]:
    """Somebody with another key in the same project."""
    with another(server) as client:
        yield RawCache(client, cache.project_uid)


def test_token_with_another_key_is_unknown(cache: RawCache, stranger: RawCache) -> None:
    fingerprint, token = new_fingerprint(), new_token()
    lease = cache.reserve(fingerprint, token).granted
    for mine in (token, new_token()):  # both are answered alike
        assert stranger.renew(mine) == [0]
        assert stranger.release(mine) is False
        assert stranger.fail(mine) is False
        assert stranger.reserve(fingerprint, mine).busy == cache.wait(fingerprint, lease.id, 0).running
        # Whoever holds a lease is told that he waits for himself.
        assert stranger.wait(fingerprint, lease.id, 0, (mine,)).HasField("running")
    assert cache.wait(fingerprint, lease.id, 5, (token,)).HasField("deadlock")
    assert cache.renew(token) == []


def test_completion_with_another_key_is_stale(cache: RawCache, stranger: RawCache) -> None:
    fingerprint, token = new_fingerprint(), new_token()
    cache.reserve(fingerprint, token)
    texts = set()
    for mine in (token, new_token()):
        with pytest.raises(errors.Stale) as caught:
            stranger.commit(fingerprint, mine)
        texts.add(str(caught.value))
    assert len(texts) == 1
    assert stranger.lookup(fingerprint) is None
    assert cache.commit(fingerprint, token).created
    # The holder is answered with what he completed, whatever he wants; with the token another key computes anew.
    assert cache.reserve(fingerprint, token, force=True).HasField("entry")
    with pytest.raises(errors.Stale):
        stranger.commit(fingerprint, token)
    assert stranger.reserve(fingerprint, token, force=True).HasField("granted")


def test_completion_in_another_project_is_stale(cache: RawCache) -> None:
    fingerprint, token = new_fingerprint(), new_token()
    cache.reserve(fingerprint, token)
    with Project(f"other {new_id()}") as other, pytest.raises(errors.Stale):
        RawCache(cache.client, other.uid).commit(fingerprint, token)
    assert cache.commit(fingerprint, token).created
