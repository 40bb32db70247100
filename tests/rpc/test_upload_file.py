"""UploadFile, the simple way in: one stream of plain bytes becomes a version, or nothing does."""

import hashlib
import os
import time

import pytest

import xpstore
from support.operation.operating import run_beside
from support.raw import KIB, MIB, Raw, begin, cut, digest_of, tree_digest
from support.services import Server
from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.client import Client
from xpstore.v1 import artifact_pb2 as pb

DATA = os.urandom(12 * MIB + 345)
PIECES = cut(DATA, 300 * KIB)


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


def test_header_that_differs_is_another_upload_under_the_same_id(raw: Raw) -> None:
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
        with pytest.raises(errors.AlreadyExists) as caught:
            raw.upload_file(raw.header(upload_id=header.upload_id, **change), [b"hello"])
        assert caught.value.metadata["field"] == "header.upload_id"
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
    assert caught.value.metadata["field"] == f"header.{field}"
    assert raw.versions() == []


def test_stream_that_does_not_keep_to_header_and_data_is_refused(raw: Raw) -> None:
    header = pb.UploadFileRequest(header=raw.header())
    data = pb.UploadFileRequest(data=b"data")
    empty = pb.UploadFileRequest()
    for messages in ([], [data], [empty], [empty, header], [header, header], [header, empty, data, header]):
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
    assert caught.value.metadata["field"] == f"header.{field}"
    assert raw.versions() == []
    assert raw.get_upload(header).offset == 0
    assert raw.upload_file(header, PIECES).version.digest == tree_digest({"file.bin": DATA})


@pytest.mark.parametrize("change", [-1, 1])
def test_file_of_another_size_is_refused_and_can_be_sent_again(change: int, raw: Raw) -> None:
    header = raw.header(size_bytes=len(DATA) + change)
    with pytest.raises(errors.InvalidArgument) as caught:
        raw.upload_file(header, PIECES)
    assert caught.value.metadata["field"] == "header.size_bytes"
    assert raw.versions() == []
    header.offset = raw.get_upload(header).offset
    right = (DATA + b"x")[: len(DATA) + change]
    assert raw.upload_file(header, cut(right[header.offset :])).version.digest == tree_digest({"file.bin": right})


def test_upload_of_another_key_is_not_seen(raw: Raw, server: Server) -> None:
    header = raw.header()
    begin(raw, header)
    made = run_beside(server, "keys", "create", f"other {new_id()}")
    other = Raw(Client(made.stdout.strip(), server.address), raw.project_uid)
    with pytest.raises(errors.NotFound):
        other.get_upload(header)
    with pytest.raises(errors.AlreadyExists) as caught:
        other.upload_file(header, [b"data"])
    assert caught.value.metadata["field"] == "header.upload_id"
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
