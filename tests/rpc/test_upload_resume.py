"""UploadFile goes on after any crash where its durable bytes end, and only one stream of an upload goes on."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import update

from support.backends import Backend
from support.raw import KIB, MIB, Raw, Stream, cut, digest_of, tree_digest
from support.services import Server
from xpstore import errors
from xpstore.client import Client
from xpstore.v1 import artifact_pb2 as pb
from xpstore_server.store import tables
from xpstore_server.store.database import Database
from xpstore_server.store.transaction import Transaction

DATA = os.urandom(12 * MIB + 345)
PIECES = cut(DATA, 300 * KIB)
START = PIECES[:10]


# What a stream brought becomes durable by itself after a shorter silence.
QUICK = {"rpc.uploads.feed.SILENCE_SECONDS": 0.2, "rpc.uploads.feed.TICK_SECONDS": 0.05}
# All that was sent counts when the stream falls silent or breaks.
SENT = sum(map(len, START))


@pytest.fixture(scope="module")
def server(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that makes durable soon what a silent stream has sent: the tests wait for that again and again."""
    folder = tmp_path_factory.mktemp("server")
    with Server(backend.database_url, backend.blob_url, folder, constants=QUICK) as server:
        yield server


@contextmanager
def replica(backend: Backend, server: Server) -> Iterator[Client]:
    """A second server on the same stores, and a client of it."""
    folder = Path(server.environment["XPSTORE_ADMIN_KEY_FILE"]).parent
    with Server(backend.database_url, backend.blob_url, folder) as second:
        client = Client(second.api_key, second.address)
        yield client
        client.close()


@pytest.mark.store
def test_broken_stream_is_resumed_where_it_stopped(raw: Raw) -> None:
    header = raw.header(blake3=digest_of(DATA), sha256=hashlib.sha256(DATA).digest())
    first = 20 * 300 * KIB
    stream = Stream(raw, header, PIECES[:20])
    stream.wait_durable(first)
    stream.breaks()
    header.offset = raw.get_upload(header).offset
    assert header.offset == first
    second = 8 * MIB + 1
    stream = Stream(raw, header, cut(DATA[first:second], MIB))
    stream.wait_durable(second)
    stream.breaks()
    header.offset = second
    answer = raw.upload_file(header, cut(DATA[second:], MIB))
    assert answer.version.digest == tree_digest({"file.bin": DATA})
    assert raw.read(answer.version.id) == DATA


@pytest.mark.parametrize("sent", [0, 1, 4, len(PIECES)])
def test_broken_stream_publishes_nothing(sent: int, raw: Raw) -> None:
    """To gRPC's Python server a stream that breaks ends like one that its client ends."""
    headers = [raw.header() for _ in range(10)]
    for number, header in enumerate(headers):
        stream = Stream(raw, header, PIECES[:sent])
        time.sleep(0.01 * number)
        stream.breaks()
    time.sleep(1)
    assert raw.versions() == []
    answer = raw.upload_file(raw.header(), PIECES)
    assert [one.id for one in raw.versions()] == [answer.version.id]


@pytest.mark.parametrize("tail", [0, 1000])
@pytest.mark.store
def test_stream_that_was_taken_over_loses(tail: int, raw: Raw) -> None:
    header = raw.header()
    first = 2 * MIB + tail
    old = Stream(raw, header, cut(DATA[:first]))
    old.wait_durable(first)
    header = pb.UploadFileHeader.FromString(header.SerializeToString())
    header.offset = first
    new = Stream(raw, header, cut(DATA[first : 4 * MIB]))
    new.wait_durable(4 * MIB)
    with pytest.raises(errors.Stale) as caught:
        old.result()
    assert caught.value.metadata == {"expected": str(first)}
    answer = new.result()
    assert raw.read(answer.version.id) == DATA[: 4 * MIB]
    assert len(raw.versions()) == 1


