"""Programs of an embedded server write packs into its folder, and send what that does not take."""

import logging
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import xpstore
from support.homes import Home
from xpstore import DirectoryArtifact
from xpstore._files import ways
from xpstore._files.upload import Uploader
from xpstore.errors import Conflict, InvalidArgument
from xpstore.v1 import transfer_pb2 as pb

pytestmark = pytest.mark.transfer

MIB = 1 << 20
WHOLE = secrets.token_bytes(20 * MIB)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with Home(tmp_path_factory.mktemp("own") / "home") as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XPSTORE_HOME", str(home.folder))
        yield home


@pytest.fixture
def own(home: Home) -> Iterator[xpstore.Project]:
    ways._up.clear()
    with closing(xpstore.init()) as client, client.project("own", "own") as project:
        yield project


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes went through the server, a stream each."""
    found, stream = list[int](), Uploader._stream

    def counted(self: Uploader, messages: list[bytes]) -> None:
        found.append(sum(map(len, messages)))
        stream(self, messages)

    monkeypatch.setattr(Uploader, "_stream", counted)
    return found


def test_bytes_are_laid_down_in_the_folder(own: xpstore.Project, sent: list[int], tmp_path: Path, home: Home) -> None:
    (tmp_path / "whole.bin").write_bytes(WHOLE)
    saved = DirectoryArtifact.save(tmp_path / "whole.bin", "whole")
    assert sum(sent) < 6 * MIB, "what does not fill a pack"
    assert (saved.download(tmp_path / "down") / "whole.bin").read_bytes() == WHOLE
    assert not list((home.folder / "blobs" / "incoming").iterdir())
    again = DirectoryArtifact.save(tmp_path / "whole.bin", "again", reread=True)
    assert again.digest == saved.digest and sum(sent) < 6 * MIB


def test_where_the_folder_cannot_be_written_bytes_are_sent(
    own: xpstore.Project,
    sent: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("xpstore.format.pack_files.PackWriter.write_buffer", full)
    data = secrets.token_bytes(3 * MIB)
    (tmp_path / "other.bin").write_bytes(data)
    with caplog.at_level(logging.INFO, "xpstore"):
        saved = DirectoryArtifact.save(tmp_path / "other.bin", "other")
    assert sum(sent) > 3 * MIB
    assert (saved.download(tmp_path / "down") / "other.bin").read_bytes() == data
    assert sum("through the server" in record.message for record in caplog.records) == 1


def test_a_pack_that_is_written_wrongly_is_sent(
    own: xpstore.Project, sent: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "xpstore.format.pack_files.PackWriter.write_buffer", lambda _, path, pack: path.write_bytes(b"x")
    )
    data = secrets.token_bytes(3 * MIB)
    (tmp_path / "third.bin").write_bytes(data)
    saved = DirectoryArtifact.save(tmp_path / "third.bin", "third")
    assert sum(sent) > 3 * MIB
    assert (saved.download(tmp_path / "down") / "third.bin").read_bytes() == data


KILLED = """
import os, signal, sys, xpstore
from xpstore.format.pack_files import PackWriter
write = PackWriter.write_buffer
def die(self, path, pack):
    write(self, path, pack)
    os.kill(os.getpid(), signal.SIGKILL)
PackWriter.write_buffer = die
client = xpstore.init()
with client.project("own", "own"):
    xpstore.DirectoryArtifact.save(sys.argv[1], "killed")
"""


def test_a_program_that_is_killed_in_between_has_saved_nothing(
    own: xpstore.Project, home: Home, tmp_path: Path
) -> None:
    (tmp_path / "killed.bin").write_bytes(secrets.token_bytes(3 * MIB))
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "killed.bin")],
        env={**os.environ, **home.environment},
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL
    assert len(list((home.folder / "blobs" / "incoming").iterdir())) == 1, "until the sweep"
    assert DirectoryArtifact.save(tmp_path / "killed.bin", "killed").version == 1


def test_what_is_wrong_is_named(own: xpstore.Project) -> None:
    stubs, call, uid = own._client.stubs.transfers, own._client.call, own.uid
    one = pb.NewPack(pack_id="00000000-0000-4000-8000-000000000000", size_bytes=1)
    for request, field in (
        (pb.OpenPacksRequest(project_uid=uid, packs=[one]), "way"),
        (pb.OpenPacksRequest(project_uid=uid, way=pb.TRANSFER_WAY_PATH, packs=[one] * 65), "packs"),
        (pb.OpenPacksRequest(project_uid=uid, way=pb.TRANSFER_WAY_PATH, packs=[pb.NewPack(pack_id="x")]), "pack_id"),
        (
            pb.OpenPacksRequest(
                project_uid=uid, way=pb.TRANSFER_WAY_PATH, packs=[pb.NewPack(pack_id=one.pack_id, size_bytes=0)]
            ),
            "size_bytes",
        ),
    ):
        with pytest.raises(InvalidArgument, match=field):
            call(stubs.OpenPacks, request)
    with pytest.raises(Conflict, match="no such way"):
        call(stubs.OpenPacks, pb.OpenPacksRequest(project_uid=uid, way=pb.TRANSFER_WAY_URL))
    with pytest.raises(InvalidArgument, match="pack_ids"):
        call(stubs.ClosePacks, pb.ClosePacksRequest(project_uid=uid, pack_ids=["x"]))
    closed = call(stubs.ClosePacks, pb.ClosePacksRequest(project_uid=uid, pack_ids=[one.pack_id]))
    assert list(closed.stored) == [False]
