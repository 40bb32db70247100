"""Lists and ranges of files are what was asked for, or an error, whatever a server answers."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest

from support.hostility.hostile import KEY, HostileServer
from support.raw import FILE, entry_of
from xpstore import errors
from xpstore.v1 import artifact_pb2 as pb


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer() as server:
        yield server.hold({"a": b"alpha", "b/c": b"gamma" * 1_000, "b/d": None, "e": b""})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda server: server.entries.pop(),
        lambda server: server.entries.append(entry_of("z", b"")),
        lambda server: server.entries.reverse(),
        lambda server: setattr(server.entries[0], "size_bytes", 6),
    ],
    ids=["too few", "too many", "out of order", "another size"],
)
def test_wrong_list_of_files_is_data_loss(spoil: Callable[[HostileServer], object], server: HostileServer) -> None:
    spoil(server)
    with pytest.raises(errors.DataLoss):
        server.artifact().files()


OTHER_FILES: dict[str, Callable[[HostileServer], list[pb.ManifestEntry]]] = {
    "another": lambda server: [server.entries[0]],
    "a neighbour": lambda server: [entry_of("b/cc", b"")],
    "out of order": lambda server: server.entries[2:0:-1],
    "twice": lambda server: [server.entries[1], server.entries[1]],
}


@pytest.mark.parametrize("name", OTHER_FILES)
def test_other_files_than_were_asked_for_are_data_loss(name: str, server: HostileServer, tmp_path: Path) -> None:
    """Not a folder of names that were cut in the middle, nor the bytes of another file."""
    fs = fsspec.filesystem("xpstore", api_key=KEY, api_url=server.address, skip_instance_cache=True)
    assert fs.cat("p/hostile/b/c") == server.files["b/c"] and fs.find("p/hostile/b") == ["p/hostile/b/c"]
    fs.invalidate_cache()
    files = [server.file_of(entry) for entry in OTHER_FILES[name](server)]
    server.list_files = lambda _: pb.ListArtifactFilesResponse(files=files)
    asked: dict[str, Callable[[], object]] = {
        "open": lambda: server.artifact().open("b/c"),
        "cat": lambda: fs.cat("p/hostile/b/c"),
        "get": lambda: fs.get("p/hostile/b", str(tmp_path / "target"), recursive=True),
        "ls": lambda: fs.ls("p/hostile/b"),
    }
    # Of one file the first says all; a neighbour is a file of the folder.
    seen = {"out of order": ("get", "ls"), "twice": ("get", "ls"), "a neighbour": ("open", "cat")}
    for how in seen.get(name, asked):
        with pytest.raises(errors.DataLoss):
            asked[how]()
    assert not (tmp_path / "target").exists()


def test_endless_list_of_files_is_data_loss(server: HostileServer) -> None:
    numbers = itertools.count()
    server.list_files = lambda _: pb.ListArtifactFilesResponse(
        files=[pb.ArtifactFile(path=f"{next(numbers):09}", type=FILE, digest=bytes(32))], next_page_token="more"
    )
    for look in (lambda: server.artifact().files(), lambda: server.artifact().open("x"), server.artifact().load):
        with pytest.raises(errors.DataLoss):
            look()


RANGES: dict[str, Callable[[HostileServer, pb.ReadFileRequest], list[pb.ReadFileResponse]]] = {
    "too few bytes": lambda server, request: [
        server.header(request, length=request.length),
        pb.ReadFileResponse(data=b"x"),
    ],
    "too many bytes": lambda server, request: [
        server.header(request, length=request.length),
        pb.ReadFileResponse(data=b"x" * 9_999),
    ],
    "no header": lambda server, request: [pb.ReadFileResponse(data=b"x" * 9_999)],
    "nothing": lambda server, request: [],
    "another offset": lambda server, request: [
        server.header(request, offset=request.offset + 1, length=request.length - 1),
        pb.ReadFileResponse(data=b"x" * (request.length - 1)),
    ],
    "another length": lambda server, request: [server.header(request, length=3), pb.ReadFileResponse(data=b"xxx")],
}


@pytest.mark.parametrize("name", RANGES)
def test_wrong_range_of_a_file_is_data_loss(name: str, server: HostileServer) -> None:
    server.read_file = lambda request: RANGES[name](server, request)
    with server.artifact().open("b/c") as file:
        file.seek(17)
        with pytest.raises(errors.DataLoss):
            file.read()
        file.seek(17)
        with pytest.raises(errors.DataLoss):
            file.read(100)
