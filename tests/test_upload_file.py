"""UploadFile: the simple way in, which goes on after any crash where its durable bytes end."""

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

import xpstore
from conftest import Backend
from raw import KIB, MIB, Raw, cut, digest_of, file_messages, tree_digest
from services import Server
from xpstore import errors
from xpstore.client import Client, new_id
from xpstore.errors import from_rpc
from xpstore.v1 import artifact_pb2 as pb

DATA = os.urandom(12 * MIB + 345)
PIECES = cut(DATA, 300 * KIB)


@pytest.fixture
def raw(project: xpstore.Project) -> Raw:
    return Raw(project._client, project.uid)


class Stream:
    """An upload under way that sends some bytes and then keeps silent."""

    def __init__(self, raw: Raw, header: pb.UploadFileHeader, data: list[bytes]) -> None:
        self._raw = raw
        self._header = header
        self._end = threading.Event()
        messages = self._messages(data)
        self.call = raw.stub.UploadFile.future(messages, timeout=120, metadata=raw.client.metadata)

    def _messages(self, data: list[bytes]) -> Iterator[pb.UploadFileRequest]:
        yield from file_messages(self._header, data)
        self._end.wait(60)

    def wait_durable(self, offset: int) -> None:
        """Waits until the server says that this much is durable."""
        deadline = time.monotonic() + 30
        while self._durable() < offset:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def _durable(self) -> int:
        try:
            return self._raw.get_upload(self._header).offset
        except errors.NotFound:  # the header has not arrived yet
            return -1

    def result(self) -> pb.UploadFileResponse:
        """Ends the stream as a client should, and returns the answer or raises the typed error."""
        self._end.set()
        try:
            return self.call.result()
        except grpc.RpcError as error:
            raise from_rpc(error, "") from None

    def breaks(self) -> None:
        """Breaks the stream."""
        self.call.cancel()
        self._end.set()


def begin(raw: Raw, header: pb.UploadFileHeader) -> None:
    """Opens an upload and breaks it."""
    stream = Stream(raw, header, [])
    stream.wait_durable(0)
    stream.breaks()


@contextmanager
def replica(backend: Backend, server: Server) -> Iterator[Client]:
    """A second server on the same stores, and a client of it."""
    folder = Path(server.environment["XPSTORE_ADMIN_KEY_FILE"]).parent
    with Server(backend.database_url, backend.blob_url, folder) as second:
        client = Client(second.api_key, second.address)
        yield client
        client.close()


@pytest.mark.store
def test_streamed_file_becomes_a_version(raw: Raw) -> None:
    header = raw.header(size_bytes=len(DATA), blake3=digest_of(DATA), sha256=hashlib.sha256(DATA).digest())
    answer = raw.upload_file(header, PIECES)
    assert answer.created and answer.version.id == header.upload_id
    assert answer.version.digest == tree_digest({"file.bin": DATA})
    assert raw.read(answer.version.id) == DATA
    assert raw.versions() == [answer.version]


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1])
def test_file_of_any_size_is_taken(size: int, raw: Raw) -> None:
    data = DATA[:size]
    answer = raw.upload_file(raw.header(), [data] if data else [])
    assert answer.version.digest == tree_digest({"file.bin": data})
    assert raw.read(answer.version.id, "file.bin") == data


def test_same_file_again_is_the_same_version(raw: Raw) -> None:
    first = raw.upload_file(raw.header(), [b"data"])
    again = raw.upload_file(raw.header(), [b"da", b"", b"ta"])
    assert (again.version.id, again.created) == (first.version.id, False)


@pytest.mark.store
def test_finished_upload_answers_its_result(raw: Raw) -> None:
    header = raw.header()
    answer = raw.upload_file(header, [b"data"])
    stands = raw.get_upload(header)
    assert (stands.version, stands.offset) == (answer.version, 4)
    assert stands.expires_at_us > time.time_ns() // 1000
    header.offset = 77
    again = raw.upload_file(header, [b"ignored"])
    assert again.version == answer.version and again.created
    assert len(raw.versions()) == 1


