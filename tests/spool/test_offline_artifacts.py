"""Saving, reading and caching without a server: all that can be done, and what there is no room for."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

import xpstore
from support.folders import lay, read
from xpstore import Project
from xpstore._offline.store import FILE_NAME
from xpstore.artifact import DatasetArtifact, DirectoryArtifact, TrainedModelArtifact
from xpstore.errors import AlreadyExists, InvalidArgument, NotFound, ResourceExhausted, Unavailable

pytestmark = pytest.mark.client

MIB = 1 << 20


def file_of(spool: Path) -> Path:
    (path,) = spool.glob(f"*/{FILE_NAME}")
    return path


def test_everything_of_an_artifact_that_needs_no_server_works(offline: Project, tmp_path: Path) -> None:
    files: dict[str, bytes | None] = {"a.txt": b"text " * 1000, "deep/b.bin": os.urandom(3 * MIB), "empty": None}
    folder = lay(tmp_path / "in", files)
    saved = DirectoryArtifact.save(folder, "data", aliases=["good"], metadata={"lr": 0.1}, description="first")
    assert len(saved.id) == 36 and len(saved.digest) == 64 and saved.name == "data"
    assert (saved.metadata, saved.description, saved.size_bytes) == ({"lr": 0.1}, "first", 5000 + 3 * MIB)
    assert not saved.is_sent and repr(saved) == "DirectoryArtifact(name='data', version=?, size_bytes=3150728)"
    assert saved.project.id == saved.project_id == offline.id
    assert [(file.path, file.is_directory) for file in saved.files()] == [
        ("a.txt", False),
        ("deep/b.bin", False),
        ("empty", True),
    ]
    saved.download(tmp_path / "out")
    assert read(tmp_path / "out") == files
    saved.download(tmp_path / "part", "deep")
    assert read(tmp_path / "part") == {"deep/b.bin": files["deep/b.bin"]}
    with saved.open("deep/b.bin") as file:
        file.seek(2 * MIB)
        assert file.read() == (files["deep/b.bin"] or b"")[2 * MIB :]
    assert DirectoryArtifact.get_by_id(saved.id) == DirectoryArtifact.get_by_name("data") == saved
    assert DirectoryArtifact.get_by_name("data", alias="good") == saved
    assert saved.refresh() == saved
    saved.description = "changed"
    assert DirectoryArtifact.get_by_name("data").description == "changed"


def test_object_is_loaded_from_what_waits(offline: Project) -> None:
    array = numpy.arange(10.0)
    saved = DatasetArtifact.save(array, "array")
    assert (saved.load() == array).all()
    with pytest.raises(NotFound, match="no file 'x'"):
        saved.load("x")


@pytest.mark.parametrize("what", ["version", "aliases", "versions"])
def test_what_only_the_server_can_say_is_one_sentence(what: str, offline: Project) -> None:
    saved = DirectoryArtifact.save(b"bytes", "data")
    message = (
        f"^'data' waits in the spool: only the server can say its {what}, once it is sent. `xpstore sync` sends it.$"
    )
    with pytest.raises(Unavailable, match=message):
        saved.versions() if what == "versions" else getattr(saved, what)


def test_other_questions_say_that_the_client_is_offline(offline: Project) -> None:
    saved = DirectoryArtifact.save(b"bytes", "data")
    questions: list[Callable[[], Any]] = [
        lambda: offline.artifacts.list(),
        lambda: DirectoryArtifact.load_all(),
        lambda: DirectoryArtifact.get_by_name("other"),
        lambda: DirectoryArtifact.get_by_name("data", alias="none"),
        lambda: DirectoryArtifact.get_by_name("data", version=1),
        lambda: DirectoryArtifact.get_by_id("00000000-0000-4000-8000-000000000000"),
        lambda: saved.undelete(),
        lambda: DirectoryArtifact.unalias("data", "x"),
        lambda: offline.cache.list(),
    ]
    for question in questions:
        with pytest.raises(Unavailable, match="offline"):
            question()


def test_what_the_server_would_refuse_is_refused_offline(offline: Project) -> None:
    DirectoryArtifact.save(b"bytes", "data")
    with pytest.raises(InvalidArgument, match=r"'data' has the type 'directory'; a name has one type"):
        TrainedModelArtifact.save(b"bytes", "data")
    with pytest.raises(InvalidArgument, match="name"):
        DirectoryArtifact.save(b"bytes", "")
    made = offline.experiment("e").model("h")
    with pytest.raises(AlreadyExists):
        offline.experiment("e").models.create("h")
    with pytest.raises(NotFound, match="made no such model"):
        DirectoryArtifact.save(b"bytes", "data", model=type("Foreign", (), {"id": made.experiment_id})())


def test_content_that_waits_already_is_that_version(offline: Project) -> None:
    first = DirectoryArtifact.save(b"bytes", "data", description="one")
    assert DirectoryArtifact.save(b"bytes", "data", aliases=["more"]).id == first.id
    assert DirectoryArtifact.save(b"bytes", "data", description="two").id != first.id
    assert DirectoryArtifact.save(b"bytes", "data", force=True).id != first.id
    assert DirectoryArtifact.get_by_name("data", alias="more") == first


def test_bound_is_met_before_a_byte_is_copied(
    offline: Project, spool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XPSTORE_SPOOL_ARTIFACTS_MIB", "3")
    data = os.urandom(2 * MIB)
    DirectoryArtifact.save(data, "data")
    before = file_of(spool).stat().st_size
    with pytest.raises(ResourceExhausted, match=r"XPSTORE_SPOOL_ARTIFACTS_MIB = 3: .*'data', which has 2\.0 MiB"):
        DirectoryArtifact.save(os.urandom(2 * MIB), "data")
    assert file_of(spool).stat().st_size == before
    more = DirectoryArtifact.save(data + b"and a little more", "data")
    assert more.open().read() == data + b"and a little more", "what is there already needs no room"


def test_bound_of_results_computes_and_says_so(
    offline: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XPSTORE_SPOOL_ARTIFACTS_MIB", "1")

    @xpstore.cached(version="1")
    def noise(size: int) -> bytes:
        return os.urandom(size)

    assert len(noise(3 * MIB)) == 3 * MIB
    assert noise(3 * MIB) != noise(3 * MIB)
    assert caplog.text.count("XPSTORE_SPOOL_ARTIFACTS_MIB") == 1
