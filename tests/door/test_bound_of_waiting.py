"""Calls that wait for a cache entry are counted apart: they hold no thread, and many may wait."""

from pathlib import Path

import grpc
import pytest

import xpstore
from support.backends import sqlite_url
from support.door.calls import calling, ended
from support.raw_cache import RawCache, new_fingerprint, new_token
from support.services import Server
from xpstore.v1.cache_pb2 import WaitForCacheEntryResponse

pytestmark = pytest.mark.client

WAIT = "/xpstore.v1.CacheService/WaitForCacheEntry"
MOST = 5


def test_one_more_than_may_wait_is_told_so_and_the_others_work(tmp_path: Path) -> None:
    constants = {"core.limits.WAITING_CALLS": MOST}
    database = sqlite_url(tmp_path / "xpstore.db")
    with Server(database, (tmp_path / "blobs").as_uri(), tmp_path, constants=constants) as server:
        client = xpstore.Client(server.api_key, server.address)
        cache = RawCache(client, client.project("p").open().uid)
        fingerprint = new_fingerprint()
        assert cache.reserve(fingerprint, new_token()).WhichOneof("outcome") == "granted"
        busy = cache.reserve(fingerprint, new_token()).busy
        long, short = (cache.wait_request(fingerprint, busy.id, seconds).SerializeToString() for seconds in (8, 0))
        with calling(server, server.api_key) as caller:
            waiting = [caller.begin(WAIT, [long]) for _ in range(MOST)]
            refused = caller.call(WAIT, short)
            while refused.code == grpc.StatusCode.OK:  # until the others have come
                assert not any(call.done() for call in waiting)
                refused = caller.call(WAIT, short)
            assert client.project("another").open().uid, "others go on"
            outcomes = [WaitForCacheEntryResponse.FromString(ended(call).messages[0]) for call in waiting]
            assert [outcome.WhichOneof("outcome") for outcome in outcomes] == ["running"] * MOST
            assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RESOURCE_EXHAUSTED")
            assert (refused.metadata["limit"], refused.metadata["expected"]) == ("max_waiting_calls", str(MOST))
            assert refused.retry_seconds
            assert caller.call(WAIT, short).code == grpc.StatusCode.OK
        client.close()