@pytest.mark.store
def test_broken_stream_is_resumed_at_a_chunk(raw: Raw) -> None:
    header = raw.header(blake3=digest_of(DATA), sha256=hashlib.sha256(DATA).digest())
    stream = Stream(raw, header, PIECES[:20])  # 5.9 MiB
    stream.wait_durable(5 * MIB)
    stream.breaks()
    header.offset = raw.get_upload(header).offset
    assert header.offset == 5 * MIB
    stream = Stream(raw, header, cut(DATA[5 * MIB : 8 * MIB], MIB))
    stream.wait_durable(8 * MIB)
    stream.breaks()
    header.offset = 8 * MIB
    answer = raw.upload_file(header, cut(DATA[8 * MIB :], MIB))
    assert answer.version.digest == tree_digest({"file.bin": DATA})
    assert raw.read(answer.version.id) == DATA


@pytest.mark.parametrize("sent", [0, 1, 4, len(PIECES)])
def test_broken_stream_publishes_nothing(sent: int, raw: Raw) -> None:
    """To gRPC's Python server a stream that breaks ends like one that is complete."""
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
    # One stops in the middle of a chunk; the other could end here.
    old = Stream(raw, header, cut(DATA[: 2 * MIB + tail]))
    old.wait_durable(2 * MIB)
    header = pb.UploadFileHeader.FromString(header.SerializeToString())
    header.offset = 2 * MIB
    new = Stream(raw, header, [DATA[2 * MIB : 3 * MIB]])
    new.wait_durable(3 * MIB)
    with pytest.raises(errors.Stale) as caught:
        old.result()
    assert caught.value.metadata == {"expected": str(3 * MIB)}
    answer = new.result()
    assert raw.read(answer.version.id) == DATA[: 3 * MIB]
    assert len(raw.versions()) == 1


@pytest.mark.parametrize("offset", [1, MIB, 3 * MIB])
def test_wrong_offset_is_stale_and_says_the_right_one(offset: int, raw: Raw) -> None:
    header = raw.header()
    stream = Stream(raw, header, cut(DATA[: 2 * MIB]))
    stream.wait_durable(2 * MIB)
    stream.breaks()
    wrong = raw.header(upload_id=header.upload_id, offset=offset)
    with pytest.raises(errors.Stale) as caught:
        raw.upload_file(wrong, [])
    assert caught.value.metadata == {"expected": str(2 * MIB)}
    with pytest.raises(errors.Stale) as caught:
        raw.upload_file(raw.header(offset=offset), [])
    assert caught.value.metadata == {"expected": "0"}
    assert raw.versions() == []


def test_header_that_differs_is_refused(raw: Raw) -> None:
    header = raw.header(size_bytes=5)
    begin(raw, header)
    changes: list[dict[str, object]] = [
        {"size_bytes": 6},
        {},
        {"size_bytes": 5, "path": "other"},
        {"size_bytes": 5, "blake3": bytes(32)},
        {"size_bytes": 5, "draft": pb.ArtifactDraft(name="other", type="directory")},
    ]
    for change in changes:
        with pytest.raises(errors.InvalidArgument) as caught:
            raw.upload_file(raw.header(upload_id=header.upload_id, **change), [b"hello"])
        assert caught.value.metadata["field"] == "header"
    assert raw.upload_file(header, [b"hello"]).created


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("upload_id", {"upload_id": "x"}),
        ("project_uid", {"project_uid": "x"}),
        ("draft.name", {"draft": pb.ArtifactDraft(type="directory")}),
        ("draft.type", {"draft": pb.ArtifactDraft(name="x")}),
        ("path", {"path": ""}),
        ("path", {"path": "../x"}),
        ("path", {"path": "a\x00"}),
        ("path", {"path": "/a"}),
        ("size_bytes", {"size_bytes": -1}),
        ("offset", {"offset": -1}),
        ("blake3", {"blake3": b"short"}),
        ("sha256", {"sha256": bytes(33)}),
    ],
)
def test_malformed_header_is_refused(field: str, changes: dict[str, object], raw: Raw) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        raw.upload_file(raw.header(**changes), [b"data"])
    assert caught.value.metadata["field"] == field
    assert raw.versions() == []


def test_stream_that_does_not_keep_to_header_and_data_is_refused(raw: Raw) -> None:
    header = pb.UploadFileRequest(header=raw.header())
    data = pb.UploadFileRequest(data=b"data")
    for messages in ([], [data], [pb.UploadFileRequest()], [header, header], [header, pb.UploadFileRequest()]):
        with pytest.raises(errors.InvalidArgument) as caught:
            raw.stream(raw.stub.UploadFile, messages)
        assert caught.value.metadata["field"] == "part"
    unknown = raw.header(project_uid=new_id())
    with pytest.raises(errors.NotFound):
        raw.upload_file(unknown, [b"data"])
    assert raw.versions() == []


