"""Lists and ranges of files are what was asked for, or an error, whatever a server answers."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from support.hostile import HostileServer
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
