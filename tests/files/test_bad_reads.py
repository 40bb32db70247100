"""A chunk that arrives with other bytes, once or each time: its file's digest tells, and it is mended or named."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.folders import read
from support.hostility.hostile import HostileServer, count_asked
from support.raw import MIB, chunk_of, cut, digest_of, entry_of
from xpstore import errors
from xpstore.v1 import artifact_pb2 as pb

LARGE = os.urandom(12 * MIB)
FILES: dict[str, bytes | None] = {"a": b"alpha", "b/c": os.urandom(3 * MIB), "b/d": None, "large": LARGE, "z": b"last"}


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer() as server:
        yield server.hold(FILES)


def spoil(server: HostileServer, piece: bytes, times: int = 1_000) -> None:
    """Has a piece arrive with one other byte, so many times."""
    sound, left = server.read_chunks, times

    def spoilt(request: pb.ReadChunksRequest) -> Iterator[Any]:
        nonlocal left
        for message in sound(request):
            if left and message.chunks[0].digest == digest_of(piece):
                left -= 1
                message = pb.ReadChunksResponse(
                    chunks=[chunk_of(b"\0" + piece[1:] if piece[0] else b"\1" + piece[1:], digest=digest_of(piece))]
                )
            yield message

    server.read_chunks = spoilt


@pytest.mark.parametrize("path", ["a", "b/c", "large", "z"])
@pytest.mark.parametrize("times", [1, 2])
def test_bad_read_is_mended(path: str, times: int, server: HostileServer, tmp_path: Path) -> None:
    """Once as the file came first, and once more when its chunks are looked at."""
    spoil(server, cut(FILES[path] or b"")[-1], times)
    told = list[int]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xpstore._artifacts.contents.progress", lambda *_: Told(told))
        server.artifact().download(tmp_path)
    assert read(tmp_path) == FILES
    assert sum(told) == sum(len(data or b"") for data in FILES.values()), "what is fetched twice is told once"


class Told:
    """A bar of progress that keeps what it is told."""

    def __init__(self, told: list[int]) -> None:
        self._told = told

    def __enter__(self) -> Any:
        return self._told.append

    def __exit__(self, *_: object) -> None: ...


def test_large_file_is_fetched_again_from_the_bad_chunk_on(server: HostileServer, tmp_path: Path) -> None:
    pieces = cut(LARGE)
    spoil(server, pieces[8], 1)
    asked = count_asked(server)
    server.artifact().download(tmp_path, "large")
    assert (tmp_path / "large").read_bytes() == LARGE
    assert asked == [digest_of(piece) for piece in (*pieces, *pieces[8:])]


@pytest.mark.parametrize("path", ["a", "b/c", "large"])
def test_damaged_chunk_is_named_and_its_file_not_put_in_place(path: str, server: HostileServer, tmp_path: Path) -> None:
    sound, piece = server.read_chunks, cut(FILES[path] or b"")[-1]
    spoil(server, piece)
    (tmp_path / "b").mkdir()
    (tmp_path / path).write_bytes(b"as it was before")
    with pytest.raises(errors.DataLoss, match=digest_of(piece).hex()):
        server.artifact().download(tmp_path)
    assert (tmp_path / path).read_bytes() == b"as it was before"
    assert all(FILES[name] == data for name, data in read(tmp_path).items() if name in FILES and name != path)
    server.read_chunks = sound
    server.artifact().download(tmp_path)
    assert read(tmp_path) == FILES, "what was left goes on, and its wrong bytes are not believed"


def test_other_file_in_the_manifest_that_is_read_again_is_data_loss(server: HostileServer, tmp_path: Path) -> None:
    spoil(server, b"alpha", 1)
    sound, other = server.manifest, pb.ReadManifestResponse(entries=[entry_of("a", b"other")])
    server.manifest = lambda request: [other] if request.path_prefix == "a" else sound(request)
    server.pieces[digest_of(b"other")] = b"other"
    with pytest.raises(errors.DataLoss, match="manifest"):
        server.artifact().download(tmp_path)
    assert not (tmp_path / "a").exists()