@pytest.mark.parametrize("field", ["blake3", "sha256"])
def test_bytes_of_another_digest_are_refused_and_can_be_sent_again(field: str, raw: Raw) -> None:
    right = digest_of(DATA) if field == "blake3" else hashlib.sha256(DATA).digest()
    header = raw.header(**{field: right})
    spoiled = [PIECES[0][::-1], *PIECES[1:]]
    with pytest.raises(errors.InvalidArgument) as caught:
        raw.upload_file(header, spoiled)
    assert caught.value.metadata["field"] == field
    assert raw.versions() == []
    assert raw.get_upload(header).offset == 0
    assert raw.upload_file(header, PIECES).version.digest == tree_digest({"file.bin": DATA})


@pytest.mark.parametrize("change", [-1, 1])
def test_file_of_another_size_is_refused_and_can_be_sent_again(change: int, raw: Raw) -> None:
    header = raw.header(size_bytes=len(DATA) + change)
    with pytest.raises(errors.InvalidArgument) as caught:
        raw.upload_file(header, PIECES)
    assert caught.value.metadata["field"] == "size_bytes"
    assert raw.versions() == []
    header.offset = raw.get_upload(header).offset
    right = (DATA + b"x")[: len(DATA) + change]
    assert raw.upload_file(header, cut(right[header.offset :])).version.digest == tree_digest({"file.bin": right})


def test_upload_of_another_key_is_not_seen(raw: Raw, server: Server) -> None:
    header = raw.header()
    begin(raw, header)
    command = [sys.executable, "-m", "xpstore_server", "keys", "create", f"other {new_id()}"]
    made = subprocess.run(command, env=server.environment, capture_output=True, text=True, check=True)
    other = Raw(Client(made.stdout.strip(), server.address), raw.project_uid)
    with pytest.raises(errors.NotFound):
        other.get_upload(header)
    with pytest.raises(errors.AlreadyExists) as caught:
        other.upload_file(header, [b"data"])
    assert caught.value.metadata["field"] == "upload_id"
    assert raw.upload_file(header, [b"data"]).created
    with pytest.raises(errors.NotFound):
        other.get_upload(header)
    other.client.close()


def test_same_upload_id_in_another_project_is_refused(raw: Raw) -> None:
    header = raw.header()
    begin(raw, header)
    with xpstore.Project(f"other {new_id()}") as project, pytest.raises(errors.AlreadyExists):
        Raw(project._client, project.uid).upload_file(
            raw.header(upload_id=header.upload_id, project_uid=project.uid), []
        )


@pytest.fixture
def restarted(server: Server) -> Callable[[], None]:
    def restart() -> None:
        server.kill()
        server.start()

    return restart


def test_upload_goes_on_after_the_server_was_killed(raw: Raw, restarted: Callable[[], None]) -> None:
    header = raw.header(blake3=digest_of(DATA))
    stream = Stream(raw, header, cut(DATA[: 3 * MIB]))
    stream.wait_durable(3 * MIB)
    restarted()
    with pytest.raises(errors.Unavailable):
        stream.result()
    assert raw.versions() == []
    header.offset = raw.get_upload(header).offset
    assert header.offset == 3 * MIB
    answer = raw.upload_file(header, cut(DATA[3 * MIB :]))
    assert raw.read(answer.version.id) == DATA


def test_upload_goes_on_at_another_replica(raw: Raw, backend: Backend, server: Server) -> None:
    if backend.name == "sqlite-disk":
        pytest.skip("SQLite has one server")
    header = raw.header(sha256=hashlib.sha256(DATA).digest())
    stream = Stream(raw, header, cut(DATA[: 3 * MIB]))
    stream.wait_durable(3 * MIB)
    with replica(backend, server) as client:
        other = Raw(client, raw.project_uid)
        header = pb.UploadFileHeader.FromString(header.SerializeToString())
        header.offset = other.get_upload(header).offset
        answer = other.upload_file(header, cut(DATA[3 * MIB :]))
        assert other.read(answer.version.id) == DATA
    with pytest.raises(errors.Stale):
        stream.result()
    assert raw.read(answer.version.id) == DATA