@pytest.mark.parametrize("beyond", [1, MIB])
def test_offset_beyond_what_is_durable_is_stale_and_says_the_right_one(beyond: int, raw: Raw) -> None:
    header = raw.header()
    stream = Stream(raw, header, START)
    stream.wait_durable(SENT)
    stream.breaks()
    wrong = raw.header(upload_id=header.upload_id, offset=SENT + beyond)
    with pytest.raises(errors.Stale) as caught:
        raw.upload_file(wrong, [])
    assert caught.value.metadata == {"expected": str(SENT)}
    with pytest.raises(errors.Stale) as caught:
        raw.upload_file(raw.header(offset=beyond), [])
    assert caught.value.metadata == {"expected": "0"}
    assert raw.versions() == []


def test_expired_upload_is_not_found_and_begins_again(raw: Raw, backend: Backend) -> None:
    header = raw.header()
    stream = Stream(raw, header, START)
    stream.wait_durable(SENT)
    stream.breaks()
    database = Database(backend.database_url)
    expired = update(tables.upload).where(tables.upload.c.id == header.upload_id).values(expires_at_us=1)
    database.write(lambda tx: tx.execute(expired).rowcount)
    with pytest.raises(errors.NotFound) as caught:
        raw.get_upload(header)
    assert caught.value.metadata["resource"] == "upload"
    with pytest.raises(errors.Stale) as stale:
        raw.upload_file(raw.header(upload_id=header.upload_id, offset=SENT), cut(DATA[SENT:]))
    assert stale.value.metadata == {"expected": "0"}
    assert raw.upload_file(header, PIECES).version.digest == tree_digest({"file.bin": DATA})
    database.close()


def test_swept_upload_begins_again(raw: Raw, backend: Backend) -> None:
    header = raw.header()
    stream = Stream(raw, header, START)
    stream.wait_durable(SENT)
    stream.breaks()
    database = Database(backend.database_url)
    condemned = tables.pack.delete().where(tables.pack.c.pool == raw.project_uid)

    def unit(tx: Transaction) -> None:
        tx.execute(tables.chunk.delete().where(tables.chunk.c.pool == raw.project_uid))
        tx.execute(condemned)

    database.write(unit)
    header.offset = SENT
    with pytest.raises(errors.Stale) as stale:
        raw.upload_file(header, cut(DATA[SENT:]))
    assert stale.value.metadata == {"expected": "0"}
    header.offset = 0
    assert raw.upload_file(header, PIECES).version.digest == tree_digest({"file.bin": DATA})
    database.close()


@pytest.fixture
def restarted(server: Server) -> Callable[[], None]:
    def restart() -> None:
        server.kill()
        server.start()

    return restart


def test_upload_goes_on_after_the_server_was_killed(raw: Raw, restarted: Callable[[], None]) -> None:
    header = raw.header(blake3=digest_of(DATA))
    stream = Stream(raw, header, START)
    stream.wait_durable(SENT)
    restarted()
    with pytest.raises(errors.Unavailable):
        stream.result()
    assert raw.versions() == []
    header.offset = raw.get_upload(header).offset
    assert header.offset == SENT
    answer = raw.upload_file(header, cut(DATA[SENT:]))
    assert raw.read(answer.version.id) == DATA


def test_upload_goes_on_at_another_replica(raw: Raw, backend: Backend, server: Server) -> None:
    if backend.name == "sqlite-disk":
        pytest.skip("SQLite has one server")
    header = raw.header(sha256=hashlib.sha256(DATA).digest())
    stream = Stream(raw, header, START)
    stream.wait_durable(SENT)
    with replica(backend, server) as client:
        other = Raw(client, raw.project_uid)
        header = pb.UploadFileHeader.FromString(header.SerializeToString())
        header.offset = other.get_upload(header).offset
        answer = other.upload_file(header, cut(DATA[SENT:]))
        assert other.read(answer.version.id) == DATA
    with pytest.raises(errors.Stale):
        stream.result()
    assert raw.read(answer.version.id) == DATA
